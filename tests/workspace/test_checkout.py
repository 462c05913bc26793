"""A hand-over that git cannot end: files, folders, links and the index are as before, and nothing of a person's is taken for git's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from orchestrator.workspace import Facts, Repository, examine
from orchestrator.workspace.checkout import advance
from tests.workspace.repos import begin, commit, git, lay, traces

FAILS = """#!/bin/bash
case "$*" in *merge*--ff-only*)
    {real} "$@" || exit
    {then}
    echo "fatal: could not" >&2; exit 128;;
esac
exec {real} "$@"
"""


async def prepare(root: Path, then: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Repository, str]:
    """A result with every kind of change, and a git that does all of it but for the last step, then says that it failed."""
    big = "x" * 300_000
    begin(root, {"a.txt": "one\n", "gone/b.txt": "two\n", "turns": "file\n", "was/dir.txt": "d\n"})
    start = git(root, "rev-parse", "HEAD")
    shutil.rmtree(root / "gone")
    shutil.rmtree(root / "was")
    (root / "turns").unlink()
    lay(root, {"a.txt": big, "turns/into": "folder\n", "was": "file\n", "new/deep/n.txt": big})
    os.symlink("a.txt", root / "link")
    tip = commit(root, "result")
    git(root, "reset", "-q", "--hard", start)
    lay(root, {"mine.txt": "not git's\n"})
    tools = root.parent / "tools"
    tools.mkdir()
    back = f"{shutil.which('git')} update-ref refs/heads/main {start}"
    script = FAILS.format(real=shutil.which("git"), then=f"{back}; {then}")
    (tools / "git").write_text(script)
    (tools / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    facts = await examine(root)
    assert isinstance(facts, Facts)
    return Repository(root, facts), tip


def seen(root: Path) -> dict[str, object]:
    """A file that was put back has another time, and the index knows it."""
    return traces(root) | {"index": git(root, "ls-files", "--stage", "-v")}


CUT = "truncate -s 1000 a.txt new/deep/n.txt; : > was"


@pytest.mark.parametrize("then", ["true", CUT, "rm a.txt; rm -r new"])
async def test_whatever_git_had_done_is_undone(
    tmp_path: Path, then: str, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "project"
    repository, tip = await prepare(root, then, monkeypatch)
    before = seen(root)
    stop = await advance(repository, tip)
    assert stop is not None
    assert stop.failed
    assert "all of it was taken back" in stop.why
    assert "fatal: could not" in stop.why
    assert git(root, "status", "--porcelain") == "?? mine.txt"
    assert seen(root) == before
    assert not (root / "new").exists()


async def test_what_somebody_else_writes_meanwhile_is_left_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "project"
    repository, tip = await prepare(root, "echo of a person > new/deep/n.txt", monkeypatch)
    stop = await advance(repository, tip)
    assert stop is not None
    assert "look at new/deep/n.txt, which could not be put back" in stop.why
    assert (root / "new/deep/n.txt").read_text() == "of a person\n"
    assert git(root, "status", "--porcelain") == "?? mine.txt\n?? new/"
