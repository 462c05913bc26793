"""The tables beside the events: written while an engine appends, by two at once, whole after kill -9, kept when events are damaged."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from orchestrator import journal
from orchestrator.errors import JournalCorrupt, JournalLocked
from orchestrator.journal import beside, carry, rescue
from orchestrator.journal.file import sql
from orchestrator.model import EventKind, PlanId
from tests.cli.projects import Project

REPOSITORY = Path(__file__).parents[2]
PAGE = 4096
EVENTS = 40
# Holds the journal and appends until it is told to end.
ENGINE = f"""
import pathlib, sys
from orchestrator import journal
from orchestrator.model import EventKind, PlanId
with journal.writing(pathlib.Path(sys.argv[1])) as book:
    run = book.begin({{}}, [journal.store(PlanId("p"), "p-PLAN.md", b"plan")])
    book.append(run, EventKind.RUN_STARTED, {{}})
    print("ready", flush=True)
    for number in range({EVENTS}):
        book.append(run, EventKind.CHECK_FINISHED, {{"n": number}})
    print("done", flush=True)
    sys.stdin.read()
"""
READER = """
import pathlib, sys
from orchestrator.journal import beside
for number in range(30):
    with beside.to_write(pathlib.Path(sys.argv[1])) as db:
        (upto,) = db.execute("SELECT coalesce(max(upto), 0) FROM outloop_read WHERE name = 'x'").fetchone()
        db.execute("INSERT OR REPLACE INTO outloop_read VALUES ('x', ?)", (upto + 1,))
"""
KILLED = """
import os, pathlib, signal, sys
from orchestrator.journal import beside
with beside.to_write(pathlib.Path(sys.argv[1])) as db:
    db.execute("INSERT INTO outloop_read VALUES ('half', 1)")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def script(text: str, root: Path, **pipes: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text, str(root)], cwd=REPOSITORY, text=True, **pipes
    )


@contextmanager
def engine(root: Path) -> Iterator[subprocess.Popen[str]]:
    process = script(ENGINE, root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def upto(root: Path) -> dict[str, int]:
    with beside.to_read(root) as db:
        assert db is not None
        return dict(db.execute("SELECT name, upto FROM outloop_read"))


def test_it_is_written_while_an_engine_holds_the_lock_and_appends(tmp_path: Path):
    with engine(tmp_path) as process:
        for number in range(20):
            with beside.to_write(tmp_path) as db:
                db.execute("INSERT INTO outloop_read VALUES (?, ?)", (f"n{number}", number))
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        assert journal.is_live(tmp_path)
    with journal.reading(tmp_path) as book:
        assert [book.trouble, book.lost] == [None, 0]
        assert len(book.events(book.find(None).id)) == EVENTS + 1
    assert upto(tmp_path) == {f"n{number}": number for number in range(20)}


def test_two_write_at_once_where_there_was_nothing_and_none_is_lost(tmp_path: Path):
    both = [script(READER, tmp_path), script(READER, tmp_path)]
    assert [one.wait() for one in both] == [0, 0]
    assert upto(tmp_path) == {"x": 60}


def test_what_is_killed_in_the_middle_leaves_nothing_half(tmp_path: Path):
    with beside.to_write(tmp_path) as db:
        db.execute("INSERT INTO outloop_read VALUES ('whole', 1)")
    assert script(KILLED, tmp_path).wait() == -signal.SIGKILL
    assert upto(tmp_path) == {"whole": 1}
    with beside.to_write(tmp_path) as db:
        db.execute("INSERT INTO outloop_read VALUES ('next', 2)")
    assert upto(tmp_path) == {"whole": 1, "next": 2}


def test_what_fails_in_the_middle_leaves_nothing_half(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), beside.to_write(tmp_path) as db:  # noqa: PT012 - in it
        db.execute("INSERT INTO outloop_read VALUES ('half', 1)")
        raise ZeroDivisionError
    assert upto(tmp_path) == {}


def test_where_nothing_ran_there_is_nothing_to_read_and_a_writer_makes_a_journal_without_a_run(
    tmp_path: Path,
):
    project = Project(tmp_path)
    with beside.to_read(project.root) as db:
        assert db is None
    before = project.told("runs")
    with beside.to_write(project.root):
        pass
    assert project.told("runs") == before
    assert "no run yet" in project.call("show").stderr
    assert rescue.rescue(project.root) is None


def test_who_makes_the_journal_just_now_is_waited_for(tmp_path: Path):
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with journal.locked(tmp_path):
            held.set()
            over.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    threading.Timer(3 * journal.GLANCE_S, over.set).start()
    with beside.to_write(tmp_path) as db:
        db.execute("INSERT INTO outloop_read VALUES ('after', 1)")
    holder.join()
    assert upto(tmp_path) == {"after": 1}


def test_an_engine_of_an_older_version_is_not_written_beside(tmp_path: Path):
    home = journal.make_home(tmp_path)
    shutil.copy(Path(__file__).parent / "kept" / "2.db", home / "journal.db")
    before = (home / "journal.db").read_bytes()
    with journal.locked(tmp_path):
        with pytest.raises(JournalLocked), beside.to_write(tmp_path):
            pass
        with beside.to_read(tmp_path) as db:
            assert db is not None
            assert db.execute("SELECT count(*) FROM operation_patterns").fetchone() == (0,)
    assert (home / "journal.db").read_bytes() == before
    with beside.to_write(tmp_path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (journal.VERSION,)


# --- damage -------------------------------------------------------------------------------------------

DECIDED = [
    (number, f"test:pytest:part{number:03}", "approved" if number % 2 else "deprecated", "anna", "because")
    for number in range(1, 201)
]  # fmt: skip


def fill(root: Path) -> None:
    with journal.writing(root) as book:
        run = book.begin({}, [journal.store(PlanId("p"), "p-PLAN.md", b"plan")])
        book.append(run, EventKind.RUN_STARTED, {})
        for number in range(20):
            book.append(run, EventKind.CHECK_FINISHED, {"n": number, "text": "x" * 900})
    with beside.to_write(root) as db:
        db.execute(
            "INSERT INTO adw_tools (tool_name, script_path, does, input_patterns, timeout_s, status, why, calls, "
            "successes) VALUES ('mine', '/t', '[]', '[]', 1.0, 'disabled', 'slow', 9, 7)"
        )
        db.executemany(
            "INSERT INTO operation_patterns (id, pattern_signature, automation_status, decided_by, why, first_seen, "
            "last_seen, typical_command, tool_name) VALUES (?, ?, ?, ?, ?, '2026', '2026', ?, 'mine')",
            [(*one, "pytest -q") for one in DECIDED],
        )
        db.execute(
            "INSERT INTO pattern_occurrences VALUES (1, 'w', 'test:pytest:part001', 5.0, '2026', 1, 1, 5, 0.5, 'c', 1)"
        )
        db.execute(
            "INSERT INTO tool_calls VALUES (1, 'mine', 'test:pytest', 'w', '2026', 1.5, 1, 5, 0.5)"
        )
        db.execute("INSERT INTO hook_events VALUES (1, 'PreToolUse', 's', '2026', '{}', 0)")
        db.execute(
            "INSERT INTO cost_savings_log VALUES (1, '2026', 'tool_call', 'w', NULL, 5, 0.5, 3)"
        )
        db.execute("INSERT INTO outloop_read VALUES ('events', 21)")


def tables(root: Path) -> dict[str, list[tuple[object, ...]]]:
    with beside.to_read(root) as db:
        assert db is not None
        return {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in carry.TABLES}


def pages(path: Path, table: str) -> list[int]:
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno"
        try:
            return [row[0] for row in db.execute(query, (table,))]
        except sqlite3.OperationalError:  # this SQLite was built without it
            root = "SELECT rootpage FROM sqlite_master WHERE name = ?"
            return [int(db.execute(root, (table,)).fetchone()[0])]


def spoil(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xff" * PAGE)


def test_with_a_damaged_page_of_events_nothing_beside_them_is_lost(tmp_path: Path):
    fill(tmp_path)
    before, path = tables(tmp_path), tmp_path / journal.HOME / "journal.db"
    spoil(path, pages(path, "events")[-1])
    kept = rescue.rescue(tmp_path)
    assert kept is not None
    assert kept.lost
    assert tables(tmp_path) == before
    assert upto(tmp_path) == {}, "what was lost with a page is looked for again"


def test_damage_in_these_tables_stops_no_reader_of_events_and_is_named(tmp_path: Path):
    fill(tmp_path)
    path = tmp_path / journal.HOME / "journal.db"
    leaves = pages(path, "operation_patterns")
    spoil(path, leaves[len(leaves) // 2])
    with journal.reading(tmp_path) as book:
        assert len(book.events(book.find(None).id)) == 21
    with pytest.raises(JournalCorrupt, match=r"journal\.db is damaged.*orchestrator recover"):
        tables(tmp_path)


@pytest.mark.skipif(
    not sqlite3.connect(":memory:").execute("SELECT sqlite_compileoption_used('ENABLE_DBSTAT_VTAB')").fetchone()[0]
    and not os.environ.get("CI"),
    reason="this SQLite tells no pages",
)  # fmt: skip
def test_a_damaged_page_of_patterns_costs_its_own_rows_only(tmp_path: Path):
    fill(tmp_path)
    path = tmp_path / journal.HOME / "journal.db"
    leaves = pages(path, "operation_patterns")
    assert len(leaves) > 4
    spoil(path, leaves[len(leaves) // 2])
    kept = rescue.rescue(tmp_path)
    assert kept is not None
    assert kept.lost == 0
    ids = [row[0] for row in tables(tmp_path)["operation_patterns"]]
    assert {1, 200} <= set(ids)
    assert len(DECIDED) * 0.6 < len(ids) < len(DECIDED)


def test_a_word_that_no_row_may_have_is_damage_and_its_row_is_not_kept(tmp_path: Path):
    fill(tmp_path)
    path = tmp_path / journal.HOME / "journal.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("UPDATE operation_patterns SET automation_status = 'aqtive' WHERE id = 7")
        db.execute("UPDATE operation_patterns SET why = CAST(x'ff' AS TEXT) WHERE id IN (9, 150)")
        db.commit()
    with pytest.raises(JournalCorrupt, match="operation_patterns"), journal.writing(tmp_path):
        pass
    assert rescue.rescue(tmp_path)
    ids = {row[0] for row in tables(tmp_path)["operation_patterns"]}
    assert ids == {one[0] for one in DECIDED} - {7, 9, 150}


def test_a_persons_word_is_kept_where_its_tool_is_lost(tmp_path: Path):
    fill(tmp_path)
    with beside.to_read(tmp_path) as db:
        assert db is not None
        found = carry.read(db)
    found["adw_tools"] = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        made.execute("PRAGMA foreign_keys = ON")
        made.executescript(sql("schema_3"))
        carry.write(made, found)
        rows = made.execute(
            "SELECT automation_status, decided_by, tool_name FROM operation_patterns"
        )
        assert rows.fetchall() == [(status, by, None) for _, _, status, by, _ in DECIDED]


def test_a_damaged_journal_of_version_2_is_rescued_as_before(tmp_path: Path):
    home = journal.make_home(tmp_path)
    shutil.copy(Path(__file__).parent / "kept" / "2.db", home / "journal.db")
    with closing(sqlite3.connect(home / "journal.db")) as db:
        (last,) = db.execute("SELECT max(seq) FROM events").fetchone()
        db.execute("UPDATE events SET data = '{}' WHERE seq = ?", (last,))
        db.commit()
    kept = rescue.rescue(tmp_path)
    assert kept is not None
    assert (kept.events, kept.runs) == (last - 1, 3)
    assert all(not rows for rows in tables(tmp_path).values())


BECOMING = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 1")  # what changes is on the disk before it is whole
db.execute("BEGIN IMMEDIATE")
db.execute("CREATE TABLE t (x)")
db.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 200)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_somebody_left_half_done_is_undone_also_for_who_only_reads(tmp_path: Path):
    """Killed while the file became a journal, before it has a WAL: SQLite lets no reader undo that."""
    path = tmp_path / journal.HOME / "journal.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE before (x)")
    subprocess.run([sys.executable, "-c", BECOMING, str(path)])
    assert path.with_name("journal.db-journal").stat().st_size > 0
    with beside.to_read(tmp_path) as connection:
        assert connection is None
    with closing(sqlite3.connect(path)) as db:
        assert [row[0] for row in db.execute("SELECT name FROM sqlite_schema")] == ["before"]
