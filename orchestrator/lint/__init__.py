"""Rules over a Plan -> Diagnostics, one file per family. Pure; what needs the disk is asked elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.lint import later, paths
from orchestrator.model import Diagnostic, Plan

FAMILIES = (paths.check, later.check)


def check(plan: Plan) -> Iterator[Diagnostic]:
    for family in FAMILIES:
        yield from family(plan)
