"""What agents read and did not need, in a line for people. Refuses to speak where no client told what it read."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator import context
from orchestrator.model.outloop import Context, Profile
from orchestrator.views.text import counted
from orchestrator.views.watched import Watched


def total(watched: Watched) -> str | None:
    """Of a whole run."""
    every = (
        context.measure(task, watched.of(task.id).tried) for task in watched.graph.tasks.values()
    )
    return line(context.together(every))


def line(read: Context) -> str | None:
    if not read.loaded:
        return None
    files = counted(len(read.loaded), "file")
    rest = f"; the others are about {read.waste_tokens:,} tokens" if read.unused else ""
    return f"context: {files} read, {len(read.used)} of them needed ({read.efficiency}%){rest}"


def profile(found: Profile) -> Iterator[str]:
    yield f"{found.signature}: {counted(found.attempts, 'attempt')} that read files"
    yield f"  files read      {found.mean_loaded:.1f} on average"
    yield f"  needed          {found.mean_efficiency or 0:.1f}%"
    yield f"  not needed      about {found.mean_waste_tokens:,.0f} tokens an attempt"
    for word, names in (("typical files", found.files), ("typical docs", found.docs)):
        yield f"  {word:<15} {', '.join(names) or 'none is used in half of them'}"
    yield f"  globs           {', '.join(found.globs) or 'none'}"
