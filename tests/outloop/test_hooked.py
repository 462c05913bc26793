"""From the spool of the hooks to patterns: each line once, whatever ends it in between. Real files, a real journal, processes that are killed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator import hook
from orchestrator.journal import HOME
from orchestrator.model.outloop import HookEvent, Occurrence
from orchestrator.outloop import hooked, store, sync
from orchestrator.outloop.spool import take
from tests.outloop.hooks import after, before, failed, spool, told

FLOOR = 70.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / HOME).mkdir()
    return tmp_path


def tell(root: Path, *events: dict[str, Any]) -> None:
    """As the hook does it."""
    for one in events:
        hook.append(str(spool(root)), hook.line(one, {}))


def session(name: str, *commands: str) -> list[dict[str, Any]]:
    uses = [
        event
        for number, command in enumerate(commands)
        for event in (
            before(f"{name}-{number}", "Bash", command=command),
            after(f"{name}-{number}", "Bash", command=command),
        )
    ]
    return [{**one, "session_id": name} for one in uses]


def occurrences(root: Path, signature: str) -> list[Occurrence]:
    with store.reading(root) as book:
        assert book is not None
        return book.occurrences(book.find(signature).id)


def events(root: Path, name: str = "claude f5210b69") -> list[HookEvent]:
    with store.reading(root) as book:
        return book.hook_events(name) if book else []


def files(root: Path) -> set[str]:
    return {one.name for one in (root / HOME).iterdir() if one.name.startswith("hooks")}


def test_a_session_is_counted_without_figures_that_nobody_told(root: Path):
    tell(
        root,
        told("UserPromptSubmit", prompt="Run the tests"),
        before("a", "Bash", command="cd backend && pytest -q"),
        after("a", "Bash", command="cd backend && pytest -q"),
        after("b", "Bash", command="cd backend && pytest -x"),
        failed("c", "Bash", command="make"),
        before("d", "Bash", command="ruff check ."),  # it was not allowed
    )
    assert sync.sync(root, FLOOR) == 3
    (tests,) = occurrences(root, "test:pytest:backend")
    assert (tests.workflow, tests.times, tests.ok) == ("claude f5210b69", 2, True)
    assert (tests.tokens, tests.cost_usd, tests.live, tests.similarity) == (None, None, True, 0.0)
    assert [one.ok for one in occurrences(root, "build:make")] == [False]
    assert [one.ok for one in occurrences(root, "lint:ruff:all")] == [None]
    assert files(root) == set()
    assert sync.sync(root, FLOOR) == 0


def test_a_session_that_goes_on_is_one_with_all_that_it_did(root: Path):
    tell(root, *session("s", "pytest -q"))
    assert sync.sync(root, FLOOR) == 1
    tell(root, *session("s", "pytest -q"), *session("other", "pytest"))
    late = {**after("s-9", "Bash", command="pytest -x"), "session_id": "s"}
    tell(root, late)
    assert sync.sync(root, FLOOR) == 1
    found = {one.workflow: one.times for one in occurrences(root, "test:pytest:all")}
    assert found == {"claude s": 2, "claude other": 1}


def test_what_it_read_and_needed_is_kept_with_it(root: Path):
    for name in ("a.py", "b.py", "c.py"):
        (root / name).write_text("x" * 400)
    read = [
        {**after(name, "Read", file_path=str(root / name)), "cwd": str(root)}
        for name in ("a.py", "b.py")
    ]
    tell(root, *read, after("w", "Edit", file_path=str(root / "a.py"), old_string="x"))
    tell(root, *session("f5210b69", "pytest"))
    sync.sync(root, FLOOR)
    with store.reading(root) as book:
        assert book is not None
        (found,) = book.file_accesses({"claude f5210b69"})
    assert found.payload == {"loaded": {"a.py": 400, "b.py": 400}, "used": ["a.py"]}


def test_lines_that_no_hook_wrote_are_passed_over(root: Path):
    tell(root, *session("s", "pytest"))
    with spool(root).open("ab") as file:
        file.write(
            b'{"event":"PreToolUse","session":"s","at":1e99}\n{"event":"Stop","session":"s","at":1}\n'
        )
        file.write(b"\xff\n[]\n" + b'{"event":"PreToolUse","ses')
    tell(root, *session("t", "pytest"))  # after half of a line
    assert sync.sync(root, FLOOR) == 2
    assert [len(events(root, f"claude {name}")) for name in "st"] == [2, 2]


def test_nothing_of_a_link_is_read(root: Path):
    outside = root / "outside.jsonl"
    tell(root, *session("s", "pytest"))
    spool(root).rename(outside)
    spool(root).symlink_to(outside)
    assert sync.sync(root, FLOOR) == 0
    assert outside.exists()
    assert files(root) == {"hooks-1.aside"}


def test_without_any_event_no_journal_is_made(root: Path):
    assert sync.sync(root, FLOOR) == 0
    assert not (root / HOME / "journal.db").exists()


def test_cut_off_before_the_commit_it_is_taken_the_next_time(root: Path):
    tell(root, *session("s", "pytest"))
    spool(root).rename(root / HOME / "hooks-1.jsonl")
    tell(root, *session("t", "pytest"))
    assert sync.sync(root, FLOOR) == 2
    assert files(root) == set()


def test_cut_off_after_the_commit_it_is_not_taken_again(root: Path):
    tell(root, *session("s", "pytest"))
    shutil.copy(spool(root), root / "copy")
    sync.sync(root, FLOOR)
    shutil.copy(root / "copy", root / HOME / "hooks-1.jsonl")  # its number is in the store
    tell(root, *session("t", "pytest"))
    assert sync.sync(root, FLOOR) == 1
    assert len(events(root, "claude s")) == 2
    assert files(root) == set()


def test_taken_by_somebody_who_was_ended_then_it_is_counted_all_the_same(root: Path):
    tell(root, *session("s", "pytest"))
    take(root)
    assert files(root) == set()
    assert sync.sync(root, FLOOR) == 1


LATE = """
import sys; from orchestrator import hook
hook.LOCK_S = 30.0
hook.append(sys.argv[1], b"late")
"""


def has_open(process: subprocess.Popen[bytes], path: Path) -> bool:
    own = Path(f"/proc/{process.pid}/fd")
    return any(os.path.realpath(one) == str(path) for one in own.iterdir())


def test_a_hook_that_opened_a_spool_before_it_was_taken_writes_into_the_next(root: Path):
    tell(root, *session("s", "pytest"))
    with spool(root).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        late = subprocess.Popen([sys.executable, "-c", LATE, str(spool(root))])
        while not has_open(late, spool(root)):
            assert late.poll() is None
            time.sleep(0.01)
        spool(root).rename(root / "taken")
    assert late.wait(timeout=30) == 0
    assert spool(root).read_bytes().strip() == b"late"
    assert b"late" not in (root / "taken").read_bytes()


COUNT = """
import sys; from pathlib import Path
from orchestrator.outloop import hooked
for _ in range(int(sys.argv[2])): hooked.sync(Path(sys.argv[1]), 70.0)
"""


def test_an_older_look_at_a_session_is_not_put_over_a_newer(root: Path):
    tell(root, *session("s", "pytest"))
    take(root)
    older = hooked.look(root, FLOOR)
    assert older is not None
    later = [{**after(f"later-{n}", "Bash", command="pytest"), "session_id": "s"} for n in range(3)]
    tell(root, *later)
    subprocess.run([sys.executable, "-c", COUNT, str(root), "1"], check=True, timeout=30)
    assert hooked.keep(root, older) == 0
    assert hooked.sync(root, FLOOR) == 0
    assert [one.times for one in occurrences(root, "test:pytest:all")] == [4]


def test_what_is_told_between_a_look_and_its_end_waits_for_the_next(root: Path):
    tell(root, *session("s", "pytest"))
    take(root)
    seen = hooked.look(root, FLOOR)
    assert seen is not None
    later = {**after("later", "Bash", command="pytest"), "session_id": "s"}
    tell(root, later, *session("t", "pytest"))
    take(root)
    assert hooked.keep(root, seen) == 1
    assert hooked.sync(root, FLOOR) == 1
    found = {one.workflow: one.times for one in occurrences(root, "test:pytest:all")}
    assert found == {"claude s": 2, "claude t": 1}


DRAIN = """
import sys; from pathlib import Path
from orchestrator.outloop import sync
print("ready", flush=True)
sync.sync(Path(sys.argv[1]), 70.0)
"""


def test_killed_at_any_time_each_event_is_there_once(root: Path):
    """Each round is killed a little later, and hooks write meanwhile."""
    number = 0
    for round in range(14):
        for _ in range(40):
            number += 1
            tell(root, before(f"k{number}", "Bash", command=f"pytest -q x{number}.py"))
        with subprocess.Popen(
            [sys.executable, "-c", DRAIN, str(root)], stdout=subprocess.PIPE
        ) as drain:
            assert drain.stdout is not None
            drain.stdout.readline()
            ends = time.monotonic() + round * 0.004
            while time.monotonic() < ends:
                number += 1
                tell(root, before(f"k{number}", "Bash", command="pytest"))
                time.sleep(0.001)
            drain.kill()
    sync.sync(root, FLOOR)
    ids = [one.payload["id"] for one in events(root)]
    assert len(ids) == len(set(ids)) == number
    assert set(ids) == {f"k{n + 1}" for n in range(number)}
    assert files(root) == set()


def test_hooks_and_who_counts_at_the_same_time_lose_nothing(root: Path):
    script = (
        "import sys; from orchestrator import hook\n"
        'for n in range(400): hook.append(sys.argv[1], b\'{"event":"PreToolUse","session":"f5210b69",'
        '"at":1,"id":"%s-%d","tool":"Bash","target":"pytest"}\' % (sys.argv[2].encode(), n))'
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(spool(root)), name]) for name in "abc"
    ]
    counters = [subprocess.Popen([sys.executable, "-c", COUNT, str(root), "30"]) for _ in range(2)]
    while any(one.poll() is None for one in writers):
        hooked.sync(root, FLOOR)
    assert [one.wait(timeout=60) for one in (*writers, *counters)] == [0] * 5
    hooked.sync(root, FLOOR)
    ids = [one.payload["id"] for one in events(root)]
    assert sorted(ids) == sorted(f"{name}-{n}" for name in "abc" for n in range(400))
    assert [one.times for one in occurrences(root, "test:pytest:all")] == [1200]


def test_secrets_of_this_process_are_no_words_of_the_store(root: Path):
    from orchestrator import redact

    secret = "hooked-secret-0123456789"
    tell(root, after("a", "Bash", command=f"pytest {secret}"))
    redact.learn({"HOOKED_TEST_TOKEN": secret})
    sync.sync(root, FLOOR)
    with closing(sqlite3.connect(root / HOME / "journal.db")) as db:
        assert secret not in "\n".join(db.iterdump())


def test_where_nothing_is_to_be_counted_a_spool_stays_as_it_is(root: Path):
    """patterns.detect = false is asked for by who calls this."""
    (root / HOME / "config.toml").write_text("[patterns]\ndetect = false\n")
    tell(root, *session("s", "pytest"))
    environment = {**os.environ, "HOME": str(root)}
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "patterns", "analyze", "--json"],
        cwd=root, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)["new"]) == (0, 0)
    assert files(root) == {hook.SPOOL}
