"""The journal: durable, one writer, loud about damage. Real SQLite, real processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator import journal
from orchestrator.errors import JournalCorrupt, JournalLocked, JournalTooNew, UnknownRun
from orchestrator.model import EventKind, PlanId, RunId, TaskId

PLAN = journal.store(PlanId("p"), "plans/p-PLAN.md", b"---\r\n\xff raw bytes")


def test_what_was_appended_is_read_back_in_order(tmp_path: Path):
    with journal.writing(tmp_path) as book:
        run = book.begin({"yes": True}, [PLAN])
        first = book.append(run, EventKind.RUN_STARTED, {"n": 1})
        second = book.append(
            run, EventKind.ATTEMPT_STARTED, {"text": "ü\n"}, task=TaskId("p/1"), attempt=1
        )
    with journal.reading(tmp_path) as book:
        assert book.events(run) == [first, second]
        assert book.plans(run) == [PLAN]
        assert book.find(None).asked == {"yes": True}


def test_a_run_knows_its_plans_by_their_whole_names(tmp_path: Path):
    names = ("plans/my own-PLAN.md", "plans/a,b-PLAN.md", "plans/in\ntwo/ü-PLAN.md")
    plans = [journal.store(PlanId(f"p{n}"), name, b"x") for n, name in enumerate(names)]
    with journal.writing(tmp_path) as book:
        run = book.begin({}, plans)
        assert book.find(run).paths == names


def test_a_second_writer_is_refused_and_readers_are_not(tmp_path: Path):
    with journal.writing(tmp_path) as book:
        run = book.begin({}, [PLAN])
        assert journal.live_runs(tmp_path) == frozenset()
        book.announce([run, RunId("another")])
        assert journal.live_runs(tmp_path) == {run, "another"}
        book.announce([run])
        assert journal.live_runs(tmp_path) == {run}
        with pytest.raises(JournalLocked, match="another orchestrator"), journal.writing(tmp_path):
            pass
        with journal.reading(tmp_path) as reader:
            assert reader.find(run).id == run
    assert not journal.is_live(tmp_path)


def test_the_lock_dies_with_its_process_and_is_not_inherited_by_children(tmp_path: Path):
    script = (
        "import subprocess, sys, pathlib\n"
        "from orchestrator import journal\n"
        "with journal.writing(pathlib.Path(sys.argv[1])):\n"
        "    child = subprocess.Popen(['sleep', '60'], close_fds=False)\n"
        "    print(child.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    engine = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with engine:
        assert engine.stdout
        child = int(engine.stdout.readline())
        try:
            with pytest.raises(JournalLocked), journal.writing(tmp_path):
                pass
            engine.send_signal(signal.SIGKILL)
            engine.wait()
            with journal.writing(tmp_path) as book:
                book.begin({}, [PLAN])
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_run_is_found_by_an_unambiguous_beginning(tmp_path: Path):
    with journal.writing(tmp_path) as book:
        runs = [book.begin({}, [PLAN]) for _ in range(3)]
        assert book.find(runs[0][:-1]).id == runs[0]
        assert book.find(None).id == runs[2]
        with pytest.raises(UnknownRun, match="several runs begin"):
            book.find(runs[0][:4])
        with pytest.raises(UnknownRun, match="no run begins or ends with 'nope'"):
            book.find("nope")


def test_a_run_is_found_by_its_ending_which_is_what_tells_it_from_others_of_that_day(
    tmp_path: Path,
):
    with journal.writing(tmp_path) as book:
        runs = [book.begin({}, [PLAN]) for _ in range(3)]
        assert [book.find(run[-5:]).id for run in runs] == runs
        assert [book.find(run).id for run in runs] == runs
        with pytest.raises(UnknownRun, match="no run begins or ends with 'nope'"):
            book.find("nope")


def test_a_project_without_a_run_says_how_to_start_one(tmp_path: Path):
    with pytest.raises(UnknownRun, match="orchestrator run"), journal.reading(tmp_path):
        pass


def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path):
    with journal.writing(tmp_path) as book:
        book.begin({}, [PLAN])
    damaged = b"this is no database, and it is longer than a header " * 40
    book.path.write_bytes(damaged)
    with pytest.raises(JournalCorrupt, match=r"journal\.db"), journal.writing(tmp_path):
        pass
    assert book.path.read_bytes() == damaged


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path):
    with journal.writing(tmp_path) as book:
        pass
    with closing(sqlite3.connect(book.path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalTooNew, match="newer"), journal.writing(tmp_path):
        pass


def test_every_event_is_on_the_disk_before_append_returns(tmp_path: Path):
    with journal.writing(tmp_path) as book:
        (mode,) = book._connection.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = book._connection.execute("PRAGMA synchronous").fetchone()
    assert (mode, synchronous) == ("wal", 2)


def test_the_views_for_people_show_what_the_events_say(tmp_path: Path):
    with journal.writing(tmp_path) as book:
        run = book.begin({}, [PLAN])
        place = {"task": TaskId("p/1"), "attempt": 1}
        book.append(run, EventKind.ATTEMPT_STARTED, {"route": {"worker": "shell"}}, **place)
        check = {"command": "true", "result": "green", "exit_code": 0}
        book.append(run, EventKind.CHECK_FINISHED, {"stage": "after", "check": check}, **place)
        outcome = {"failure": "verify", "duration_s": 2.5, "usage": {"input_tokens": 7}}
        book.append(run, EventKind.ATTEMPT_FINISHED, {"outcome": outcome}, **place)
        answer = {"approved": True, "note": "fine"}
        book.append(run, EventKind.CHECKPOINT_ANSWERED, {"answer": answer}, task=TaskId("p/2"))
        rows = book._connection.execute(
            "SELECT worker, failure, duration_s, input_tokens FROM attempts"
        ).fetchall()
        assert rows == [("shell", "verify", 2.5, 7)]
        assert book._connection.execute("SELECT stage, result FROM checks").fetchall() == [
            ("after", "green")
        ]
        assert book._connection.execute("SELECT task, note FROM approvals").fetchall() == [
            ("p/2", "fine")
        ]


def test_the_folder_ignores_itself_for_git_but_for_the_settings(tmp_path: Path):
    assert (journal.make_home(tmp_path) / ".gitignore").read_text() == "*\n!config.toml\n"
