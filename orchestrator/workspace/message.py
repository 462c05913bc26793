"""A verified task -> the message of its commit. Pure; says nothing of the worker's own words."""

from __future__ import annotations

import re

from orchestrator import redact
from orchestrator.model import Plan, RunId, Task

KINDS = {  # the first that fits the task's name
    "docs": r"document\w*|docs?|readme|changelog|comments?",
    "test": r"tests?|specs?|coverage",
    "fix": r"fix\w*|repair\w*|bug\w*|correct\w*|resolve\w*|hotfix",
    "refactor": r"refactor\w*|rename\w*|extract\w*|restructure\w*|simplif\w*|clean(?:[- ]?up)?|move",
    "perf": r"optimi[sz]e\w*|speed|performance",
    "chore": r"upgrade\w*|bump|configure|install|dependenc\w+|remove|delete",
}
LEADING = 3  # words of the name that can tell its kind
SUBJECT = 72


def kind(task: Task) -> str:
    """`feat` unless its type or the first words of its name say another."""
    if task.type in KINDS:
        return task.type
    words = re.findall(r"[\w-]+", task.title.lower())[:LEADING]
    if task.tdd and "red" in words:
        return "test"
    verb = words[0] if words else ""
    for name, pattern in KINDS.items():
        if re.fullmatch(pattern, verb):
            return name
    writes = words[1:] if verb in {"write", "add", "update", "create"} else []
    found = (name for name in ("test", "docs") if any(re.fullmatch(KINDS[name], w) for w in writes))
    return next(found, "feat")


def of_task(
    plan: Plan, task: Task, *, run: RunId, attempt: int, worker: str, model: str | None
) -> str:
    """Subject and trailers."""
    trailers = {
        "Task": task.id,
        "Model": model or "none",
        "Worker": worker,
        "Attempt": str(attempt),
        "Run": run,
    }
    return _whole(f"{kind(task)}({_scope(plan)}): {_line(task.title)}", trailers)


def of_summary(plan: Plan, *, run: RunId, complete: bool) -> str:
    rest = "" if complete else ", halted"
    return _whole(
        f"docs({_scope(plan)}): summary of the plan{rest}", {"Plan": plan.path, "Run": run}
    )


def of_join(run: RunId, branch: str) -> str:
    return _whole(f"merge: what came to {_line(branch, 40)} while the run went on", {"Run": run})


def of_dirty(run: RunId) -> str:
    return _whole("chore: what was not committed when the run began", {"Run": run})


def of_revert(subject: str, commit: str, run: str) -> str:
    return _whole(f'revert: "{_line(subject)}"', {"Reverts": commit, "Run": run})


def _scope(plan: Plan) -> str:
    return re.sub(r"[^\w.-]+", "-", plan.id.rpartition("/")[2])[:30] or "plan"


def _line(text: str, longest: int = SUBJECT) -> str:
    """One line that can be no trailer and no option, and cut where no secret is."""
    text = redact.text(text)
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def _whole(subject: str, trailers: dict[str, str]) -> str:
    rows = "\n".join(f"{key}: {_line(value, 1000)}" for key, value in trailers.items())
    return f"{subject}\n\n{rows}\n"
