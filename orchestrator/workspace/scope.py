"""Which of the files that a task changed it was not to change, and which steer git, agents or CI. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from orchestrator.graph.writes import normal, overlaps

FOLDERS = {  # wherever they lie, with all below them
    ".git", ".claude", ".codex", ".gemini", ".opencode", ".cursor", ".github", ".circleci", ".buildkite", ".gitlab",
    ".husky", ".githooks", ".devcontainer", ".vscode", ".pi", ".windsurf", ".clinerules", ".roo", ".kiro",
}  # fmt: skip
NAMES = {  # wherever they lie
    "claude.md", "claude.local.md", "agents.md", "gemini.md", ".mcp.json", ".gitattributes", ".gitmodules", ".gitconfig",
    ".gitlab-ci.yml", "jenkinsfile", "azure-pipelines.yml", ".travis.yml", ".pre-commit-config.yaml", "lefthook.yml",
    "lefthook.yaml", ".envrc", "opencode.json", "opencode.jsonc", ".cursorrules", ".windsurfrules", ".clinerules",
    "bitbucket-pipelines.yml", ".npmrc",
}  # fmt: skip
OURS = ".orchestrator/config.toml"


def controls(files: Iterable[str], plans: Collection[str]) -> tuple[str, ...]:
    """Those that a person must look at. Case is no way around: some disks do not know it."""
    return tuple(file for file in files if file in plans or _steers(PurePosixPath(file.lower())))


def _steers(path: PurePosixPath) -> bool:
    return not FOLDERS.isdisjoint(path.parts[:-1]) or path.name in NAMES or str(path) == OURS


def undeclared(files: Iterable[str], declared: Collection[str] | None) -> tuple[str, ...]:
    """Those outside of `declared` (files, folders, globs); none where nothing is declared."""
    if declared is None:
        return ()
    allowed = [normal(entry) for entry in declared if entry]
    return tuple(file for file in files if not any(overlaps(file, one) for one in allowed))
