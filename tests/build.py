"""Plans and tasks for tests of the pure modules, in few words."""

from __future__ import annotations

from typing import Any

from orchestrator.model import Plan, PlanId, Position, Task, TaskId


def task(ordinal: int, plan: str = "p", **values: Any) -> Task:
    """A task that may start at once and declares a file of its own, unless `values` say otherwise."""
    given: dict[str, Any] = {
        "name": f"Task {ordinal}: do {ordinal}",
        "label": str(ordinal),
        "depends_on": (),
        "files": (f"{plan}/{ordinal}.txt",),
    }
    return Task(
        id=TaskId(f"{plan}/{ordinal}"),
        ordinal=ordinal,
        position=Position(line=ordinal * 10, column=1),
        **(given | values),
    )


def plan(*tasks: Task, id: str = "p", path: str | None = None, **values: Any) -> Plan:
    return Plan(id=PlanId(id), path=path or f"plans/{id}-PLAN.md", tasks=tasks, **values)
