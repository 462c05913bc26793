"""How a task's work is judged (V9xx): whether there is a check, whether it can fail, and where it looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from orchestrator import shell
from orchestrator.lint.known import Known
from orchestrator.model import Diagnostic, Element, Plan, Position, Task
from orchestrator.model.codes import diagnostic

MACHINE = re.compile(
    r"(?<![\w.])(?:/Users/[\w.-]+|/home/[\w.-]+|/root|[A-Za-z]:\\+Users\\+[\w.-]+)(?![\w.-])"
)
ENDLESS = re.compile(
    r"--watch(?:All)?(?![\w=-])|\btail\s+(?:-\w*f|--follow)|\b(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?(?:dev|start|serve|watch)\b"
    r"|\b(?:next|vite|nodemon)\s+dev\b|\bflask\s+run\b|\buvicorn\s|\bdocker[ -]compose\s+up\b(?!.*\s(?:-d|--detach|--wait|--abort-on))"
)
ENDED = re.compile(r"&\s*(?:$|\n|[^&>])|\btimeout\s|--watch=false|--watchAll=false|\bkill\b")
ACCEPTANCE = ("done", "acceptance_criteria", "success_criteria", "criterion", "behavior")
LONG = 20_000  # characters; nobody writes a longer check


def check(plan: Plan, known: Known) -> Iterator[Diagnostic]:
    for task in plan.tasks:
        if task.is_checkpoint:
            continue
        yield from _absent(plan, task)
        for command, place in _commands(task):
            for code, text in _judge(command, known):
                yield diagnostic(code, plan.path, place, f"the check of {task.id} {text}")


def _absent(plan: Plan, task: Task) -> Iterator[Diagnostic]:
    if not task.commands:
        yield _unchecked(plan, task)
    if not any(task.text(tag).strip() for tag in ACCEPTANCE):
        text = f"{task.id} does not say when it is done; add <done> or <acceptance_criteria>"
        yield diagnostic("V907", plan.path, task.position, text)


def _unchecked(plan: Plan, task: Task) -> Diagnostic:
    """No command: nothing there, a word that stands for one, or prose."""
    sentinel = next((one for one in _automated(task) if one.text.strip()), None)
    if sentinel is not None:
        word = " ".join(sentinel.text.split())[:40]
        text = f'"{word}" of {task.id} is no command: nothing is run; write one, or leave <automated> out'
        return diagnostic("V906", plan.path, sentinel.position, text)
    if not task.verify.strip():
        text = (
            f"{task.id} has no check: its success will be unverified; add <verify> with <automated>"
        )
        return diagnostic("V901", plan.path, task.place("verify"), text)
    text = (
        f"<verify> of {task.id} is prose: nothing is run and its success will be unverified; "
        "put a command into <automated>"
    )
    return diagnostic("V902", plan.path, task.place("verify"), text)


def _automated(task: Task) -> list[Element]:
    verify = next((one for one in task.elements if one.tag == "verify"), None)
    return [one for one in (verify.children if verify else ()) if one.tag == "automated"]


def _commands(task: Task) -> Iterator[tuple[str, Position]]:
    """Each command with the element that it stands in."""
    places = [one.position for one in _automated(task)]
    for number, command in enumerate(task.commands):
        yield command, places[number] if number < len(places) else task.place("verify")


def _judge(command: str, known: Known) -> Iterator[tuple[str, str]]:
    if len(command) > LONG:
        return
    if (reason := shell.why_it_cannot_fail(command)) is not None:
        yield "V903", f"cannot fail: {reason}"
    outside = [one for one in _destinations(command) if not _is_inside(one, known.root)]
    if outside:
        yield (
            "V904",
            f"goes to {outside[0]}, outside of the project: it would judge another tree; leave the cd out",
        )
    named = [one[0] for one in MACHINE.finditer(command)]
    strange = [one for one in named if not f"{known.root}/".startswith(f"{one}/")]
    if strange and not outside:
        yield (
            "V905",
            f"names {strange[0]}, a place on one machine; write paths relative to the project",
        )
    if (endless := ENDLESS.search(command)) and not ENDED.search(command):
        yield (
            "V908",
            f'may never end: "{endless[0].strip()}"; it is stopped by verify.timeout_s and then counts for nothing',
        )


def _destinations(command: str) -> list[str]:
    words = [one.words for one in shell.commands(command)]
    return [each[1].strip("\"'") for each in words if each[0] in ("cd", "pushd") and len(each) > 1]


def _is_inside(target: str, root: str) -> bool:
    if target.startswith("~") or re.match(r"[A-Za-z]:[\\/]", target):
        return False
    if target.startswith("/"):
        return target == root or target.startswith(f"{root.rstrip('/')}/")
    depth = 0
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True
