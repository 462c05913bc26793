"""The short way to read a window says what the long one says: of random ledgers, with damage, other versions, zones and later knowledge."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.ledger import NAME, Amendment, Entry, read, skim
from orchestrator.ledger.brief import HEAD, Brief, brief
from orchestrator.ledger.line import Route, Tokens, checksum, encode, sealed
from tests.ledger.outcomes import NOW, line, stamp
from tests.ledger.test_samples import ENTRIES

SINCE = stamp(NOW - timedelta(days=30))
COUNT = st.none() | st.integers(0, 10**12)
AMOUNT = st.none() | st.floats(0, 1e12)
SHARE = st.floats(0, 1)


def changed(one: Entry, **values: Any) -> Entry:
    return one.model_copy(update=values)


TIMES = st.timedeltas(timedelta(days=-40), timedelta(days=5)).map(lambda by: stamp(NOW + by))
LINES = st.builds(
    changed,
    ENTRIES,
    timestamp=TIMES,
    run_id=st.sampled_from(["r1", "r2"]),
    task_id=st.sampled_from(["t-1", "t-2", "t-3", "ü"]),
    attempt=st.integers(1, 3),
    tokens=st.builds(
        Tokens, input=COUNT, output=COUNT, cache_read=COUNT, cache_write=COUNT, reasoning=COUNT
    ),
    route=st.builds(
        Route,
        tier=st.none(),
        confidence=SHARE,
        reason=st.text(max_size=12),
        propensity=st.none() | SHARE,
        strategy=st.none() | st.text(max_size=5),
        model=st.none() | st.text(max_size=8),
        estimated_tokens=COUNT,
        estimated_cost_usd=AMOUNT,
        estimated_duration_s=AMOUNT,
    ),
    check_strength=st.none() | SHARE,
    verify_strength=st.none() | SHARE,
    origin=st.sampled_from(["live", "retroactive"]),
)
AMENDMENTS = st.builds(
    Amendment,
    run_id=st.sampled_from(["r1", "r2"]),
    task_id=st.sampled_from(["t-1", "t-2", "t-3"]),
    attempt=st.integers(1, 3),
    outcome=st.sampled_from(["success", "failed"]),
    by=st.just("ci"),
    timestamp=st.just(stamp(NOW)),
)


def of_the_first_version(one: Entry) -> bytes:
    values = one.model_dump(mode="json") | {"v": 1}
    return json.dumps(values | {"checksum": checksum(values)}).encode() + b"\n"


def broken(one: Entry, **values: Any) -> bytes:
    """Whole by its checksum, and still no attempt."""
    return sealed(one.model_dump(mode="json") | values)


WRONG = [
    {"complexity_estimated": 11},
    {"attempt": 0},
    {"cost_usd": -1.0},
    {"cost_usd": "1"},
    {"outcome": "perhaps"},
    {"timestamp": "2026-02-30T00:00:00Z"},
    {"timestamp": "2026-02-20T00:00:00"},
    {"task_id": ""},
    {"verify_strength": 2.0},
    {"verified": "loudly"},
    {"model_routed": "giant"},
    {"tokens_total": 1.5},
    {"tokens": {}},
    {"route": {}},
    {"lower_bound": "no"},
]
OTHERS = [
    {"v": 3, "new": [1]},
    {"timestamp": "2026-02-20T01:02:03+02:00"},
    {"timestamp": "2026-02-20T01:02:03.5Z"},
    {"timestamp": "2026-02-20T01:02:03.000000Z"},
    {"task_type": "new-word", "failure": "odd"},
    {"provider": 'a"b\\'},
]
FILE = st.lists(
    st.one_of(
        LINES.map(encode),
        LINES.map(encode),
        AMENDMENTS.map(encode),
        LINES.map(of_the_first_version),
        st.builds(lambda one, odd: broken(one, **odd), LINES, st.sampled_from(WRONG + OTHERS)),
        LINES.map(lambda one: encode(one)[:-30] + b"\n"),
        LINES.map(lambda one: encode(one).replace(b'"shop"', b'"shut"')),
        st.sampled_from([b"\n", b"nothing\n", b'{"kind":"new","checksum":"x"}\n', b"\xff\xfe\n"]),
    ),
    max_size=12,
)


@settings(max_examples=400, deadline=None)
@given(FILE, st.booleans())
def test_of_any_ledger_the_same_attempts_count_in_the_same_way(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], torn: bool
):
    folder = tmp_path_factory.mktemp("ledger")
    text = b"".join(lines)
    (folder / NAME).write_bytes(text[:-3] if torn else text)
    slow, quick = read(folder, SINCE), skim(folder, SINCE)
    assert list(quick.entries) == [brief(one) for one in slow.entries]
    assert list(quick.amendments) == list(slow.amendments)
    assert quick.false_accepts == slow.false_accepts
    assert quick.false_rejects == slow.false_rejects
    assert [one.own_cost_usd for one in quick.entries] == [o.own_cost_usd for o in slow.entries]


@pytest.mark.parametrize("odd", WRONG + OTHERS)
def test_what_the_long_way_refuses_or_corrects_the_short_one_does_too(
    tmp_path: Path, odd: dict[str, Any]
):
    (tmp_path / NAME).write_bytes(broken(line(), **odd))
    assert list(skim(tmp_path, SINCE).entries) == [brief(o) for o in read(tmp_path, SINCE).entries]
    assert len(skim(tmp_path, SINCE).entries) == (0 if odd in WRONG else 1)


def test_the_short_way_is_the_one_that_is_taken():
    assert HEAD.match(encode(line()))
    assert HEAD.match(encode(line("haiku", cost=None, model_routed=None, duration_seconds=None)))


def test_a_long_ledger_is_skimmed_in_a_few_bytes_and_little_time(tmp_path: Path):
    """Against the long way on the same machine, as machines differ: an eighth of it is usual."""
    values = line().model_dump(mode="json")
    with (tmp_path / NAME).open("wb") as file:
        for number in range(20_000):
            file.write(sealed(values | {"task_id": f"t-{number}", "tokens_total": number}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = skim(tmp_path, SINCE)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(found.entries) == 20_000
    assert all(type(one) is Brief for one in found.entries)
    assert grown < 20_000 * 2  # KiB: 2 KiB each at most
    del found
    assert best_of_3(skim, tmp_path) < best_of_3(read, tmp_path) / 2


def best_of_3(way: Callable[[Path, str], object], folder: Path) -> float:
    """CPU seconds; the least, as whatever else runs only adds to it."""
    took = []
    for _ in range(3):
        began = time.process_time()
        way(folder, SINCE)
        took.append(time.process_time() - began)
    return min(took)
