"""Secrets in the text of a plan (X001): formats that nothing else has. It never repeats one."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.model import Diagnostic, Plan, Position
from orchestrator.model.codes import diagnostic
from orchestrator.redact.formats import ANY, FORMATS, SHOWN, is_example, is_suspect


def check(plan: Plan, text: str) -> Iterator[Diagnostic]:
    if not is_suspect(text):
        return
    for match in ANY.finditer(text):
        if is_example(match[0]):
            continue
        kind = list(FORMATS)[int((match.lastgroup or "f0")[1:])]
        line = text.count("\n", 0, match.start()) + 1
        column = match.start() - (text.rfind("\n", 0, match.start()) + 1) + 1
        told = (
            f"this looks like {kind} ({match[0][:SHOWN]}…): prompts, transcripts and git would have it; "
            "revoke it and name an environment variable instead"
        )
        yield diagnostic("X001", plan.path, Position(line=line, column=column), told)
