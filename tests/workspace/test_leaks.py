"""Secrets in the work of a task: no commit of ours gets one, and what was there before stops nobody."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from orchestrator import redact
from orchestrator.history import fold
from orchestrator.model import Failure
from orchestrator.redact import CHUNK
from orchestrator.workspace import leaks
from orchestrator.workspace.keeping import Keeper
from tests.engine.runs import bash
from tests.workspace.repos import commit, git, ground, lay, plan_of, raw, run, text_of
from tests.workspace.test_landing import keep, work_on


@pytest.fixture
def value() -> str:
    """A secret that this process has learned."""
    made = f"tok-{secrets.token_hex(8)}"
    redact.learn({"LEAKED_TOKEN": made})
    return made


def reachable(root: Path) -> bytes:
    """All objects that any ref or reflog has."""
    names = git(root, "rev-list", "--all", "--reflog", "--objects").splitlines()
    return "\n".join(git(root, "show", name.split()[0]) for name in names).encode()


async def test_what_is_kept_of_a_leak_has_names_and_no_values(root: Path, value: str):
    ours = await ground(root)
    place = await work_on(ours, "one", {"a.txt": f"key = {value}\n", "fine.txt": "x\n"})
    lay(place.path, {f"{value}.txt": "called by it\n"})
    (place.path / "link").symlink_to(value)
    work = await keep(ours, place)
    assert work.secrets == (
        "a.txt (the value of LEAKED_TOKEN)",
        "link (the value of LEAKED_TOKEN)",
        "[redacted: LEAKED_TOKEN].txt (the value of LEAKED_TOKEN)",
    )
    assert work.commit
    assert text_of(root, work.commit, "a.txt") == "key = [redacted: LEAKED_TOKEN]\n"
    assert text_of(root, work.commit, "fine.txt") == "x\n"
    names = git(root, "ls-tree", "-r", "--name-only", work.commit)
    assert "[redacted: LEAKED_TOKEN].txt" in names
    assert value not in names + git(root, "show", work.commit)
    assert value in (place.path / "a.txt").read_text()  # the worker's own files stay as they are


async def test_what_the_person_has_committed_and_what_is_only_moved_stops_nobody(
    root: Path, value: str
):
    lay(root, {"old.txt": f"{value}\n", "other.txt": f"1\n{value}\n"})
    commit(root)
    ours = await ground(root)
    place = await work_on(ours, "one")
    (place.path / "old.txt").rename(place.path / "new.txt")
    (place.path / "other.txt").write_text(f"2\n{value}\n3\n")
    work = await keep(ours, place)
    assert work.secrets == ()
    assert work.commit
    assert text_of(root, work.commit, "new.txt") == f"{value}\n"
    lay(place.path, {"other.txt": "1\n", "a.txt": f"from there: {value}\n"})
    assert (await keep(ours, place)).secrets == ()
    lay(place.path, {"a.txt": "1\n", "other.txt": f"1\n{value}\n", "more.txt": value})
    assert (await keep(ours, place)).secrets == ("more.txt (the value of LEAKED_TOKEN)",)


async def test_large_and_many_files_are_looked_at(root: Path, value: str):
    ours = await ground(root)
    place = await work_on(ours, "one", {f"d/{n}.txt": f"{n}\n" for n in range(50)})
    big = b"x" * leaks.AT_ONCE
    (place.path / "big.bin").write_bytes(big + value.encode() + big)
    (place.path / "d/33.txt").write_text(value)
    assert (await keep(ours, place)).secrets == (
        "big.bin (the value of LEAKED_TOKEN)",
        "d/33.txt (the value of LEAKED_TOKEN)",
    )


@pytest.mark.parametrize("is_gone", [False, True])
async def test_what_a_worker_committed_itself_gets_no_ref_of_ours(
    root: Path, value: str, is_gone: bool
):
    """Of a run that no engine works on: its worktree is put away by `runs clean`."""
    ours = await ground(root)
    place = await work_on(ours, "one", {"a.txt": value})
    who = ("-c", "user.name=x", "-c", "user.email=x@localhost")
    git(place.path, "add", "-A")
    git(place.path, *who, "commit", "-qm", f"with {value}")
    (place.path / "a.txt").write_text("clean again\n")
    git(place.path, *who, "commit", "-qam", "without")
    head = git(place.path, "rev-parse", "HEAD")
    if is_gone:
        (place.path / ".git").unlink()
        ours.trees.leave()
    keeper = Keeper(ours, fold([]))
    ref = await keeper.put_away(place.path, head)
    assert ref is not None
    assert text_of(root, ref, "a.txt") == "clean again\n"
    assert value.encode() not in reachable(root)


async def test_a_commit_whose_message_has_it_is_not_taken_over(root: Path, value: str):
    ours = await ground(root)
    place = await work_on(ours, "one", {"a.txt": "1"})
    git(place.path, "-c", "user.name=x", "-c", "user.email=x@h", "commit", "-qam", f"it {value}")
    head = git(place.path, "rev-parse", "HEAD")
    assert await leaks.introduces(ours.repository, head)
    assert not await leaks.introduces(ours.repository, git(root, "rev-parse", "HEAD"))


async def test_a_try_that_wrote_one_fails_and_the_next_is_told(
    root: Path, value: str, tmp_path: Path
):
    once = f"if ! test -e {tmp_path}/once; then touch {tmp_path}/once; cat {tmp_path}/value > f; else echo ok > f; fi"
    (tmp_path / "value").write_text(value)
    plan_of(root, bash("Task 1: a", once, "test -s f", files="f"))
    ran = await run(root)
    assert ran.failures("demo/1") == [Failure.SECRET, None]
    first = ran.history.of("demo/1").tried[0].outcome
    assert first is not None
    assert "f (the value of LEAKED_TOKEN)" in first.detail
    assert value not in str(ran.events)
    assert value.encode() not in reachable(root)


async def test_large_files_are_looked_through_and_cleaned_in_pieces(root: Path, value: str):
    ours = await ground(root)
    place = await work_on(ours, "one")
    with (place.path / "large.bin").open("wb") as file:
        file.seek(CHUNK * 9 - 5)  # over the border of two pieces
        file.write(f"{value}..{value}".encode())
    work = await keep(ours, place)
    assert work.secrets == ("large.bin (the value of LEAKED_TOKEN)",)
    assert work.notes == ()
    kept = raw(root, "cat-file", "blob", f"{work.commit}:large.bin")
    assert kept.strip(b"\0") == b"[redacted: LEAKED_TOKEN]..[redacted: LEAKED_TOKEN]"
    assert len(kept) == CHUNK * 9 - 5 + 2 * 24 + 2


async def test_one_that_is_too_large_is_kept_and_named(root: Path, value: str):
    ours = await ground(root)
    place = await work_on(ours, "one", {"a.txt": "1"})
    with (place.path / "huge.bin").open("wb") as file:
        file.truncate(leaks.LARGEST + 1)
    work = await keep(ours, place)
    assert work.secrets == ()
    (note,) = work.notes
    assert note.startswith("huge.bin is larger than 64 MB: nobody has looked")
    before = leaks.on_disk(place.path, ["a.txt", "."])
    assert leaks.warnings(place.path, before) == ()  # it was there before
    (place.path / "huge.bin").rename(place.path / "other.bin")
    assert leaks.warnings(place.path, before)[0].startswith("other.bin is larger than 64 MB")


@pytest.mark.parametrize("script", ["exit 3", "exit 0"])
async def test_the_kind_is_of_the_secret_and_its_advice_is_said_once(
    root: Path, value: str, tmp_path: Path, script: str
):
    (tmp_path / "value").write_text(value)
    plan_of(root, bash("Task 1: a", f"cat {tmp_path}/value > f\necho why >&2\n{script}", files="f"))
    ran = await run(root)
    assert set(ran.failures("demo/1")) == {Failure.SECRET}
    last = ran.history.of("demo/1").last
    assert last is not None
    first, *rest = last.detail.splitlines()
    assert first == "it wrote a secret into f (the value of LEAKED_TOKEN)"
    assert "git would keep it for ever" in rest[0]
    assert last.detail.count("git show") == 0  # whoever shows it names the ref
    assert (len(rest) > 1) == (script == "exit 3")


def test_in_the_plain_directory_what_came_in_is_told(tmp_path: Path, value: str):
    lay(tmp_path, {"had.txt": value, "d/new.txt": "", "gone.txt": value})
    before = leaks.on_disk(tmp_path, ["had.txt", "d", "gone.txt", "none.txt"])
    lay(tmp_path, {"d/new.txt": value, "had.txt": f"still {value}"})
    (tmp_path / "gone.txt").unlink()
    assert [told.partition(":")[0] for told in leaks.warnings(tmp_path, before)] == [
        "d has the value of LEAKED_TOKEN"
    ]
