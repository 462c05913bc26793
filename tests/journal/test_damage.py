"""The journal's files cut off at every byte of their ends, and with any bit of them flipped: a prefix, or a loud stop."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import journal
from orchestrator.errors import JournalCorrupt, RecordError
from orchestrator.journal import rescue
from orchestrator.model import Event, EventKind, PlanId, TaskId

PLAN = journal.store(PlanId("p"), "plans/p-PLAN.md", b"# a plan\n" * 40)
EVERY = 1 if os.environ.get("CI") else 61  # all offsets take a minute
PAGE = 4096
FRAME = PAGE + 24
WRITER = """
import os, pathlib, signal, sys
from orchestrator import journal
from orchestrator.model import EventKind, TaskId
from tests.journal.test_damage import PLAN, fill
with journal.writing(pathlib.Path(sys.argv[1])) as book:
    fill(book, 12)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass(frozen=True)
class Written:
    """A journal of which one run is in the database and one in the WAL, as kill -9 left it; and all that was acknowledged."""

    home: Path
    events: list[Event]

    def copy(self, folder: Path) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        place = folder / ".orchestrator"
        place.mkdir(parents=True)
        for name in ("journal.db", "journal.db-wal", "journal.mark"):
            if (self.home / name).exists():
                shutil.copy(self.home / name, place / name)
        return place


def fill(book: journal.Journal, count: int) -> None:
    run = book.begin({"yes": True}, [PLAN])
    for number in range(count):
        data = {"n": number, "text": "ü" * (number * 37 % 900)}
        kind = EventKind.CHECK_FINISHED if number else EventKind.RUN_STARTED
        book.append(run, kind, data, task=TaskId("p/1"), attempt=number)


def everything(root: Path) -> list[Event]:
    with journal.reading(root) as book:
        found = [event for row in book.runs() for event in book.events(row.id)]
        for row in book.runs():
            assert book.plans(row.id) == [PLAN]
    return sorted(found, key=lambda event: event.seq)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Written:
    root = tmp_path_factory.mktemp("killed")
    with journal.writing(root) as book:
        fill(book, 30)
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(root)], cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == -signal.SIGKILL
    home = root / ".orchestrator"
    assert (home / "journal.db-wal").stat().st_size > 2 * FRAME
    kept = Written(home, [])
    copied = kept.copy(tmp_path_factory.mktemp("whole") / "project")
    return Written(home, everything(copied.parent))


@pytest.fixture(scope="module")
def closed(killed: Written, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The same, all of it in the database."""
    home = killed.copy(tmp_path_factory.mktemp("closed") / "project")
    with closing(sqlite3.connect(home / "journal.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not (home / "journal.db-wal").exists()
    return Written(home, killed.events)


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def offsets(size: int, last: int) -> list[int]:
    """All in the last so many bytes and some before them; elsewhere than in CI some of all, and always the end."""
    before = range(max(0, size - 3 * last), size - last, 61)
    return [*before, *range(size - last, size, EVERY), size]


@pytest.mark.timeout(600)
def test_a_wal_cut_off_anywhere_gives_a_prefix_and_the_loss_is_said(killed: Written, fast: Path):
    size = (killed.home / "journal.db-wal").stat().st_size
    losses = set[int]()
    for offset in offsets(size, 2 * FRAME):
        home = killed.copy(fast / "project")
        cut(home / "journal.db-wal", offset)
        with journal.writing(home.parent) as book:
            lost = book.lost
            assert (book.trouble is None) == (lost == 0)
        found = everything(home.parent)
        assert found == killed.events[: len(found)], offset
        assert lost == len(killed.events) - len(found), offset
        losses.add(lost)
    assert {0, 1, 2} <= losses


@pytest.mark.timeout(600)
def test_a_database_cut_off_anywhere_stops_loudly_and_what_is_whole_can_be_kept(
    closed: Written, fast: Path
):
    size, harmless = (closed.home / "journal.db").stat().st_size, 0
    for offset in offsets(size - 1, 2 * PAGE):
        home = closed.copy(fast / "project")
        cut(home / "journal.db", offset)
        damaged = (home / "journal.db").read_bytes()
        if is_read_as_it_was(home, closed.events):
            harmless += 1  # what was cut off was never used
            continue
        assert (home / "journal.db").read_bytes() == damaged, offset
        kept = rescue.rescue(home.parent)
        assert kept is not None
        assert (kept.aside / "journal.db").read_bytes() == damaged
        found = everything(home.parent)
        assert are_beginnings(found, closed.events), offset
        assert found, offset
        assert (kept.events, kept.lost) == (len(found), len(closed.events) - len(found)), offset
    assert harmless < len(offsets(size - 1, 2 * PAGE)) / 2


def are_beginnings(found: list[Event], events: list[Event]) -> bool:
    """Of each run what is there is how it began, without a gap."""
    runs = {event.run: [one for one in events if one.run == event.run] for event in found}
    kept = {run: [one for one in found if one.run == run] for run in runs}
    return all(own == runs[run][: len(own)] for run, own in kept.items())


def is_read_as_it_was(home: Path, events: list[Event]) -> bool:
    """False: it was said that it is damaged. Whatever is read is right."""
    try:
        with journal.writing(home.parent):
            pass
        found = everything(home.parent)
    except JournalCorrupt as stopped:
        told = str(stopped)
    else:
        assert found == events
        return True
    assert str(home / "journal.db") in told
    assert "orchestrator recover" in told
    return False


def test_what_was_lost_is_said_until_a_person_knows_it_and_no_number_is_given_twice(
    killed: Written, tmp_path: Path
):
    home = killed.copy(tmp_path / "project")
    cut(home / "journal.db-wal", 0)
    with journal.reading(home.parent) as book:
        assert "the last 12 events are missing" in str(book.trouble)
        with pytest.raises(RecordError, match="which run is the newest is not known"):
            book.find(None)
    for _ in range(2):
        with journal.writing(home.parent) as book:
            assert book.lost == 12
            assert "12 events are missing" in str(book.trouble)
            run = book.runs()[0].id
            event = book.append(run, EventKind.RUN_RESUMED, {})
            assert event.seq > killed.events[-1].seq
    told = rescue.rescue(home.parent)
    assert told == rescue.Rescued(events=32, runs=1, lost=12, aside=None)
    assert rescue.rescue(home.parent) is None
    with journal.reading(home.parent) as book:
        assert (book.lost, book.trouble) == (12, None)
        assert book.find(None)


@pytest.mark.parametrize("how", ["emptied", "gone"])
def test_an_empty_file_is_no_new_journal_and_its_wal_is_not_thrown_away(
    how: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    """As long as nothing was moved out of the WAL, all of it can be had back from there."""
    root = tmp_path / "project"
    root.mkdir()
    script = WRITER.replace("fill(book, 12)", "fill(book, 12); fill(book, 3)")
    done = subprocess.run(
        [sys.executable, "-c", script, str(root)], cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == -signal.SIGKILL
    home = root / ".orchestrator"
    whole = Written(home, []).copy(tmp_path / "whole")
    events = everything(whole.parent)
    wal = (home / "journal.db-wal").read_bytes()
    if how == "gone":
        (home / "journal.db").unlink()
    else:
        cut(home / "journal.db", 0)
    for look in (journal.reading, journal.writing):
        with pytest.raises(JournalCorrupt, match="had events"), look(root):
            pass
    assert (home / "journal.db-wal").read_bytes() == wal
    kept = rescue.rescue(root)
    assert kept is not None
    assert everything(root) == events
    assert (kept.events, kept.lost) == (len(events), 0)


def test_an_empty_file_without_a_wal_lost_everything_and_that_is_said(
    closed: Written, tmp_path: Path
):
    home = closed.copy(tmp_path / "project")
    cut(home / "journal.db", 0)
    kept = rescue.rescue(home.parent)
    assert kept is not None
    assert (kept.runs, kept.events, kept.lost) == (0, 0, len(closed.events))


@settings(max_examples=1500 if EVERY == 1 else 150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_believed(place: float, bit: int, closed: Written):
    home = closed.copy(closed.home.parents[1] / "flipped")
    content = bytearray((home / "journal.db").read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (home / "journal.db").write_bytes(content)
    try:
        found = everything(home.parent)
    except RecordError as stopped:
        told = str(stopped)
    else:
        assert found == closed.events
        return
    assert str(home / "journal.db") in told


def test_a_row_that_stands_twice_is_never_believed(closed: Written):
    """One pointer of a page of the table names the cell of its neighbour: the count of rows is right, and each is whole."""
    content = (closed.home / "journal.db").read_bytes()
    leaves = [at for at in range(PAGE, len(content), PAGE) if content[at] == 0x0D]
    stopped = 0
    for leaf in leaves:
        cells = int.from_bytes(content[leaf + 3 : leaf + 5])
        for pointer in range(leaf + 8, leaf + 8 + 2 * (cells - 1), 2):
            home = closed.copy(closed.home.parents[1] / "twice")
            other = content[pointer + 2 : pointer + 4]
            (home / "journal.db").write_bytes(content[:pointer] + other + content[pointer + 2 :])
            try:
                assert everything(home.parent) == closed.events  # a page that is no longer used
            except JournalCorrupt:
                stopped += 1
    assert stopped >= 20


def test_a_whole_journal_is_not_touched(closed: Written, tmp_path: Path):
    home = closed.copy(tmp_path / "project")
    assert rescue.rescue(home.parent) is None
    assert everything(home.parent) == closed.events
    assert not list(home.glob("damaged-*"))


@pytest.mark.parametrize(("place", "kept"), [(0, [12, 5]), (1, [30, 5]), (2, [30, 12])])
def test_a_run_that_lost_a_plan_is_not_kept_by_half_and_the_others_are_kept(
    place: int, kept: list[int], closed: Written, tmp_path: Path
):
    home = closed.copy(tmp_path / "project")
    with journal.writing(home.parent) as book:
        fill(book, 5)
    with closing(sqlite3.connect(home / "journal.db")) as connection:
        run = connection.execute("SELECT run FROM plans ORDER BY rowid").fetchall()[place][0]
        connection.execute("UPDATE plans SET path = 'other' WHERE run = ?", (run,))
        connection.commit()
    assert rescue.rescue(home.parent)
    found = Counter(event.run for event in everything(home.parent))
    assert sorted(found.values()) == sorted(kept)
    assert run not in found


def test_damage_in_one_run_leaves_those_before_and_behind_it_whole(closed: Written, tmp_path: Path):
    home = closed.copy(tmp_path / "project")
    with closing(sqlite3.connect(home / "journal.db")) as connection:
        connection.execute("UPDATE events SET data = '{}' WHERE seq = 10")
        connection.commit()
    kept = rescue.rescue(home.parent)
    assert kept is not None
    found = everything(home.parent)
    assert found == closed.events[:9] + closed.events[30:]
    assert kept.lost == 21


def test_without_its_mark_what_can_be_seen_to_be_lost_is_said(closed: Written, tmp_path: Path):
    home = closed.copy(tmp_path / "project")
    (home / "journal.mark").unlink()
    with closing(sqlite3.connect(home / "journal.db")) as connection:
        connection.execute("UPDATE events SET data = '{}' WHERE seq = 40")
        connection.commit()
    kept = rescue.rescue(home.parent)
    assert kept is not None
    assert kept.lost == 3


def test_a_damaged_journal_of_the_first_version_is_left_as_it_is(tmp_path: Path):
    home = tmp_path / ".orchestrator"
    home.mkdir()
    shutil.copy(Path(__file__).parent / "kept" / "1.db", home / "journal.db")
    cut(home / "journal.db", (home / "journal.db").stat().st_size - 3 * PAGE)
    before = (home / "journal.db").read_bytes()
    with pytest.raises(JournalCorrupt, match="version 1, which cannot be rescued"):
        rescue.rescue(tmp_path)
    assert (home / "journal.db").read_bytes() == before
