"""What a repository is like, and what can be done with its trees and commits. Never touches the person's checkout."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from orchestrator import redact
from orchestrator.model import Noun
from orchestrator.workspace.git import OLDEST, Change, Git, GitRefused, shown, text

NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "orchestrator"), ("EMAIL", "orchestrator@localhost"))
}
LINK = "160000"  # the mode of a submodule in a tree


class Facts(NamedTuple):
    """Of the repository around a project, when somebody looked."""

    common: Path  # the folder that all its worktrees share
    admin: Path  # the git folder of the person's own checkout
    head: str | None  # None: no commit yet
    branch: str | None  # refs/heads/...; None: a detached HEAD
    named: bool  # git knows who commits
    shallow: bool
    drivers: Mapping[str, str] = {}  # programs that git runs over contents, by their settings


class Unfit(NamedTuple):
    """Why attempts cannot have worktrees here. `grave`: git itself refuses, and somebody should know."""

    why: str
    grave: bool = False


class Clash(NamedTuple):
    """Two changes of the same lines."""

    files: tuple[str, ...]


class Entry(Noun):
    """A path of the checkout that is not as in HEAD: two letters of `git status`."""

    status: str
    path: str


async def examine(root: Path) -> Facts | Unfit:
    """Looks at the repository whose top level is `root`."""
    if not (root / ".git").exists():
        return Unfit("there is no git repository here")
    if shutil.which("git") is None:
        return Unfit("git is not installed")
    git = Git(root)
    try:
        version = await git.do("version")
        numbers = tuple(int(word) for word in re.findall(r"\d+", version)[:2])
        if numbers < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            return Unfit(f"{version} is older than {wanted}, which worktrees need here")
        return await _look(git)
    except GitRefused as refused:
        return Unfit(str(refused), grave=True)


async def _look(git: Git) -> Facts | Unfit:
    told = await git.do("rev-parse", "--is-shallow-repository", "--is-inside-work-tree")
    shallow, inside = told.split("\n")
    if inside != "true":
        return Unfit("this is a bare repository")
    if await git.find("rev-parse", "--verify", "--quiet", "refs/heads/orchestrator"):
        return Unfit(
            "a branch is called orchestrator, so none can be called orchestrator/RUN", True
        )
    links = [row for row in (await git.do("ls-files", "-s", "-z")).split("\0") if row[:6] == LINK]
    if links or (git.cwd / ".gitmodules").exists():
        return Unfit("it has submodules, and git's worktrees do not hold theirs")
    who = [
        await git.find("-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT")
        for role in ("AUTHOR", "COMMITTER")
    ]
    common = await git.do("rev-parse", "--path-format=absolute", "--git-common-dir")
    return Facts(
        common=Path(common),
        admin=Path(await git.do("rev-parse", "--absolute-git-dir")),
        head=await git.find("rev-parse", "--verify", "--quiet", "HEAD^{commit}"),
        branch=await git.find("symbolic-ref", "--quiet", "HEAD"),
        named=None not in who,
        shallow=shallow == "true",
        drivers=await _drivers(git),
    )


async def links(root: Path) -> list[str]:
    """Where other repositories lie that git at `root` knows, and those that they know: its status goes into each of them."""
    found, waiting = list[str](), [""]
    while waiting:
        place = waiting.pop()
        if not (root / place / ".git").exists():
            continue
        told = await Git(root / place).find("ls-files", "-s", "-z") or ""
        rows = [row.partition("\t")[2] for row in told.split("\0") if row.startswith(LINK)]
        inside = [os.path.join(place, name) for name in rows]
        found += inside
        waiting += inside
    return found


async def _drivers(git: Git) -> dict[str, str]:
    said = await git.ask(
        "config", "-z", "--get-regexp", r"^(filter|merge)\..*\.(clean|smudge|process|driver)$"
    )
    pairs = (row.partition("\n") for row in text(said.stdout).split("\0") if row)
    return {key: value for key, _, value in pairs}


class Repository:
    """The objects and refs of one repository; commits are made by its person, or by `orchestrator` where git knows none."""

    def __init__(self, root: Path, facts: Facts) -> None:
        self.root, self.facts = root, facts
        self.git = Git(root, more={} if facts.named else NOBODY)

    async def empty(self) -> str:
        """The tree without files, in the hash that this repository uses."""
        return await self.git.do("mktree")

    async def disarmed(self, git: Git) -> list[str]:
        """Words for `git` by which programs that were set since we looked are not run: contents pass, merges clash.

        It is asked itself: a worktree can have settings of its own. Names go by variable, as one can hold a `=`.
        Nobody sets one between this look and the call: in a sandbox no file of git's settings can be written (process.fence).
        """
        off = dict[str, str]()
        for key, value in (await _drivers(git)).items():
            if self.facts.drivers.get(key) != value:
                off[key] = "OFF" if key.startswith("merge.") else "NOTHING"
                off[f"{key.rpartition('.')[0]}.required"] = "OFF"
        return [f"--config-env={key}={variable}" for key, variable in off.items()]

    async def tree(self, commit: str) -> str:
        return await self.git.do("rev-parse", "--verify", f"{commit}^{{tree}}")

    async def commit(self, tree: str, parents: Sequence[str], message: str) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        return await self.git.do(
            "commit-tree", *words, "-F", "-", tree, stdin=encoded(redact.text(message))
        )

    async def move(self, ref: str, new: str, old: str | None = None) -> None:
        """Only if it is at `old` now; None: it must not be there. GitRefused if somebody moved it."""
        await self.git.do("update-ref", "--end-of-options", ref, new, old or "0" * len(new))

    async def keep(self, ref: str, commit: str) -> None:
        await self.git.do("update-ref", "--end-of-options", ref, commit)

    async def drop(self, ref: str) -> None:
        await self.git.do("update-ref", "-d", "--end-of-options", ref)

    async def find(self, name: str) -> str | None:
        """The commit of a ref or a name."""
        return await self.git.find("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")

    async def is_checked_out(self, branch: str) -> bool:
        """In any worktree: moved or taken away, the checkout would not fit to it any more."""
        told = await self.git.do("worktree", "list", "--porcelain")
        return f"branch {branch}" in told.splitlines()

    async def refs(self, under: str) -> dict[str, str]:
        """Each ref below `under` and its commit."""
        told = await self.git.do("for-each-ref", "--format=%(refname) %(objectname)", under)
        return dict(line.rsplit(" ", 1) for line in told.splitlines())

    async def contains(self, tip: str, commit: str) -> bool:
        said = await self.git.ask("merge-base", "--is-ancestor", commit, tip)
        if said.code > 1:
            raise GitRefused(("merge-base", "--is-ancestor"), said.stderr)
        return said.code == 0

    async def join(self, ours: str, theirs: str) -> str | Clash:
        """The tree of two commits together, from where they part."""
        said = await self.git.ask(
            *await self.disarmed(self.git),
            "merge-tree",
            "--write-tree",
            "--name-only",
            "--no-messages",
            "-z",
            ours,
            theirs,
        )
        if said.code > 1 or not said.stdout:
            raise GitRefused(("merge-tree",), said.stderr)
        tree, *names = text(said.stdout).rstrip("\0").split("\0")
        if said.code == 0:
            return tree
        return Clash(tuple(dict.fromkeys(shown(name) for name in names if name)))

    async def apply(self, base: str, ours: str, theirs: str) -> str | Clash:
        """`ours` with what leads from `base` to `theirs`: all of them trees."""
        root = await self.commit(base, (), "base\n")
        ends = [await self.commit(tree, (root,), "end\n") for tree in (ours, theirs)]
        return await self.join(*ends)

    async def changes(self, old: str, new: str) -> list[Change]:
        return await self.git.changes(old, new)

    async def work(self, base: str, begin: str, now: str, index: Path) -> str:
        """The tree `now` without what was there when the work began and was left alone: all of them trees.

        Such things are what a check leaves behind, and files that were handed in.
        """
        made = {one.path for one in await self.changes(begin, now)}
        handed = {one.path for one in await self.changes(base, begin)} - made
        if not handed:
            return now
        await self.git.do("read-tree", now, index=index)
        rows = [f"0 {'0' * 40}\t{path}" for path in sorted(handed)]
        for tree, paths in ((base, handed), (now, made)):  # the work last: it may need the room
            told = (await self.git.do("ls-tree", "-r", "-z", tree)).split("\0")
            rows += [row for row in told if row.partition("\t")[2] in paths]
        await self.git.do(
            "update-index", "-z", "--index-info", stdin=encoded("\0".join(rows) + "\0"), index=index
        )
        return await self.git.do("write-tree", index=index)

    async def differs(self) -> list[Entry]:
        """What of the person's checkout is not in HEAD; ignored files are not named."""
        told = await self.git.do(
            "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all"
        )
        rows = [row for row in told.split("\0") if row]
        return [Entry(status=row[:2], path=shown(row[3:])) for row in rows]

    async def ignored(self, paths: Iterable[str]) -> list[str]:
        """Those of them that git would not take."""
        names = encoded("\0".join(paths))
        if not names:
            return []
        said = await self.git.ask("check-ignore", "-z", "--stdin", stdin=names)
        return [path for path in text(said.stdout).split("\0") if path]


def encoded(words: str) -> bytes:
    return words.encode("utf-8", "surrogateescape")
