"""Which of the files that a task changed it was not to change, which steer git, agents or CI, and which can never be its. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from orchestrator.graph.writes import normal, overlaps

FOLDERS = {  # wherever they lie, with all below them
    ".git", ".claude", ".codex", ".gemini", ".opencode", ".cursor", ".github", ".circleci", ".buildkite", ".gitlab",
    ".husky", ".githooks", ".devcontainer", ".vscode", ".pi", ".windsurf", ".clinerules", ".roo", ".kiro",
    ".orchestrator",
}  # fmt: skip
NAMES = {  # wherever they lie
    "claude.md", "claude.local.md", "agents.md", "gemini.md", ".mcp.json", ".gitattributes", ".gitmodules", ".gitconfig",
    ".gitlab-ci.yml", "jenkinsfile", "azure-pipelines.yml", ".travis.yml", ".pre-commit-config.yaml", "lefthook.yml",
    "lefthook.yaml", ".envrc", "opencode.json", "opencode.jsonc", ".cursorrules", ".windsurfrules", ".clinerules",
    "bitbucket-pipelines.yml", ".npmrc", ".orchestrator",
}  # fmt: skip
HOME = ".orchestrator"
SETTINGS = {f"{HOME}/config.toml", f"{HOME}/intelligence.yaml"}  # what of it a project may share


def controls(files: Iterable[str], plans: Collection[str]) -> tuple[str, ...]:
    """Those that a person must look at. Case is no way around: some disks do not know it."""
    return tuple(file for file in files if file in plans or _steers(PurePosixPath(file.casefold())))


def _steers(path: PurePosixPath) -> bool:
    return not FOLDERS.isdisjoint(path.parts[:-1]) or path.name in NAMES


def intrusions(changes: Iterable[tuple[str, str]], homes: Collection[str] = (HOME,)) -> list[str]:
    """New files where the program keeps letters, trust and the journal: in a checkout each of them would be believed.

    `changes` are git's letters and paths. What the project has there already is a control file as any other.
    """
    return [path for letter, path in changes if letter == "A" and _is_ours(path, homes)]


def _is_ours(path: str, homes: Collection[str]) -> bool:
    folded = path.casefold()
    return folded not in SETTINGS and any(
        folded == home or folded.startswith(f"{home}/") for home in homes
    )


def undeclared(files: Iterable[str], declared: Collection[str] | None) -> tuple[str, ...]:
    """Those outside of `declared` (files, folders, globs); none where nothing is declared."""
    if declared is None:
        return ()
    allowed = [normal(entry) for entry in declared if entry]
    return tuple(file for file in files if not any(overlaps(file, one) for one in allowed))
