"""Journals that earlier versions wrote are read, replayed and gone on with; one of an unknown event is of a newer version."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator import journal
from orchestrator.cli import past
from orchestrator.errors import JournalLocked, JournalTooNew, UnknownRun
from orchestrator.history import fold
from orchestrator.model import Answer, EventKind, PlanId, RunId, TaskId
from tests.engine import runs

KEPT = Path(__file__).parent / "kept"
# What `show` said of them when they were written: of each task its state, its tries and their failures.
TOLD: Mapping[str, Mapping[str, Mapping[str, tuple[str, list[str]]]]] = {
    "1": {
        "261128-28wau": {
            "demo/1": ("succeeded", [""]),
            "demo/2": ("succeeded", ["interrupted", ""]),
            "demo/3": ("succeeded", ["interrupted", "conflict", ""]),
            "demo/4": ("succeeded", ["rate-limit", ""]),
            "demo/5": ("succeeded", []),
            "demo/6": ("succeeded", ["exit", "exit", ""]),
        },
        "261128-yt6wu": {
            "wait/1": ("succeeded", [""]),
            "wait/2": ("paused", []),
            "wait/3": ("waiting", []),
        },
    },
    "2": {
        "261128-4r884": {
            "demo/1": ("succeeded", [""]),
            "demo/2": ("succeeded", [""]),
            "demo/3": ("succeeded", ["conflict", ""]),
            "demo/4": ("succeeded", ["rate-limit", ""]),
            "demo/5": ("succeeded", []),
            "demo/6": ("succeeded", ["exit", "exit", ""]),
        },
        "261128-dpyz4": {
            "wait/1": ("succeeded", [""]),
            "wait/2": ("paused", []),
            "wait/3": ("waiting", []),
        },
        "261128-8kcga": {"test/1": ("succeeded", [""])},
    },
}


def place(version: str, root: Path) -> Path:
    home = journal.make_home(root)
    shutil.copy(KEPT / f"{version}.db", home / "journal.db")
    (root / ".planning").mkdir()
    return home


def test_a_journal_of_every_version_before_this_one_is_kept():
    assert (
        {one.stem for one in KEPT.glob("*.db")}
        == set(TOLD)
        == {str(n) for n in range(1, journal.VERSION)}
    )


@pytest.mark.parametrize("version", TOLD)
def test_it_is_replayed_to_what_it_said_then_and_stays_as_it_is(version: str, tmp_path: Path):
    home = place(version, tmp_path)
    before = (home / "journal.db").read_bytes()
    for run, told in TOLD[version].items():
        found = past.reopen(tmp_path, run)
        said = {
            task: (
                str(found.state(task)),
                [
                    str((t.outcome and t.outcome.failure) or "")
                    for t in found.watched.history.of(task).tried
                ],
            )
            for task in found.graph
        }
        assert said == told
    assert (home / "journal.db").read_bytes() == before


@pytest.mark.parametrize("version", TOLD)
def test_a_writer_brings_it_to_today_and_nothing_changes(version: str, tmp_path: Path):
    home = place(version, tmp_path)
    with journal.reading(tmp_path) as book:
        before = {row.id: (book.events(row.id), book.plans(row.id)) for row in book.runs()}
    with journal.writing(tmp_path) as book:
        assert {row.id: (book.events(row.id), book.plans(row.id)) for row in book.runs()} == before
    with closing(sqlite3.connect(home / "journal.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (journal.VERSION,)


@pytest.mark.parametrize("version", TOLD)
async def test_a_run_that_waited_under_an_older_version_goes_on(version: str, tmp_path: Path):
    place(version, tmp_path)
    (tmp_path / "plans").mkdir()
    (tmp_path / "left.txt").write_text("left\n")
    waits = next(run for run, told in TOLD[version].items() if "wait/2" in told)
    with journal.reading(tmp_path) as book:
        (plan,) = book.plans(RunId(waits))
    (tmp_path / plan.path).write_bytes(plan.content)
    answers = {"wait/2": Answer(approved=True, option="b")}
    ended = await runs.resume(tmp_path, named=waits, watcher=runs.Watcher(answers))
    assert ended.code == 0
    assert ended.count(EventKind.ATTEMPT_STARTED, "wait/1") == 1
    assert (tmp_path / "right.txt").read_text() == "right\n"
    assert fold(ended.events).of(TaskId("wait/2")).answer is not None


def test_an_event_of_a_kind_that_is_not_known_is_of_a_newer_version(tmp_path: Path):
    with journal.writing(tmp_path) as book:
        run = book.begin({}, [journal.store(PlanId("p"), "p-PLAN.md", b"")])
        book.append(run, EventKind.RUN_STARTED, {})
        values = (1, run, "2026-01-01", "teleported", None, None, "{}")
        book._connection.execute(
            "UPDATE events SET at = ?, kind = ?, data = ?, crc = ?",
            ("2026-01-01", "teleported", "{}", journal.file.checksum(values)),
        )
    with (
        journal.reading(tmp_path) as book,
        pytest.raises(JournalTooNew, match=r"teleported.*upgrade"),
    ):
        book.events(run)


def test_a_file_in_which_nothing_is_yet_has_no_run(tmp_path: Path):
    (journal.make_home(tmp_path) / "journal.db").touch()
    with pytest.raises(UnknownRun, match="no run yet"), journal.reading(tmp_path):
        pass


def test_a_second_writer_is_told_who_is_the_first(tmp_path: Path):
    with journal.writing(tmp_path) as book:
        book.announce([RunId("261128-abcde")])
        with pytest.raises(JournalLocked, match=r"pid \d+, run 261128-abcde"):
            journal.refuse_second(tmp_path)
    journal.refuse_second(tmp_path)
