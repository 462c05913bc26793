"""approve and reject: a person's word to a checkpoint, posted as a letter. Refuses answers to what was not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import Note, Run, TaskName

if TYPE_CHECKING:
    from orchestrator.model import Answer


def approve(
    name: Run,
    task: TaskName,
    option: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The choice, where there are some.", show_default=False),
    ] = None,
    note: Note = "",
) -> int:
    """Say yes at a checkpoint.

    With --option where it is a choice. A running engine takes the answer, else the next resume.
    """
    from orchestrator.model import Answer
    from orchestrator.views.asking import person

    return _post(
        name, task, Answer(approved=True, option=option, note=note, by=person(), via="command")
    )


def reject(name: Run, task: TaskName, note: Note = "") -> int:
    """Say no at a checkpoint.

    It fails, and what depends on it is skipped.
    """
    from orchestrator.model import Answer
    from orchestrator.views.asking import person

    return _post(name, task, Answer(approved=False, note=note, by=person(), via="command"))


def _post(name: str, task_name: str, answer: Answer) -> int:
    from orchestrator import answers, inbox
    from orchestrator.cli import past, remote
    from orchestrator.cli.terminal import out
    from orchestrator.errors import UsageError
    from orchestrator.inbox import Letter
    from orchestrator.views import waiting
    from orchestrator.views.text import NEXT, command
    from orchestrator.views.words import said

    found = past.reopen(past.here(), name)
    task = found.task(task_name)
    letter = Letter(do="answer", run=found.row.id, task=task.id, answer=answer)
    if wrong := answers.misplaced(
        letter, found.graph, found.watched.tracker, found.watched.history
    ):
        raise UsageError(wrong)
    if given := waiting.letter(found.root, found.row.id, found.watched, task.id):
        step = "" if found.live else f".{NEXT}{command('resume', found.row.id)}"
        raise UsageError(
            f"{task.id} is answered already ({given}), and the first answer counts{step}"
        )
    inbox.post(found.root, letter)
    out().print(f"✓ {task.id}  {said(answer)}", style="green")
    if found.live:
        out().print("  the running engine takes it")
    elif remote.find(found.root) is not None:
        out().print("  the daemon that holds the project goes on with it")
    else:
        out().print(f"  next: {command('resume', found.row.id)}")
    return 0
