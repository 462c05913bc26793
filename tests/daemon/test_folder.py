"""The watched folder: each file is what its bytes are, once they stand still; nothing else in a folder ends the look."""

from __future__ import annotations

import hashlib
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator import clock, project, settings
from orchestrator.daemon.folder import Folder, Stamp, sources
from orchestrator.daemon.queue import Found
from orchestrator.errors import UsageError
from orchestrator.reader import bounded, discover
from tests.cli.projects import makes

HEAD = "---\nphase: demo\nplan: 01\n{front}---\n<objective>x</objective>\n<tasks>\n"
WHOLE = HEAD.format(front="") + makes("Task 1: one", "a.txt") + "</tasks>\n"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "plans").mkdir()
    return Folder(tmp_path, tmp_path / "plans", settings.load(tmp_path).reader, print)


def write(folder: Folder, name: str, text: str = WHOLE) -> Path:
    path = folder.top / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def seen(folder: Folder, now: float = 10.0) -> dict[str, Found]:
    return {one.path: one for one in folder.look(now)}


def test_a_plan_is_its_bytes_its_phase_and_what_its_frontmatter_asks(folder: Folder):
    front = "priority: high\nnot-before: 2030-01-01T00:00+00:00\n"
    text = WHOLE.replace("---\n<objective>", f"{front}---\n<objective>")
    write(folder, "01-a/01-01-PLAN.md", text)
    write(folder, "notes.md")
    (one,) = folder.look(10.0)
    assert one.path == "plans/01-a/01-01-PLAN.md"
    assert one.phase == "plans/01-a"
    assert one.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (one.priority, one.not_before, one.errors) == (1, 1893456000.0, ())
    assert one.changed_at == 10.0
    assert one.due == clock.at(1893456000.0)


def test_it_has_changed_when_its_bytes_or_its_file_have_and_not_else(folder: Folder):
    path = write(folder, "a-PLAN.md")
    assert seen(folder, 10.0)["plans/a-PLAN.md"].changed_at == 10.0
    assert seen(folder, 20.0)["plans/a-PLAN.md"].changed_at == 10.0
    told = os.stat(path)
    path.write_text(WHOLE.replace("Task 1: one", "Task 1: two"))
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))  # as tools do that keep times
    assert seen(folder, 30.0)["plans/a-PLAN.md"].changed_at == 30.0
    other = folder.root / "other"
    other.write_text(WHOLE)
    other.rename(path)
    again = seen(folder, 40.0)["plans/a-PLAN.md"]
    assert again.changed_at == 40.0
    assert again.sha256 == hashlib.sha256(WHOLE.encode()).hexdigest()


def test_since_when_it_lies_there_outlives_the_daemon(folder: Folder):
    path = write(folder, "a-PLAN.md")
    first = seen(folder, 10.0)["plans/a-PLAN.md"]
    again = seen(Folder(folder.root, folder.top, settings.load(folder.root).reader, print), 500.0)
    assert first.since == again["plans/a-PLAN.md"].since == os.stat(path).st_ctime_ns / 1e9


@pytest.mark.parametrize("cut", range(0, len(WHOLE) - len("</tasks>\n") + 1, 7))
def test_a_plan_that_is_cut_off_before_its_last_word_is_wrong(folder: Folder, cut: int):
    write(folder, "a-PLAN.md", WHOLE[:cut])
    assert seen(folder)["plans/a-PLAN.md"].errors


def test_a_summary_that_comes_and_goes_is_seen(folder: Folder):
    path = write(folder, "01-02-auth-PLAN.md")
    name = "plans/01-02-auth-PLAN.md"
    assert not seen(folder)[name].is_over
    for summary in ("01-02-auth-SUMMARY.md", "01-02-SUMMARY.md"):
        beside = path.with_name(summary)
        beside.write_text("---\nstatus: complete\n---\n")
        assert seen(folder)[name].is_over
        beside.write_text("---\nstatus: halted\n---\n")
        assert not seen(folder)[name].is_over
        beside.unlink()
    path.write_text(WHOLE.replace("plan: 01\n", "plan: 01\nstatus: superseded\n"))
    assert seen(folder)[name].is_superseded


def test_a_folder_that_goes_and_comes_again_has_what_lies_in_it(folder: Folder):
    write(folder, "a-PLAN.md")
    assert seen(folder)
    (folder.top / "a-PLAN.md").unlink()
    folder.top.rmdir()
    assert not seen(folder)
    write(folder, "b-PLAN.md")
    assert list(seen(folder)) == ["plans/b-PLAN.md"]


def test_what_is_no_plan_to_read_is_told_or_passed_over_and_ends_nothing(folder: Folder):
    write(folder, "a-PLAN.md")
    write(folder, "milestones/old-PLAN.md")
    write(folder, ".git/b-PLAN.md")
    os.mkfifo(folder.top / "pipe-PLAN.md")  # who reads it waits for ever
    (folder.top / "folder-PLAN.md").mkdir()
    (folder.top / "gone-PLAN.md").symlink_to("nowhere")
    odd = os.fsencode(folder.top) + b"/\xff-PLAN.md"
    Path(os.fsdecode(odd)).write_text(WHOLE)
    found = seen(folder)
    assert set(found) == {"plans/a-PLAN.md", "plans/\\xff-PLAN.md"}
    assert "not UTF-8" in found["plans/\\xff-PLAN.md"].errors[0].message


def test_a_link_within_the_project_is_a_plan_and_one_to_outside_is_refused(
    folder: Folder, tmp_path_factory: pytest.TempPathFactory
):
    outside = tmp_path_factory.mktemp("outside") / "its-PLAN.md"
    outside.write_text(WHOLE)
    inside = folder.root / "real.md"
    inside.write_text(WHOLE)
    (folder.top / "in-PLAN.md").symlink_to(inside)
    (folder.top / "out-PLAN.md").symlink_to(outside)
    found = seen(folder)
    assert found["plans/in-PLAN.md"].sha256 == hashlib.sha256(WHOLE.encode()).hexdigest()
    out = found["plans/out-PLAN.md"]
    assert out.sha256 == ""
    assert out.errors[0].message == f"it is outside of the project (at {outside}); put the file itself into the project"  # fmt: skip
    (folder.top / "in-PLAN.md").unlink()
    (folder.top / "in-PLAN.md").symlink_to(outside)  # the same bytes
    assert seen(folder)["plans/in-PLAN.md"].errors[0].message == out.errors[0].message


@contextmanager
def somebody_else() -> Iterator[None]:
    """Root may read everything; so it becomes nobody for a while."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_plan_that_may_not_be_read_is_told_until_it_may():
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        root.chmod(0o755)
        (root / "plans").mkdir()
        folder = Folder(root, root / "plans", settings.load(root).reader, print)
        path = write(folder, "a-PLAN.md")
        assert not seen(folder)["plans/a-PLAN.md"].errors
        path.chmod(0)
        with somebody_else():
            assert "cannot be read" in seen(folder)["plans/a-PLAN.md"].errors[0].message
        path.chmod(0o644)
        with somebody_else():
            assert not seen(folder)["plans/a-PLAN.md"].errors


def test_a_run_gets_the_text_that_was_decided_on_or_none(folder: Folder):
    write(folder, "a-PLAN.md")
    path = write(folder, "b-PLAN.md")
    hashes = {one.path: one.sha256 or "" for one in folder.look(10.0)}
    path.write_text(WHOLE.replace("one", "two"))
    (folder.root / "plans" / "gone-PLAN.md").symlink_to("nowhere")
    os.mkfifo(folder.top / "pipe-PLAN.md")
    names = (*hashes, "plans/gone-PLAN.md", "plans/pipe-PLAN.md")
    taken = sources(folder.root, names, hashes, 10_000)
    assert [one.path for one in taken] == ["plans/a-PLAN.md"]
    assert hashlib.sha256(taken[0].content).hexdigest() == hashes["plans/a-PLAN.md"]
    assert sources(folder.root, names, hashes, 20) == []


def test_a_plan_that_is_larger_than_may_be_is_told_and_not_read(folder: Folder):
    with write(folder, "big-PLAN.md").open("r+b") as file:
        file.truncate(700_000_000)  # takes no room
    link = folder.top / "link-PLAN.md"
    link.symlink_to(write(folder, "far.md"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = seen(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 100_000  # kB
    big = found["plans/big-PLAN.md"]
    assert big.sha256 == ""  # none that could be trusted
    assert "700000000 bytes, the limit is 2000000" in big.errors[0].message
    assert found["plans/link-PLAN.md"].errors == ()


def test_a_pipe_in_the_place_of_a_file_holds_nobody(tmp_path: Path):
    """As one that comes between looking at the name and reading it; also in the place of a SUMMARY."""
    plan = tmp_path / "a-PLAN.md"
    os.mkfifo(plan)
    os.mkfifo(tmp_path / "b-SUMMARY.md")
    with pytest.raises(OSError, match="no regular file"):
        bounded.whole(plan, 10)
    with pytest.raises(UsageError, match="no regular file"):
        project.sources(tmp_path, [plan])
    assert not discover.is_finished(tmp_path / "b-PLAN.md")
    assert discover.misnamed(tmp_path) == []


def test_only_other_bytes_begin_the_wait_anew(folder: Folder):
    path = write(folder, "a-PLAN.md")
    seen(folder, 10.0)
    path.chmod(0o600)
    assert seen(folder, 20.0)["plans/a-PLAN.md"].changed_at == 10.0
    os.utime(path)
    assert seen(folder, 30.0)["plans/a-PLAN.md"].changed_at == 10.0
    path.write_text(WHOLE + "\n")
    assert seen(folder, 40.0)["plans/a-PLAN.md"].changed_at == 40.0


class Odd(Folder):
    """One file of it meets a bug of ours."""

    def _read(self, file: Path, stamp: Stamp, now: float) -> Found:
        if file.name == "odd-PLAN.md":
            raise RecursionError("too deep")
        return super()._read(file, stamp, now)


def test_a_file_that_meets_our_own_bug_waits_alone_and_is_told_of_once(folder: Folder):
    said = list[str]()
    odd = Odd(folder.root, folder.top, settings.load(folder.root).reader, said.append)
    write(folder, "a-PLAN.md")
    path = write(folder, "odd-PLAN.md")
    for now in (10.0, 20.0, 30.0):
        found = seen(odd, now)
    assert found["plans/a-PLAN.md"].errors == ()
    (why,) = found["plans/odd-PLAN.md"].errors
    assert "it cannot be read: our bug: RecursionError('too deep')" in why.message
    assert found["plans/odd-PLAN.md"].sha256 == ""  # none that could be trusted
    assert len(said) == 1
    assert "Traceback" in said[0]
    path.write_text(WHOLE + "\n")
    seen(odd, 40.0)
    assert len(said) == 2  # another text, another try
