"""The four switches of S3-35 together: whichever are off, that part leaves a project as it is without it, and the others do theirs."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from orchestrator import clock, journal, ledger, settings
from orchestrator.daemon.queue import Found
from orchestrator.daemon.thrift import Thrift
from orchestrator.engine import observing
from orchestrator.model import TaskId
from orchestrator.outloop import analysis, store
from orchestrator.settings import Settings, ledger_folder
from tests.engine import runs
from tests.engine.test_offloading import DO, Agent, crew, learn
from tests.engine.test_offloading import task as one_task
from tests.ledger.outcomes import line
from tests.outloop.test_discovery import seen
from tests.outloop.test_sync import Stepper, play
from tests.web.offloads import at

SWITCHES = ("patterns.detect", "patterns.offload", "patterns.discover", "quota.throttle")
MONTH = {"month_tokens": 1000}
LOW = Found(path="plans/low-PLAN.md", sha256="a", changed_at=0, phase="", priority=-1)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run that nobody has counted yet, a pattern in use, one that is worth a script, and a month that is used up."""
    root = tmp_path_factory.mktemp("known")
    with pytest.MonkeyPatch.context() as own:
        own.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path_factory.mktemp("ledger")))
        anyio.run(lambda: play(root, "Task 1: Write it", agent=Stepper("mypy src")))
        (root / ".orchestrator" / "config.toml").unlink()
        runs.write_plan(root, one_task(), one_task("Write the parser"))
        learn(root)
        with store.writing(root) as book:
            book.record(seen(6, at=at(1), of="new"))
        told = {"input": 2000, "output": 0, "cache_read": 0, "cache_write": 0, "reasoning": None}
        now = datetime.fromtimestamp(clock.wall(), UTC)
        ledger.append(ledger_folder(), [line(at=now, tokens=told)])
        yield root


def files(root: Path) -> set[str]:
    """But for the journal's own."""
    every = (one.relative_to(root).as_posix() for one in root.rglob("*") if one.is_file())
    return {one for one in every if "journal" not in Path(one).name}


def tables(root: Path) -> Mapping[str, list[str]]:
    """All that the journal's file has, by table."""
    with closing(sqlite3.connect(root / journal.HOME / "journal.db")) as db:
        names = [
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {name: sorted(map(str, db.execute(f"SELECT * FROM {name}"))) for name in names}


def chosen(root: Path, off: set[str]) -> Settings:
    given: dict[str, dict[str, object]] = {"patterns": {}, "quota": dict(MONTH)}
    for name in off:
        section, _, key = name.partition(".")
        given[section][key] = False
    return settings.load(root, given)


async def after_a_run(root: Path, conf: Settings) -> list[str]:
    """What happens beside and behind runs; why plans wait."""
    said: list[str] = []
    await observing.observe(root, conf, said.append)
    analysis.analyze(root, conf)
    thrift = Thrift(root, lambda: conf)
    await thrift.look([LOW])
    return [*said, thrift.waits] if thrift.waits else said


numbers = count()


@effort(max_examples=16, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from(SWITCHES)))
@example(set())
@example(set(SWITCHES))
def test_s3_35_whichever_are_off_their_part_is_as_without_it(
    known: Path, tmp_path: Path, off: set[str]
):
    root = tmp_path / str(next(numbers))
    shutil.copytree(known, root)
    bare = tmp_path / f"{root.name}-bare"
    shutil.copytree(known / "plans", bare / "plans")
    conf, before, there = chosen(root, off), tables(root), files(root)

    with_it = crew(root, Agent(), **json.loads(conf.patterns.model_dump_json()))
    without = crew(bare, Agent())
    is_offloaded = with_it.ladders != without.ladders
    assert is_offloaded == ("patterns.offload" not in off)
    assert with_it.ladders[TaskId("demo/2")] == without.ladders[TaskId("demo/2")]
    if "patterns.offload" in off:
        assert (with_it.others, with_it.notes, with_it.told, with_it.needed) == (
            without.others, without.notes, without.told, without.needed,
        )  # fmt: skip
    else:
        assert len(with_it.ladders[TaskId(DO)]) > len(without.ladders[TaskId(DO)])

    waits = anyio.run(after_a_run, root, conf)
    assert [one for one in waits if "behind quota" in one] == waits
    assert bool(waits) == ("quota.throttle" not in off)

    after = tables(root)
    is_counted = after["pattern_occurrences"] != before["pattern_occurrences"]
    assert is_counted == ("patterns.detect" not in off)
    made = files(root) - there
    suggested = {one for one in made if one.startswith(".orchestrator/suggestions/")}
    assert bool(suggested) == ("patterns.discover" not in off)
    assert made == suggested
    if {"patterns.detect", "patterns.discover"} <= off:
        assert after == before
