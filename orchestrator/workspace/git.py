"""Every call of git, the same way: argument lists, hooks off, nothing of the caller's environment that could redirect it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from orchestrator import process
from orchestrator.errors import SettingsError
from orchestrator.process import brief

OLDEST = (2, 38)  # the first whose merge-tree writes a tree
PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CONFIG_HOME", "SSL_CERT_*",
    "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL",
    "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_LFS_SKIP_SMUDGE", "*_PROXY", "*_proxy",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
)  # fmt: skip
QUIET = {"LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
VALUES = {"NOTHING": "", "OFF": "false"}  # for --config-env
SETTINGS = {
    "core.hooksPath": os.devnull,  # a hook is a program of whoever could write one
    "core.fsmonitor": "false",  # so is a monitor
    "core.safecrlf": "false",
    "core.fsync": "committed",  # a verified commit must survive a power failure
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.addEmbeddedRepo": "false",
    "merge.autoStash": "false",
    "merge.verifySignatures": "false",
    "protocol.ext.allow": "never",
    "submodule.recurse": "false",
    "worktree.useRelativePaths": "false",
}
NOTHING: Mapping[str, str] = MappingProxyType({})


class GitRefused(SettingsError):
    """git said no, and somebody must look at the repository. The message is git's own, with the words that it was called with."""

    def __init__(self, words: tuple[str, ...], said: str) -> None:
        first = next((line for line in said.splitlines() if line.strip()), "no reason given")
        super().__init__(f"git {' '.join(words[:2])}: {first}")
        self.said = said


class Change(NamedTuple):
    """One path that differs: `A`dded, `M`odified, `D`eleted, `T`ype changed."""

    status: str
    path: str


class Git:
    """In one place. `git_dir` and `work_tree` are told outright where a worker could have changed what git would find."""

    def __init__(
        self,
        cwd: Path,
        git_dir: Path | None = None,
        work_tree: Path | None = None,
        more: Mapping[str, str] = NOTHING,
    ) -> None:
        self.cwd = cwd
        self._head = [word for pair in SETTINGS.items() for word in ("-c", "=".join(pair))]
        if git_dir is not None:
            self._head.append(f"--git-dir={git_dir}")
        if work_tree is not None:
            self._head.append(f"--work-tree={work_tree}")
        self._env = process.environment(PASSED, {**QUIET, **VALUES, **more})

    async def ask(
        self,
        *words: str,
        stdin: bytes | BinaryIO = b"",
        stdout: BinaryIO | None = None,
        index: Path | None = None,
    ) -> brief.Said:
        """Whatever it says. GitRefused only where there is no git, or no end: what is killed has answered nothing."""
        env = self._env | ({"GIT_INDEX_FILE": str(index)} if index else {})
        try:
            said = await brief.call(
                ["git", *self._head, *words], cwd=self.cwd, env=env, stdin=stdin, stdout=stdout
            )
        except (OSError, brief.TooLong) as trouble:
            raise GitRefused(words, str(trouble)) from trouble
        if said.code < 0:
            raise GitRefused(words, f"something killed it ({process.name_signal(-said.code)})")
        return said

    async def do(
        self, *words: str, stdin: bytes | BinaryIO = b"", index: Path | None = None
    ) -> str:
        """What it prints, without the last line end; GitRefused where it fails."""
        said = await self.ask(*words, stdin=stdin, index=index)
        if said.code:
            raise GitRefused(words, said.stderr or text(said.stdout))
        return text(said.stdout).removesuffix("\n")

    async def find(self, *words: str) -> str | None:
        """The same, None where it fails."""
        said = await self.ask(*words)
        return None if said.code else text(said.stdout).removesuffix("\n")

    async def changes(self, old: str, new: str) -> list[Change]:
        """Between two trees or commits, in the order of the paths; a renamed file is deleted and added."""
        told = await self.do("diff-tree", "-r", "-z", "--no-renames", "--name-status", old, new)
        words = iter(told.split("\0"))
        return [Change(status, path) for status, path in _pairs(words)]


def _pairs(words: Iterator[str]) -> Iterator[tuple[str, str]]:
    for status in words:
        if status:
            yield status, next(words)


def text(raw: bytes) -> str:
    """Names that are not UTF-8 keep their bytes, as everywhere in Python."""
    return raw.decode("utf-8", "surrogateescape")


def shown(name: str) -> str:
    """For people and for records, which are UTF-8: any other byte as `\\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
