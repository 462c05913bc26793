"""Task + what came before -> what a worker is told. Pure; never asks a worker to commit, to report success, or to write the SUMMARY."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.model import Answer, Noun, Outcome, Plan, Task

PAST_CHARACTERS = 4000  # of one failure or one predecessor's result that is passed on


class Before(Noun):
    """A task that this one waited for, and how it ended."""

    task: Task
    outcome: Outcome | None = None
    answer: Answer | None = None


def tell(plan: Plan, task: Task, before: Sequence[Before], last: Outcome | None) -> str:
    """`last` is this task's own failed try, if there was one."""
    told = [one for one in before if one.answer is not None or not _is_fresh(task)]
    parts = (
        *_order(plan, task),
        *_context(plan),
        *map(_past, told),
        *_failure(last),
        _rules(task),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _is_fresh(task: Task) -> bool:
    """It starts without the results of those before it; what people decided reaches it all the same."""
    default = "fresh" if task.parallel == "can-parallelize" else "inherited"
    return (task.context_mode or default) == "fresh"


def _order(plan: Plan, task: Task) -> Iterator[str]:
    yield f"Task {task.ordinal} of plan {plan.id}: {task.title}"
    if task.files:
        yield "Files to create or change:\n" + "\n".join(f"- {file}" for file in task.files)
    for element in task.elements:  # in the plan's own order: names differ from plan to plan
        if element.tag not in {"name", "files", "metrics"} and element.text.strip():
            yield f"<{element.tag}>\n{element.text.strip()}\n</{element.tag}>"


def _context(plan: Plan) -> Iterator[str]:
    objective = plan.section("objective").strip()
    if objective:
        yield f"The plan's objective, for orientation only:\n{objective}"
    references = [line.strip() for line in plan.section("context").splitlines()]
    paths = [line for line in references if line.startswith("@")]
    if paths:
        yield "Read what you need of:\n" + "\n".join(paths)


def _past(before: Before) -> str:
    told = f"Before this, task {before.task.ordinal} ({before.task.title})"
    if before.answer is not None:
        choice = f": option {before.answer.option}" if before.answer.option else ""
        note = f"\nNote: {before.answer.note}" if before.answer.note else ""
        return f"{told} was approved by a person{choice}.{note}"
    detail = before.outcome.detail.strip() if before.outcome else ""
    return f"{told} was done.\n{_tail(detail)}".strip()


def _failure(last: Outcome | None) -> Iterator[str]:
    if last is not None and not last.ok:
        yield (
            f"An earlier try of this task failed ({last.failure}). Its changes may still be there. "
            f"Find the cause and mend it:\n{_tail(last.detail)}"
        )


def _rules(task: Task) -> str:
    checks = "\n".join(f"- {command}" for command in task.commands)
    judged = (
        f"\nAfterwards these commands are run, and only they decide:\n{checks}" if checks else ""
    )
    return f"Do only this task. Do not commit, and do not write a SUMMARY; that is done for you.{judged}"


def _tail(text: str) -> str:
    return text if len(text) <= PAST_CHARACTERS else "[...]\n" + text[-PAST_CHARACTERS:]
