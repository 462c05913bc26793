"""A git that something kills in the middle has answered nothing: it is never taken for a no, and is told as that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.workspace import GitRefused
from orchestrator.workspace.git import Git

DIES = "#!/bin/bash\nkill -9 $$\n"


@pytest.mark.parametrize("way", ["ask", "find", "do"])
async def test_a_git_that_is_killed_is_no_answer(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "git"
    program.write_text(DIES)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(GitRefused, match=r"git merge-base --is-ancestor: .*killed it \(SIGKILL\)"):
        await getattr(Git(tmp_path), way)("merge-base", "--is-ancestor", "a", "b")
