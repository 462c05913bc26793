"""What a daemon does by the clock: to learn, and to tidy up. Refuses to touch a run that goes on, and work that did not land."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from anyio import to_thread

from orchestrator.cli import cleaning, learning
from orchestrator.daemon.schedule import Duty
from orchestrator.settings import Settings
from orchestrator.views.text import counted


def of(root: Path, load: Callable[[], Settings]) -> Mapping[str, Duty]:
    async def learn() -> str:
        rules = await to_thread.run_sync(learning.relearn, load())
        return f"{counted(rules, 'rule')} learned from the ledger"

    async def clean() -> str:
        left = await cleaning.tidy(root, load().workspace)
        return f"{counted(sum(one.removed for one in left), 'thing')} of finished runs put away"

    return {"learn": learn, "clean": clean}
