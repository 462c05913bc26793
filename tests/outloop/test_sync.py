"""From the journal into the store: from where it was left, in any portions, and nothing twice. Real journals, real engines."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator import journal
from orchestrator.errors import JournalLocked
from orchestrator.journal import rescue, tail
from orchestrator.model import Attempt, Outcome, Progress, Step, StepKind, Usage
from orchestrator.outloop import store, sync
from orchestrator.workers import Report
from tests.engine import runs

KEPT = Path(__file__).parents[1] / "journal" / "kept"
FLOOR = 70.0


class Stepper(runs.TieredAgent):
    """An agent that tells what it did."""

    def __init__(self, *commands: str) -> None:
        super().__init__("exit 0")
        self.commands = commands

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        for command in self.commands:
            report(Progress(step=Step(kind=StepKind.RUN, tool="Bash", target=command, ok=True)))
        report(Progress(step=Step(kind=StepKind.READ, tool="Read", target="plans/demo-PLAN.md")))
        return await super().run(attempt, report)


def task(name: str) -> str:
    return (
        f'<task type="auto" worker="agent" context-mode="fresh"><name>{name}</name><action>Do it.</action>'
        "<verify><automated>true</automated></verify><done>done</done></task>\n"
    )


async def play(root: Path, *names: str, agent: Stepper | None = None) -> runs.Ran:
    runs.write_plan(root, *map(task, names))
    (root / ".orchestrator").mkdir(exist_ok=True)
    (root / ".orchestrator" / "config.toml").write_text("[patterns]\ndetect = false\n")
    workers = {"agent": agent or Stepper("pytest -q", "ruff check .")}
    return await runs.run(root, workers=workers)


def rows(root: Path) -> Mapping[str, tuple[int, int | None]]:
    with store.reading(root) as book:
        assert book is not None
        return {
            one.signature: (one.occurrences, one.mean_tokens and round(one.mean_tokens))
            for one in book.patterns()
        }


def dump(root: Path) -> list[str]:
    """All but the events."""
    with closing(sqlite3.connect(root / journal.HOME / "journal.db")) as db:
        return [line for line in db.iterdump() if '"events"' not in line]


async def test_what_attempts_did_is_there_afterwards_and_a_second_time_changes_nothing(
    tmp_path: Path,
):
    await play(tmp_path, "Task 1: Run the tests", "Task 2: Write the parser")
    assert sync.sync(tmp_path, FLOOR) == 4
    assert rows(tmp_path) == {
        "test:pytest": (2, 74),
        "test:pytest:all": (2, 74),
        "lint:ruff": (2, 37),
        "lint:ruff:all": (2, 37),
    }
    before = dump(tmp_path)
    assert sync.sync(tmp_path, FLOOR) == 0
    assert dump(tmp_path) == before


async def test_it_goes_on_where_it_was_left_and_portions_change_nothing(tmp_path: Path):
    for root in (tmp_path / "one", tmp_path / "other"):
        root.mkdir()
    await play(tmp_path / "one", "Task 1: Run the tests", "Task 2: Write the parser")
    shutil.copytree(tmp_path / "one", tmp_path / "other", dirs_exist_ok=True)
    sync.sync(tmp_path / "one", FLOOR)
    assert sync.sync(tmp_path / "other", FLOOR, most=3) == 4
    assert rows(tmp_path / "other") == rows(tmp_path / "one")
    await play(tmp_path / "other", "Task 1: Write the lexer", agent=Stepper("pytest -q"))
    assert sync.sync(tmp_path / "other", FLOOR) == 1
    assert rows(tmp_path / "other")["test:pytest"][0] == 3


async def test_read_anew_from_the_beginning_nothing_counts_twice(tmp_path: Path):
    await play(tmp_path, "Task 1: Run the tests")
    sync.sync(tmp_path, FLOOR)
    before = rows(tmp_path)
    with store.writing(tmp_path) as book:
        book.read(sync.EVENTS, 0)
    assert sync.sync(tmp_path, FLOOR) == 0
    assert rows(tmp_path) == before
    assert sum('INTO "hook_events"' in line for line in dump(tmp_path)) == 1


async def test_what_damage_took_is_seen_again(tmp_path: Path):
    await play(tmp_path, "Task 1: Run the tests")
    sync.sync(tmp_path, FLOOR)
    before = rows(tmp_path)
    with closing(sqlite3.connect(tmp_path / journal.HOME / "journal.db")) as db:
        db.execute("UPDATE events SET data = '{}' WHERE seq = (SELECT max(seq) FROM events)")
        db.execute("DELETE FROM pattern_occurrences")
        db.commit()
    assert rescue.rescue(tmp_path)
    assert sync.sync(tmp_path, FLOOR) == 2
    assert rows(tmp_path) == before


def test_a_journal_of_an_older_version_is_brought_to_today_and_read(tmp_path: Path):
    shutil.copy(KEPT / "2.db", journal.make_home(tmp_path) / "journal.db")
    assert sync.sync(tmp_path, FLOOR) == 1
    # its share by steps: it also edited a file
    assert rows(tmp_path) == {"test:pytest": (1, 2100), "test:pytest:tests": (1, 2100)}


def test_while_an_older_engine_holds_it_nothing_is_written(tmp_path: Path):
    shutil.copy(KEPT / "2.db", journal.make_home(tmp_path) / "journal.db")
    with journal.locked(tmp_path), pytest.raises(JournalLocked):
        sync.sync(tmp_path, FLOOR)


def test_where_nothing_ran_there_is_nothing_to_do(tmp_path: Path):
    assert sync.sync(tmp_path, FLOOR) == 0
    assert tail.latest(tmp_path) == 0
    assert not (tmp_path / journal.HOME).exists()


class Silent(Stepper):
    """One whose usage is only a lower bound."""

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        done = await super().run(attempt, report)
        return done.model_copy(update={"usage": Usage(input_tokens=5, lower_bound=True)})


async def test_a_lower_bound_is_no_measure(tmp_path: Path):
    await play(tmp_path, "Task 1: Run the tests", agent=Silent("pytest"))
    sync.sync(tmp_path, FLOOR)
    assert rows(tmp_path)["test:pytest"] == (1, None)
