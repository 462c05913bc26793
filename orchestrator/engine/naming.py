"""Values of secret variables that are names of the project, told once when an engine begins. Refuses to hide what a run acts on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator import project, redact, workspace
from orchestrator.engine.crew import Crew
from orchestrator.model import Plan


async def spare(root: Path, plans: Sequence[Plan], crew: Crew) -> list[str]:
    """From now on they are no secrets: a path with a hole in it is no path. A warning for each variable."""
    own = [*project.names(root, plans), *await workspace.names(root), *_names_of(crew)]
    return [
        f"{variable} is not redacted: its value stands in a name of this project (its folder, plans, branch, files "
        "or models), where everybody sees it. If it is a secret, give it another value"
        for variable in redact.spare(own)
    ]


def _names_of(crew: Crew) -> Iterator[str]:
    yield from crew.workers
    for ladders in (crew.ladders.values(), *crew.others.values()):
        for route in (route for ladder in ladders for route in ladder):
            yield from filter(None, (route.model, route.provider))
