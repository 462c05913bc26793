"""How a task's work is judged (V9xx): whether there is a check, whether it can fail, and where it looks."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from orchestrator import shell
from orchestrator.lint.known import Known
from orchestrator.model import Diagnostic, Element, Plan, Position, Task
from orchestrator.model.codes import diagnostic
from orchestrator.redact.formats import masked

MACHINE = re.compile(
    r"(?<![\w.])(?:/Users/[\w.-]+|/home/[\w.-]+|/root|[A-Za-z]:\\+Users\\+[\w.-]+)(?![\w.-])"
)
# The words of one command, as its program would get them.
ENDLESS = re.compile(
    r"(?:(?:npx|bunx|pnpx|exec|sudo) )*(?:"
    r"(?:npm|pnpm|yarn|bun)(?: run)? (?:dev|start|serve|watch)(?= |$)|(?:next|astro|nuxt) dev\b"
    r"|vite(?: dev| serve| preview)?(?= -|$)|nodemon |flask run\b|uvicorn |python3? -m http\.server"
    r"|(?:bin/)?rails (?:server|s)\b|tsc (?:.* )?-w\b|cargo watch\b|sleep infinity"
    r"|tail (?:.* )?(?:-\d*[fF]|--follow)|(?:journalctl|(?:docker|docker compose|kubectl) logs) (?:.* )?(?:-f|--follow)\b"
    r"|docker[ -]compose (?:.* )?up\b(?!.* (?:-d|--detach|--wait|--abort-on))"
    r"|(?!grep|egrep|rg|echo|test|\[|sed|awk|git|node|python)\S+ (?:.* )?--watch(?:All)?(?= |$))"
)
ENDED = re.compile(r"(?<![&>|])&(?![&>])|\bg?timeout\s|\bkill\b")
SEARCHES = ("grep", "egrep", "fgrep", "rg", "ag")
HOME = re.compile(r"~|\$\{?HOME\b")
ACCEPTANCE = ("done", "acceptance_criteria", "success_criteria", "criterion", "behavior")
LONG = 20_000  # characters; nobody writes a longer check


def check(plan: Plan, known: Known) -> Iterator[Diagnostic]:
    for task in plan.tasks:
        if task.is_checkpoint:
            continue
        yield from _absent(plan, task)
        for command, place in _commands(task):
            for code, text in _judge(masked(command), known):
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
        word = " ".join(masked(sentinel.text).split())[:40]
        text = f'"{word}" of {task.id} is no command: nothing is run; write one, or leave <automated> out'
        return diagnostic("V906", plan.path, sentinel.position, text)
    if not task.verify.strip():
        text = (
            f"{task.id} has no check: its success will be unverified; add <verify> with <automated>"
        )
        return diagnostic("V901", plan.path, task.place("verify"), text)
    text = (
        f"<verify> of {task.id} has no <automated>: it is read as prose, nothing is run and its "
        "success will be unverified; put the command into <automated>"
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
    outside = _outside(command, known.root)
    if outside is not None:
        yield (
            "V904",
            f"goes to {outside}, outside of the project: it would judge another tree; leave the cd out",
        )
    strange = [one for one in _named(command) if not f"{known.root}/".startswith(f"{one}/")]
    if strange and outside is None:
        yield (
            "V905",
            f"names {strange[0]}, a place on one machine; write paths relative to the project",
        )
    if (endless := _endless(command)) is not None:
        yield (
            "V908",
            f'may never end: "{endless}"; it is stopped by verify.timeout_s and then counts for nothing',
        )


def _endless(command: str) -> str | None:
    if ENDED.search(command):
        return None
    told = (" ".join(one.words) for one in shell.commands(command))
    return next((found[0].strip() for one in told if (found := ENDLESS.match(one))), None)


def _named(command: str) -> list[str]:
    """Places on a machine, but not those that are only searched for."""
    patterns = [
        next((word for word in one.words[1:] if not word.startswith("-")), "")
        for one in shell.commands(command)
        if one.words[0] in SEARCHES
    ]
    for pattern in patterns:
        command = command.replace(f" {pattern}", "", 1) if pattern else command
    return [one[0] for one in MACHINE.finditer(command)]


def _outside(command: str, root: str) -> str | None:
    """The first place beyond the root that it goes to; one that is computed is taken as inside."""
    depth: int | None = 0  # below the root; None when nobody can say
    for target in _destinations(command):
        if HOME.match(target) or re.match(r"[A-Za-z]:[\\/]", target):
            return target
        if target.startswith("/"):
            place = PurePosixPath(posixpath.normpath(target))
            if not place.is_relative_to(root):
                return target
            depth = len(place.relative_to(root).parts)
        elif depth is None or target == "-" or re.search(r"[$`]", target):
            depth = None
        else:
            for part in PurePosixPath(target).parts:
                depth += -1 if part == ".." else 1
                if depth < 0:
                    return target
    return None


def _destinations(command: str) -> list[str]:
    words = [one.words for one in shell.commands(command)]
    return [each[1].strip("\"'") for each in words if each[0] in ("cd", "pushd") and len(each) > 1]
