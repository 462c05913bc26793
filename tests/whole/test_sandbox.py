"""Whole runs in a sandbox: what tasks, checks and set-up commands must not reach they do not reach, and what they need is there."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import journal
from orchestrator.model import Event
from tests import sandboxes
from tests.engine.runs import bash, summary, write_plan
from tests.workspace import repos
from tests.workspace.repos import PLAN, Person, begin, git, lay

GIT_HEAD = "---\nphase: demo\nplan: 01\n---\n<objective>\nDemo.\n</objective>\n"
MARK = "ORCHESTRATOR_PROJECT="

# Prints the name of each thing that it could do; the exit code says whether that was nothing.
EVIL = """\
root=ROOT pid=PID outside=OUTSIDE
may() { if bash -c "$2" >/dev/null 2>&1; then echo "COULD $1"; could=yes; fi; }
may 'write the system' 'touch /etc/orchestrator-test'
may 'make it writable' 'mount -o remount,rw / && touch /etc/orchestrator-test'
may 'make it writable in a namespace' 'unshare -Urm sh -c "mount -o remount,bind,rw / && touch /etc/orchestrator-test"'
may 'write the kernel' 'cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern'
may 'read a key' 'cat ~/.ssh/id'
may 'write a key' 'echo x > ~/.ssh/id'
may 'write the home' 'touch ~/.bashrc'
may 'read a token' 'grep -q token ~/.netrc'
may 'read what is temporary' "grep -q mine $outside"
echo other > $outside  # in a folder that stands there instead
may 'write the journal' "echo x >> $root/.orchestrator/journal.db"
may 'answer for a person' "mkdir -p $root/.orchestrator/inbox/x"
may 'change settings' "echo >> $root/.orchestrator/config.toml"
may 'plant a hook' "echo x > $root/.git/hooks/post-commit"
may 'plant attributes' "echo x > $root/.git/info/attributes"
may 'configure git' 'git config core.hooksPath /x'
may 'end somebody' "kill -9 $pid"
may 'see somebody' "grep -q sleep /proc/$pid/cmdline"
test -z "$could"
"""
IN_A_WORKTREE = """\
may 'write the checkout' "echo x > $root/a.txt"
may 'remove from the checkout' "rm $root/second.txt"
may 'move HEAD' "echo x > $root/.git/HEAD"
may 'write the index' "echo x > $root/.git/index"
may 'lead git astray' 'echo /x > "$(git rev-parse --git-dir)/commondir"'
may 'take another worktree' "mkdir $root/.git/worktrees/x"
own=$(git rev-parse --git-dir)
may 'set git for its worktree' "echo > $own/config.worktree"
may 'do it as git does' "echo > $own/x && mv -f $own/x $own/config.worktree"
may 'exchange the folder' "mv $own $own.x"
may 'lead git to other objects' "echo /x > $root/.git/objects/info/alternates"
may 'plant a submodule' "mkdir -p $own/modules/x"
may 'leave files out' "echo > $own/info/sparse-checkout"
"""
IN_THE_PLAIN_DIRECTORY = """\
may 'plant a hook where none is' "mkdir -p $root/.git/hooks && echo > $root/.git/hooks/post-checkout"
may 'set git for its worktree' "echo > $root/.git/config.worktree"
may 'exchange the folder' "mv $root/.git $root/x"
may 'plant a hook in a submodule' "mkdir -p $root/.git/modules/lib/sub/hooks && echo > $root/.git/modules/lib/sub/hooks/x"
may 'set what git runs in it' "git -C $root/lib/sub config core.fsmonitor /x"
may 'lead git astray' "rm $root/lib/sub/.git && mkdir $root/lib/sub/.git"
may 'exchange its place' "mv $root/lib/sub $root/lib/x"
may 'exchange what is around' "mv $root/lib $root/x"
may 'move HEAD' "git commit -q --allow-empty -m mine"
"""


@pytest.fixture(autouse=True)
async def bubblewrap() -> None:
    await sandboxes.need_bubblewrap()


@pytest.fixture
def somebody() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


@pytest.fixture
def evil(root: Path, person: Person, somebody: subprocess.Popen[bytes], tmp_path: Path) -> Path:
    """The script, told what there is to reach."""
    outside = tmp_path / "outside.txt"
    outside.write_text("mine\n")
    lay(person.home, {".ssh/id": "key\n", ".netrc": "token\n"})
    script = EVIL
    for name, value in {"ROOT": root, "PID": somebody.pid, "OUTSIDE": outside}.items():
        script = script.replace(name, str(value), 1)
    lay(root, {"evil.sh": script})
    return outside


def is_unharmed(
    root: Path, person: Person, somebody: subprocess.Popen[bytes], outside: Path
) -> None:
    assert not Path("/etc/orchestrator-test").exists()
    assert (person.home / ".ssh/id").read_text() == "key\n"
    assert outside.read_text() == "mine\n"
    assert somebody.poll() is None
    assert not (root / ".git/hooks/post-commit").exists()
    assert [one for one in (root / ".orchestrator").rglob("tmp")] == []


def run(person: Person, root: Path, *words: str, mode: str = "bubblewrap") -> repos.Told:
    return person.call(root, "run", "--sandbox", mode, *words, PLAN)


def events(root: Path) -> list[Event]:
    with journal.reading(root) as book:
        return book.events(book.find(None).id)


def test_nothing_of_a_worktree_run_reaches_what_is_not_its_own(
    root: Path, person: Person, evil: Path, somebody: subprocess.Popen[bytes]
):
    """The set-up, the task, its check and the check of the result all try; the task commits, too."""
    lay(
        root,
        {
            "evil.sh": (root / "evil.sh")
            .read_text()
            .replace("\ntest -z", f"\n{IN_A_WORKTREE}test -z")
        },
    )
    work = "bash evil.sh\necho work > made.txt\ngit checkout -q -b mine\ngit add made.txt\ngit commit -qm mine"
    write_plan(
        root,
        bash("Work", work, "bash evil.sh && test -s made.txt", files="made.txt"),
        head=GIT_HEAD,
    )
    lay(root, {".orchestrator/config.toml": '[workspace]\nsetup = "bash evil.sh"\n'})
    repos.commit(root, "plan")
    ours = git(root, "config", "--list", "--local")
    told = run(person, root)
    assert told.code == 0, told
    assert "no sandbox" not in told
    is_unharmed(root, person, somebody, evil)
    assert git(root, "config", "--list", "--local") == ours
    assert (root / "made.txt").read_text() == "work\n"
    assert (root / "a.txt").read_text() == "one\n"
    assert git(root, "status", "--porcelain") == ""
    assert events(root)[0].data["sandbox"] == {"kind": "bubblewrap", "why": ""}


def test_nothing_of_a_run_in_the_plain_directory_reaches_its_records(
    root: Path, person: Person, evil: Path, somebody: subprocess.Popen[bytes], tmp_path: Path
):
    """Nor git, which its person calls there later, nor that of a submodule, into which git goes by itself."""
    begin(tmp_path / "library")
    words = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    git(root, *words, tmp_path / "library", "lib/sub")
    repos.commit(root, "a submodule")
    shutil.rmtree(root / ".git/hooks")
    more = (root / "evil.sh").read_text().replace("\ntest -z", f"\n{IN_THE_PLAIN_DIRECTORY}test -z")
    lay(root, {".orchestrator/config.toml": "", "evil.sh": more})
    reads = "git status --short | grep -q made.txt && git diff && git log -1 && git show HEAD:a.txt"
    work = f"bash evil.sh\necho work > made.txt\necho two >> lib/sub/a.txt\n{reads}"
    plan = write_plan(root, bash("Work", work, "bash evil.sh && test -s made.txt"))
    head = git(root, "rev-parse", "HEAD")
    told = run(person, root)
    assert told.code == 0, told
    is_unharmed(root, person, somebody, evil)
    assert git(root, "rev-parse", "HEAD") == head
    assert "sandbox: bubblewrap" in summary(plan)


def test_who_wants_it_lets_tasks_commit_in_the_plain_directory(root: Path, person: Person):
    lay(root, {".orchestrator/config.toml": '[sandbox]\nwritable = [".git"]\n'})
    work = "echo work > made.txt\ngit add made.txt\ngit commit -qm mine"
    write_plan(root, bash("Work", work, "test -s made.txt"))
    told = run(person, root)
    assert told.code == 0, told
    assert git(root, "log", "-1", "--format=%s") == "mine"


def test_a_fresh_home_has_a_cache(root: Path, person: Person):
    write_plan(
        root, bash("Fetch", "mkdir ~/.cache/tool && ! mkdir ~/tool", "test -d ~/.cache/tool")
    )
    told = run(person, root)
    assert told.code == 0, told
    assert (person.home / ".cache/tool").is_dir()


@pytest.mark.parametrize("stage", ["work", "check"])
def test_who_fails_because_of_the_sandbox_is_told_what_allows_it(
    root: Path, person: Person, stage: str
):
    fails = "touch ~/place"
    work, check = (fails, "true") if stage == "work" else ("echo x > made.txt", fails)
    write_plan(root, bash("Write", work, check))
    told = run(person, root)
    assert told.code == 1, told
    hint = f"{person.home}/place is read-only in the sandbox"
    assert any(hint in str(event.data) for event in events(root))
    assert "sandbox.writable" in told


def test_a_kind_that_there_is_not_is_wrong_usage(root: Path, person: Person):
    write_plan(root, bash("Work", "echo x > made.txt", "test -s made.txt"))
    for words in (("run", "--sandbox", "bla", PLAN), ("resume", "--sandbox", "bla")):
        told = person.call(root, *words)
        assert told.code == 64
        for word in ("--sandbox", "bla", "auto", "bubblewrap", "none"):
            assert word in told


@pytest.mark.parametrize("network", [True, False])
def test_without_a_network_there_is_none(root: Path, person: Person, network: bool):
    with socket.create_server(("127.0.0.1", 0)) as server:
        call = f": < /dev/tcp/127.0.0.1/{server.getsockname()[1]}"
        reach = call if network else f"! bash -c '{call}'"
        write_plan(root, bash("Call", reach, reach))
        lay(root, {".orchestrator/config.toml": f"[sandbox]\nnetwork = {str(network).lower()}\n"})
        told = run(person, root)
    assert told.code == 0, told


def test_a_task_and_its_check_share_what_is_temporary_and_nobody_else_sees_it(
    root: Path, person: Person
):
    name = f"/tmp/orchestrator-{root.parent.name}"
    write_plan(root, bash("Note", f"echo x > {name}; echo y > /var/tmp/y", f"test -s {name}"))
    told = run(person, root)
    assert told.code == 0, told
    assert not Path(name).exists()


@pytest.mark.parametrize("writable", [True, False])
def test_a_linked_folder_is_read_only_unless_settings_say_else(
    root: Path, person: Person, writable: bool
):
    names = '["lib"]' if writable else "[]"
    settings = f'[workspace]\nlink = ["lib"]\n[sandbox]\nwritable = {names}\n'
    lay(root, {".orchestrator/config.toml": settings, ".gitignore": "lib\n", "lib/one.txt": "1\n"})
    script = "cat lib/one.txt\necho 2 > made.txt\necho 2 > lib/two.txt || true"
    write_plan(root, bash("Add", script, "test -s made.txt"), head=GIT_HEAD)
    repos.commit(root, "plan")
    told = run(person, root)
    assert told.code == 0, told
    assert (root / "lib/two.txt").exists() is writable


def test_what_is_hidden_is_seen_again_where_settings_name_it(root: Path, person: Person):
    lay(person.home, {".ssh/id": "key\n", ".aws/id": "key\n", ".npmrc": "token\n"})
    lay(root, {".orchestrator/config.toml": '[sandbox]\nread_only = ["~/.ssh"]\n'})
    could = "grep -q token ~/.npmrc || test -e ~/.aws/id || bash -c 'echo x > ~/.ssh/id'"
    script = f"cat ~/.ssh/id\ncat ~/.npmrc\nif {could}; then exit 1; fi"
    write_plan(root, bash("Look", script, script))
    told = run(person, root)
    assert told.code == 0, told


# --- that there is none ---------------------------------------------------------------------------


def test_none_is_said_aloud_and_recorded(root: Path, person: Person):
    plan = write_plan(root, bash("Work", "echo x > made.txt", "test -s made.txt"))
    told = run(person, root, mode="none")
    assert told.code == 0
    why = 'sandbox.mode is "none"'
    assert f"no sandbox: workers and checks see and write what you can ({why})" in told
    assert events(root)[0].data["sandbox"] == {"kind": "none", "why": why}
    assert "sandbox: none" in summary(plan)


@pytest.fixture
def broken(tmp_path: Path, person: Person) -> None:
    """A bubblewrap that is installed and not allowed to work."""
    program = tmp_path / "bin/bwrap"
    lay(
        program.parent,
        {"bwrap": "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"},
    )
    program.chmod(0o755)
    person.environment["PATH"] = f"{program.parent}:{person.environment['PATH']}"


def test_one_that_does_not_work_is_none_and_says_why(root: Path, person: Person, broken: None):
    write_plan(root, bash("Work", "echo x > made.txt", "test -s made.txt"))
    told = run(person, root, mode="auto")
    assert told.code == 0, told
    assert told.count("no sandbox") == 1
    assert "No permissions to create new namespace" in told


def test_where_it_must_be_nothing_starts_without(root: Path, person: Person, broken: None):
    write_plan(root, bash("Work", "echo x > made.txt", "test -s made.txt"))
    told = run(person, root)
    assert told.code == 3
    assert 'sandbox.mode is "bubblewrap", and bubblewrap does not work here' in told
    assert not (root / "made.txt").exists()
    assert "no run yet" in person.call(root, "runs")


def test_doctor_says_what_stands_around_workers(root: Path, person: Person, broken: None):
    told = person.call(root, "doctor", env={"ORCHESTRATOR_SANDBOX__MODE": "auto"})
    assert "No permissions to create new namespace" in told


# --- the end of the engine ------------------------------------------------------------------------


def test_kill_9_of_the_engine_leaves_nothing_in_the_sandbox_and_resume_ends_it(
    root: Path, person: Person
):
    script = "if test -e again; then echo x > made.txt; else (setsid sleep 1000 &); sleep 1000; fi"
    write_plan(root, bash("Wait", script, "test -s made.txt"))
    mark = f"{MARK}{root}"
    with person.started(root, "run", "--sandbox", "bubblewrap", PLAN):  # ends with kill -9
        sandboxes.wait_until(lambda: len(sandboxes.living(mark)) >= 2)
    sandboxes.wait_until(lambda: not sandboxes.living(mark))
    (root / "again").touch()
    told = person.call(root, "resume", "--sandbox", "bubblewrap")
    assert told.code == 0, told
    assert (root / "made.txt").exists()
