"""Names that git knows of a project: its branch and the files it holds. Refuses nothing: without git there are none."""

from __future__ import annotations

from pathlib import Path

from orchestrator.workspace.git import Git, GitRefused, text


async def names(root: Path) -> list[str]:
    """Paths are relative to the root."""
    git = Git(root)
    try:
        branch = await git.find("symbolic-ref", "--quiet", "HEAD")
        files = await git.ask("ls-files", "-z")
    except GitRefused:
        return []
    return [*filter(None, [branch]), *filter(None, text(files.stdout).split("\0"))]
