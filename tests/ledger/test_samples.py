"""The ledger as evidence: the window to the second, damage passed over, one attempt once, and no more memory for more lines."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import RecordError
from orchestrator.ledger import NAME, Amendment, Entry, Samples, append, read
from orchestrator.ledger.line import Reviewed, Tokens, checksum, encode, is_sealed, sealed
from orchestrator.ledger.samples import HEAD, sample
from orchestrator.ledger.samples import read as parse
from tests.conftest import REPOSITORY
from tests.ledger.outcomes import NOW, line, stamp

SINCE = NOW - timedelta(days=30)


def numbers(folder: Path, since: str = stamp(SINCE)) -> list[str]:
    return [one.task_id for one in Samples(folder, since)]


def test_s0_22_a_second_inside_the_window_counts_and_one_outside_does_not(tmp_path: Path):
    inside = line(number=1, at=SINCE + timedelta(seconds=1))
    edge = line(number=2, at=SINCE)
    outside = line(number=3, at=SINCE - timedelta(seconds=1))
    hair = line(number=4, at=SINCE - timedelta(microseconds=1))
    append(tmp_path, [outside, hair, edge, inside])
    samples = Samples(tmp_path, stamp(SINCE))
    assert [one.task_id for one in samples] == ["06-02-task-2", "06-02-task-1"]
    assert (samples.others, samples.damaged, samples.repeated) == (2, 0, 0)


def test_times_of_other_zones_are_compared_as_times(tmp_path: Path):
    values = line(number=1).model_dump(mode="json")
    there = SINCE.astimezone(timezone(timedelta(hours=-9)))  # as text it is before the window
    late = sealed(values | {"timestamp": (there + timedelta(minutes=1)).isoformat()})
    early = sealed(values | {"timestamp": (there - timedelta(minutes=1)).isoformat()})
    (tmp_path / NAME).write_bytes(late + early)
    assert numbers(tmp_path) == ["06-02-task-1"]


@settings(max_examples=50, deadline=None)
@given(seconds=st.lists(st.integers(-5_000_000, 5_000_000), max_size=30, unique=True))
def test_samples_are_what_read_reads(tmp_path_factory: pytest.TempPathFactory, seconds: list[int]):
    folder = tmp_path_factory.mktemp("ledger")
    times = [SINCE + timedelta(microseconds=37 * one) for one in seconds]
    append(folder, [line(number=n, at=at) for n, at in enumerate(times)])
    expected = [one.task_id for one in read(folder, since=stamp(SINCE)).entries]
    assert numbers(folder) == expected


def test_a_long_past_costs_next_to_nothing(tmp_path: Path):
    """What is older than the window is not even parsed: its damage is for `check` to find."""
    append(tmp_path, [line(number=1, at=SINCE - timedelta(days=9)), line(number=2)])
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes().replace(b'"attempt":1', b'"attempt":0', 1))
    assert read(tmp_path, since=stamp(SINCE)).damaged == ()
    assert [number for number, _ in read(tmp_path).damaged] == [1]
    samples = Samples(tmp_path, stamp(SINCE))
    assert [one.task_id for one in samples] == ["06-02-task-2"]
    assert (samples.others, samples.damaged) == (1, 0)


def test_damage_and_second_lines_of_an_attempt_are_counted(tmp_path: Path):
    append(tmp_path, [line(number=1), line(number=1), line(number=2)])
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes() + b"\x00\x00\n" + b'{"kind":"mood"}\n' + b'{"task_id":"cut')
    samples = Samples(tmp_path, stamp(SINCE))
    assert [one.task_id for one in samples] == ["06-02-task-1", "06-02-task-2"]
    assert (samples.repeated, samples.damaged, samples.others) == (1, 3, 0)
    assert len(read(tmp_path).damaged) == 3, "learn and reports say the same"


def test_learn_counts_the_damage_that_reports_count(tmp_path: Path):
    """Each line of a ledger with an amendment, with a byte changed."""
    later = Amendment(
        run_id="r1",
        task_id="06-02-task-1",
        attempt=1,
        outcome="failed",
        by="CI",
        timestamp=stamp(NOW),
    )
    append(tmp_path, [line(number=1), later, line(number=2)])
    path = tmp_path / NAME
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join(row.replace(b'"attempt":1', b'"attempt":2') for row in rows) + rows[1]
    )
    samples = Samples(tmp_path, stamp(SINCE))
    assert list(samples) == []
    assert samples.damaged == len(read(tmp_path, since=stamp(SINCE)).damaged) == 3
    assert samples.others == 1


@pytest.mark.parametrize("reading", [read, lambda folder: list(Samples(folder, stamp(SINCE)))])
def test_a_ledger_that_is_a_folder_is_an_error_with_a_next_step(
    tmp_path: Path, reading: Callable[[Path], object]
):
    (tmp_path / NAME).mkdir()
    with pytest.raises(
        RecordError, match=rf"cannot be read .*Next: it is a folder; move it away: mv {tmp_path}"
    ):
        reading(tmp_path)


def test_lines_of_the_first_version_are_read_and_a_changed_one_is_not(tmp_path: Path):
    values = line().model_dump(mode="json") | {"v": 1}
    first = {**values, "checksum": checksum(values)}
    text = json.dumps(first).encode() + b"\n"  # with spaces: only the old checksum fits
    assert not is_sealed(text)
    (tmp_path / NAME).write_bytes(
        text + text.replace(b'"complexity_estimated": 6', b'"complexity_estimated": 5')
    )
    window = read(tmp_path)
    assert len(window.entries) == 1
    assert window.damaged == ((2, "has a wrong checksum"),)
    samples = Samples(tmp_path, stamp(SINCE))
    assert len(list(samples)) == 1
    assert samples.damaged == 1


@given(place=st.integers(0, 100_000), byte=st.integers(0, 255))
def test_no_changed_byte_passes_as_sealed(place: int, byte: int):
    good = bytearray(sealed(line().model_dump(mode="json")))
    place %= len(good)
    if good[place] == byte:
        return
    good[place] = byte
    assert not is_sealed(bytes(good))


ENTRIES = st.builds(
    line,
    model=st.sampled_from(["haiku", "sonnet", "opus"]),
    outcome=st.sampled_from(["success", "partial", "failed"]),
    cost=st.none() | st.floats(0, 1e9),
    duration_seconds=st.none() | st.floats(0, 1e9),
    task_id=st.text(min_size=1, max_size=12),
    run_id=st.text(max_size=12),
    project=st.text(max_size=5),
    model_version=st.none() | st.text(max_size=12),
    provider=st.none() | st.text(max_size=5),
    attempt=st.integers(1, 10**6),
    worker=st.text(max_size=5),
    route=st.fixed_dictionaries(
        {
            "tier": st.none() | st.sampled_from(["haiku", "opus"]),
            "confidence": st.floats(0, 1),
            "reason": st.text(max_size=8),
            "propensity": st.none() | st.floats(0, 1),
            "strategy": st.none() | st.text(max_size=5),
            "model": st.none() | st.text(max_size=8),
        }
    ),
    lower_bound=st.booleans(),
    verified=st.none() | st.sampled_from(["command", "none"]),
    failure=st.none() | st.text(max_size=8),
    area=st.none() | st.text(max_size=8),
    tokens_total=st.none() | st.integers(0, 10**12),
    review=st.none()
    | st.builds(
        Reviewed,
        model=st.none(),
        approved=st.booleans(),
        tokens_total=st.none(),
        cost_usd=st.none() | st.floats(0, 9),
        tokens=st.just(Tokens(**dict.fromkeys(Tokens.model_fields))),
    ),
)


@settings(max_examples=300, deadline=None)
@given(entry=ENTRIES)
def test_the_short_way_to_read_a_line_says_what_the_long_one_says(entry: Entry):
    text = encode(entry)
    assert parse(text) == sample(Entry.model_validate_json(text))


def test_the_short_way_is_the_one_that_is_taken():
    """Whoever changes the order of keys must change the pattern: else a million lines take five times as long."""
    assert HEAD.match(encode(line()))
    assert HEAD.match(encode(line("haiku", cost=None, model_routed=None, duration_seconds=None)))


def test_the_checksum_of_a_line_can_be_made_with_ordinary_tools():
    """As docs/learning.md says: the sha256 of all before `,"checksum"`, its first 16 digits."""
    text = sealed(line().model_dump(mode="json"))
    body, _, rest = text.partition(b',"checksum":"')
    assert rest == hashlib.sha256(body).hexdigest()[:16].encode() + b'"}\n'
    assert json.loads(text)["checksum"] == rest[:16].decode()


MEASURE = """
import re, sys
from orchestrator.ledger import Samples
from orchestrator.intelligence.learner import learn
from orchestrator.intelligence.comparison import Policy
from pathlib import Path
print(learn(Samples(Path(sys.argv[1]), sys.argv[2]), Policy()).loaded)
told = Path("/proc/self/status").read_text()  # ru_maxrss begins with that of who has started us
print(re.search(r"VmHWM:\\s+(\\d+) kB", told)[1])
"""


def test_four_times_the_lines_do_not_need_more_memory(tmp_path: Path):
    """Of each line only a hash of its identity is kept: under 200 bytes, against 5,000 of an entry."""
    peaks = []
    for count in (5_000, 20_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        text = sealed(line(task_id="NAME").model_dump(mode="json") | {"checksum": ""})
        body = json.loads(text)
        with (folder / NAME).open("wb") as file:
            for number in range(count):
                file.write(sealed(body | {"task_id": f"t-{number}"}))
        argv = [sys.executable, "-c", MEASURE, str(folder), stamp(SINCE)]
        told = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=REPOSITORY)
        loaded, peak = map(int, told.stdout.split())
        assert loaded == count
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 15_000 * 200 / 1024 + 4096
