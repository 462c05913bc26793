"""Whether the programs of a run stand in a sandbox, and why not. Refuses to start where one is asked for and there can be none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from orchestrator.engine.order import Order
from orchestrator.errors import SettingsError
from orchestrator.model import Noun
from orchestrator.process import sandbox
from orchestrator.process.fence import Fence, lay
from orchestrator.settings import SandboxSettings, Settings


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


@contextmanager
def raised(
    boundary: Boundary, root: Path, folder: Path, order: Order, settings: Settings
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
        named = settings.sandbox.model_dump(exclude={"mode"})
        yield Barrier(boundary, lay(root, temporary, isolated=order.isolated, **named))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
