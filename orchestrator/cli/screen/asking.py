"""A checkpoint as a question to a person at the terminal. Refuses words that are no answer, and never guesses one."""

from __future__ import annotations

import os
import termios
from contextlib import suppress

import anyio
from rich.console import Console

from orchestrator import answers
from orchestrator.model import Answer, Element, Task
from orchestrator.views.asking import person, question
from orchestrator.views.text import plain

YES, NO = {"y", "yes", "approved", "ok", "done"}, {"n", "no", "reject"}
STDIN = 0


def how(task: Task) -> str:
    """The answers that fit."""
    if task.options:
        named = ", ".join(plain(option.id) for option in task.options)
        return f"{named}{_rejecting(task)}; a note may follow; empty leaves it open"
    return "y approves, n rejects; a note may follow; empty leaves it open"


def understand(task: Task, words: str) -> Answer | str | None:
    """The answer; a text that says why it is none; None: left open."""
    first, _, note = words.strip().partition(" ")
    if not first:
        return None
    word, meant = first.lower(), note.strip()
    if any(first == option.id for option in task.options):
        answer = Answer(approved=True, option=first, note=meant, by=person(), via="terminal")
    elif word in (YES | NO) - _ids(task):
        answer = Answer(approved=word in YES, note=meant, by=person(), via="terminal")
    else:
        return f"{first!r} is no answer: {how(task)}"
    return answers.misfit(task, answer) or answer


def _rejecting(task: Task) -> str:
    """How no is spelt where an option may be called so too."""
    taken = _ids(task)
    words = ("reject",) if taken & {"n", "no"} else ("n", "reject")
    word = next((one for one in words if one not in taken), None)
    return f", or {word} to reject" if word else ""


async def ask(console: Console, task: Task) -> Answer | None:
    """Until there is an answer or an empty line. Can be cancelled: what was typed is then thrown away."""
    _forget_typed()  # keys hit before the question was there are no answer to it
    console.print()
    console.print(f"? {task.id}  {plain(task.title)}", style="bold cyan")
    for row in question(task):
        console.print(f"  {row}")
    console.print(f"  {how(task)}", style="dim")
    try:
        while isinstance(found := understand(task, await _line(console)), str):
            console.print(f"  {found}", style="yellow")
    except anyio.get_cancelled_exc_class():
        _forget_typed()
        console.print()
        raise
    return found


async def _line(console: Console) -> str:
    """One line; empty at the end of the input. The terminal itself edits it."""
    console.print("> ", end="")
    await anyio.wait_readable(STDIN)
    typed = os.read(STDIN, 4096).decode("utf-8", "replace")
    if not typed:
        console.print()
    return typed


def _forget_typed() -> None:
    with suppress(termios.error):
        termios.tcflush(STDIN, termios.TCIFLUSH)


def _ids(task: Task) -> set[str]:
    """Words that name an option, however they are typed, mean nothing else."""
    return {option.id.lower() for option in task.options}


def _options(element: Element | None) -> tuple[Element, ...]:
    return () if element is None else element.children
