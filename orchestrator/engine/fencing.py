"""Whether the programs of a run stand in a sandbox, and why not. Refuses to start where one is asked for and there can be none."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple

from orchestrator.errors import SettingsError
from orchestrator.model import Noun, Outcome
from orchestrator.order import Order
from orchestrator.process import sandbox
from orchestrator.process.fence import PRIVATE, Fence, lay
from orchestrator.settings import SandboxSettings, Settings
from orchestrator.workspace import links as linked

CACHES = {  # whose they are; of the default list
    "~/.npm": "npm",
    "~/.yarn": "yarn",
    "~/.bun/install/cache": "bun",
    "~/.local/share/pnpm": "pnpm",
    "~/.cargo/registry": "cargo",
    "~/.cargo/git": "cargo",
    "~/go/pkg": "go",
    "~/.m2": "mvn",
    "~/.gradle": "gradle",
    "~/.nuget": "dotnet",
    "~/.gem": "gem",
    "~/.bundle": "bundle",
    "~/.composer": "composer",
    "~/.ivy2": "sbt",
    "~/.mix": "mix",
    "~/.hex": "mix",
}
ANYBODYS = "~/.cache"
REFUSED = re.compile(r"read-only file system|\bEROFS\b", re.IGNORECASE)
QUOTED = re.compile(r"""['\u2018"]([^'\u2019"\n]+)['\u2019"]""")
BARE = re.compile(r"(\S+): (?:read-only file system|EROFS)", re.IGNORECASE)
MOST = 3  # places that one hint names


class Boundary(Noun):
    """What stands around the programs of an engine. `why` there is none, with the next step."""

    kind: Literal["bubblewrap", "none"]
    why: str = ""


class Barrier(NamedTuple):
    """The same with the fence itself, where there is one."""

    boundary: Boundary
    fence: Fence | None = None


async def choose(settings: SandboxSettings) -> Boundary:
    """Tried, not believed: a bubblewrap that is installed may not be allowed to work."""
    if settings.mode == "none":
        return Boundary(kind="none", why='sandbox.mode is "none"')
    trouble = await sandbox.trouble(network=settings.network)
    if trouble is None:
        return Boundary(kind="bubblewrap")
    if settings.mode == "bubblewrap":
        raise SettingsError(f'sandbox.mode is "bubblewrap", and {trouble}')
    return Boundary(kind="none", why=trouble)


async def links(boundary: Boundary, root: Path, order: Order) -> Sequence[str]:
    """Other repositories in the plain directory that git goes into by itself."""
    if boundary.kind == "none" or order.isolated or shutil.which("git") is None:
        return ()
    return await linked(root)


@contextmanager
def raised(
    boundary: Boundary,
    root: Path,
    folder: Path,
    order: Order,
    settings: Settings,
    inner: Sequence[str],
) -> Iterator[Barrier]:
    """With a place in the run's `folder` for temporary files, which its programs share as they would share /tmp."""
    if boundary.kind == "none":
        yield Barrier(boundary)
        return
    temporary = folder / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # of an engine that was killed
    temporary.mkdir(exist_ok=True)
    temporary.chmod(0o1777)
    try:
        (root / PRIVATE).mkdir(mode=0o700, parents=True, exist_ok=True)
        make_caches(settings.sandbox.caches)
        named = settings.sandbox.model_dump(exclude={"mode"})
        fence = lay(root, temporary, isolated=order.isolated, links=inner, **named)
        yield Barrier(boundary, fence)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make_caches(names: Iterable[str]) -> None:
    """Those that a tool on the PATH would make at its first start, and in a sandbox could not. What cannot be made is passed over."""
    if not os.path.isdir(os.path.expanduser("~")):
        return
    for name in names:
        if name == ANYBODYS or (name in CACHES and shutil.which(CACHES[name])):
            with suppress(OSError):
                os.makedirs(os.path.expanduser(name), exist_ok=True)


def explained(outcome: Outcome, barrier: Barrier) -> Outcome:
    """Of a try that failed: also that the sandbox may be why."""
    if outcome.ok or barrier.fence is None:
        return outcome
    hint = explain(f"{outcome.detail}\n{outcome.tail}")
    return outcome.model_copy(update={"detail": f"{outcome.detail}\n{hint}"}) if hint else outcome


def explain(text: str) -> str | None:
    """What in these words was refused as read-only, and how a person can allow it; None if nothing was."""
    lines = [line for line in text.splitlines() if REFUSED.search(line)]
    if not lines:
        return None
    places = list(dict.fromkeys(filter(None, map(_place, lines))))[:MOST] or ["what it wrote to"]
    are = "is" if len(places) == 1 else "are"
    return (
        f"{', '.join(places)} {are} read-only in the sandbox. If tasks are to write there, name the place "
        "or a folder above it in sandbox.writable (docs/sandbox.md)"
    )


def _place(line: str) -> str | None:
    """Quoted, or right before the words; paths have a slash or a dot, programs before a colon do not always."""
    found = (*QUOTED.findall(line), *BARE.findall(line))
    return next((one for one in found if "/" in one or "." in one), None)
