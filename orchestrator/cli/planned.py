"""`show PLAN.md`: what was understood of a plan, before anything is run. Refuses to hide what could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator import disk, project, prompt, settings
from orchestrator.cli import diagnostics, drawing, plans
from orchestrator.cli.terminal import out, show_json
from orchestrator.model import Plan, Task
from orchestrator.model.goals import Setup
from orchestrator.views import money
from orchestrator.views.text import counted, duration, lines, plain

LINE = 100


def show(path: Path, *, as_json: bool) -> None:
    """BadPlans, with all that is wrong, for a plan with errors."""
    root, files = plans.live([path])
    loaded = project.load(root, project.sources(root, files), settings.load(root).reader)
    graph = diagnostics.checked(root, loaded)
    for plan in loaded.plans:
        if as_json:
            show_json(document(root, plan))
            continue
        out().print(f"{plan.id}  {plain(drawing.title(plan), LINE)}".rstrip(), style="bold")
        _rows(_facts(plan))
        waits = drawing.edges_into(graph)
        for task in plan.tasks:
            out().print()
            out().print(f"{task.id}  {plain(task.title, LINE)}", style="bold")
            before = ", ".join(map(drawing.because, waits[task.id]))
            _rows([("waits for", before or "nothing"), *_task(task)])
        promised = [*promises(plan), *_checklist(plan)]
        if promised:
            out().print()
            _rows(promised)
        _show_context(root, plan)


def _rows(rows: list[tuple[str, str]] | Iterator[tuple[str, str]]) -> None:
    for name, value in rows:
        out().print(f"  {name.ljust(12)}  {value}")


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "file", plan.path
    for key in ("phase", "plan", "type", "wave", "autonomous", "status"):
        value = plan.frontmatter.get(key)
        if isinstance(value, str) and value.strip():
            yield key, plain(value, LINE)
    if not plan.budget.is_none:
        yield "budget", money.shown(plan.budget)
    if plan.depends_on:
        yield "depends on", ", ".join(plan.depends_on)


def _task(task: Task) -> Iterator[tuple[str, str]]:
    yield "type", f"{task.type}{', test first' if task.tdd else ''}"
    yield "writes", "unknown" if task.files is None else ", ".join(task.files) or "nothing"
    if task.is_checkpoint:
        return
    for command in task.commands:
        yield "check", plain(command, LINE)
    if not task.commands:
        yield "check", "prose: nothing is run" if task.verify.strip() else "none"
    for human in task.human_checks:
        yield "for a person", plain(human, LINE)
    if task.done.strip():
        yield "done when", plain(task.done, LINE)
    if task.complexity is not None or task.model is not None:
        told = (f"complexity {task.complexity}" if task.complexity else "", task.model or "")
        yield "routing", ", ".join(filter(None, told))
    if task.estimated_duration_s is not None:
        yield "estimate", f"up to {duration(task.estimated_duration_s.high)}"


def promises(plan: Plan) -> Iterator[tuple[str, str]]:
    """What the plan as a whole is for, and what it asks of a person."""
    if plan.requirements:
        yield "requirements", ", ".join(plan.requirements)
    for truth in plan.must_haves.truths:
        yield "must be true", plain(truth, LINE)
    for artifact in plan.must_haves.artifacts:
        yield "must exist", plain(f"{artifact.path}: {artifact.provides}".rstrip(": "), LINE)
    for link in plan.must_haves.key_links:
        yield "must use", plain(f"{link.source} uses {link.target} {link.via}".strip(), LINE)
    for setup in plan.user_setup:
        yield "set up", plain(_setup(setup), LINE)


def _checklist(plan: Plan) -> Iterator[tuple[str, str]]:
    for tag in ("verification", "success_criteria"):
        for row in lines(plan.section(tag)):
            if row.strip():
                yield tag.partition("_")[0], row.strip()[:LINE]


def _setup(setup: Setup) -> str:
    why = f": {setup.why}" if setup.why else ""
    return f"{setup.service}{why} ({counted(len(setup.steps), 'step')})"


def _show_context(root: Path, plan: Plan) -> None:
    named = prompt.referred(plan)
    missing = set(disk.absent(root, named))
    if named:
        out().print()
        _rows([("context", f"{one}{' (missing)' if one in missing else ''}") for one in named])


def document(root: Path, plan: Plan) -> dict[str, Any]:
    named = prompt.referred(plan)
    missing = set(disk.absent(root, named))
    return {
        "version": 1,
        "id": plan.id,
        "file": plan.path,
        "title": drawing.title(plan),
        "frontmatter": dict(plan.frontmatter),
        "requirements": list(plan.requirements),
        "must_haves": plan.must_haves.model_dump(mode="json"),
        "user_setup": [one.model_dump(mode="json") for one in plan.user_setup],
        "tasks": [
            task.model_dump(mode="json", exclude={"elements", "places", "position", "verify"})
            | {"line": task.position.line}
            for task in plan.tasks
        ],
        "context": [{"path": one, "missing": one in missing} for one in named],
    }
