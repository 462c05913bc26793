"""What a daemon does by the clock: to learn, to look for patterns, and to tidy up. Refuses to touch a run that goes on, and work that did not land."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from anyio import to_thread

from orchestrator.cli import cleaning, learning
from orchestrator.daemon.schedule import Duty, Holder
from orchestrator.engine import prune
from orchestrator.outloop import analysis
from orchestrator.settings import Settings
from orchestrator.views.text import counted


def of(root: Path, load: Callable[[], Settings], holder: Holder) -> Mapping[str, Duty]:
    async def learn() -> str:
        rules = await to_thread.run_sync(learning.relearn, load())
        return f"{counted(rules, 'rule')} learned from the ledger"

    async def clean() -> str:
        chosen = load()
        async with holder.turn:
            left = await cleaning.tidy(root, chosen.workspace, holder.runs)
            days = chosen.run.retention_days
            old = await to_thread.run_sync(prune, root, days, holder.runs())
        removed = counted(sum(one.removed for one in left), "thing")
        return f"{removed} of finished runs put away, transcripts of {counted(old, 'run')} removed"

    async def patterns() -> str:
        found = await to_thread.run_sync(analysis.analyze, root, load())
        many = counted(len(found.candidates), "pattern")
        return (
            f"{counted(found.new, 'operation')} seen, {many} worth a script (orchestrator patterns)"
        )

    return {"learn": learn, "clean": clean, "patterns": patterns}
