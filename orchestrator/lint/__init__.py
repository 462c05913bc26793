"""Rules over plans -> Diagnostics, one file per family. Pure; what needs the disk is asked elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.graph import TaskGraph
from orchestrator.lint import checks, files, names, paths, people, secrets, workers
from orchestrator.lint.known import Known
from orchestrator.model import Diagnostic, Plan

__all__ = ["Known", "check", "review"]

FAMILIES = (paths.check,)
ADVICE = (files.check, people.check, names.check)


def check(plan: Plan) -> Iterator[Diagnostic]:
    """What stops a run, or changes it."""
    for family in FAMILIES:
        yield from family(plan)


def review(
    plans: Sequence[Plan], graph: TaskGraph | None, known: Known, texts: Mapping[str, str]
) -> Iterator[Diagnostic]:
    """What its author should know besides; `texts` are the plans as written, by their paths."""
    for plan in plans:
        for family in ADVICE:
            yield from family(plan)
        yield from checks.check(plan, known)
        yield from workers.check(plan, known)
        yield from secrets.check(plan, texts[plan.path])
    if graph is not None:
        yield from files.meetings(graph)
