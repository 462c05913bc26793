"""One attempt -> the operations that it did, by its commands, its words, its files and its errors. Refuses to call what it cost measured where nobody told it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from orchestrator.history import Tried
from orchestrator.model import Check, CheckResult, Step, StepKind, Task, Usage
from orchestrator.model.outloop import Occurrence, Operation
from orchestrator.outloop import matching
from orchestrator.outloop.matching import Words
from orchestrator.outloop.operation import main_operation, operations
from orchestrator.outloop.words import part

FAIL = "fail"  # the verb of what went wrong: fail:pytest:ModuleNotFoundError
EVERYWHERE = "all"  # the scope of a command that names none
# What is said of a failure, from the one that says most; the first group is its name.
ERRORS = (
    re.compile(r"\b([A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit))\b"),
    re.compile(r"\berror:? ?\[?((?:TS|CS|E)\d{3,5})\b"),
    re.compile(r"\b(command not found|No such file or directory|Permission denied)\b"),
)


class Worked(NamedTuple):
    """An attempt as far as this is about it. `tokens` are those read and written anew; None: not known, or not all of them."""

    workflow: str
    at: str
    words: Words
    files: Sequence[str] = ()  # that it was to write
    steps: Sequence[Step] = ()
    left_out: int = 0  # steps that are only counted
    # of each step, the part of the tokens that its call used; else all are alike
    weights: Sequence[float] = ()
    red: Sequence[Check] = ()
    error: str = ""
    tokens: int | None = None
    cost_usd: float | None = None
    root: str = ""  # the folder where it worked
    whole: bool = True  # False: it did more than its words may say, or others did a part of it
    live: bool = True


class Seen(NamedTuple):
    operation: Operation
    command: str
    ok: bool | None
    share: float  # of the attempt


def worked(run: str, task: Task, tried: Tried, before: Sequence[Tried] = ()) -> Worked:
    """`RUN TASK TRY` is its name. `before`: the task's earlier tries."""
    ended = tried.outcome
    usage = ended.usage if ended and ended.usage and not ended.usage.lower_bound else Usage()
    checks = ended.verdict.checks if ended and ended.verdict else ()
    return Worked(
        workflow=f"{run} {task.id} {tried.number}",
        at=tried.finished_at or tried.started_at,
        words=Words.of(task),
        files=task.files or (),
        steps=tried.steps,
        left_out=tried.steps_left_out,
        red=[one for one in checks if one.result is CheckResult.RED],
        error=ended.detail if ended and ended.failure else "",
        tokens=usage.fresh_tokens,
        cost_usd=usage.cost_usd,
        root=tried.workspace,
        whole=_is_whole(tried, before),
    )


def _is_whole(tried: Tried, before: Sequence[Tried]) -> bool:
    """It ended well, wrote nothing, and no tool had worked for it: a script could have been all of it."""
    ended = tried.outcome
    if ended is None or not ended.ok or (ended.work and ended.work.files) or tried.steps_left_out:
        return False
    wrote = any(step.kind is StepKind.WRITE for step in tried.steps)
    return not wrote and not any(one.route.tool for one in before)


def occurrences(attempt: Worked, floor: float) -> list[Occurrence]:
    """Each operation once, with how often it was seen.

    Its tokens and cost are those of the whole attempt where the task is nothing else: its words say so with `floor` or
    more, and better than of any other operation, and it wrote nothing and ended well. What else was done in such an attempt is part of that, and has no
    figures of its own. Elsewhere they are its share of the attempt by steps: of a compound command each operation has its
    part. That is what a script would have saved at most, as a step late in an attempt costs more than an early one.
    """
    seen = list(_seen(attempt))
    found = [_together(attempt, own) for own in _by_operation(seen)]
    best = max(found, key=lambda one: (one.similarity, -len(one.operation.levels)), default=None)
    if best is not None and best.similarity >= floor:
        whole = {"tokens": attempt.tokens, "cost_usd": attempt.cost_usd}
        none = {"tokens": None, "cost_usd": None}
        found = [one.model_copy(update=whole if one is best else none) for one in found]
    return [*found, *_failures(attempt, seen)]


def error_name(text: str) -> str | None:
    """`ModuleNotFoundError`, `TS2304`, `command-not-found`; None where it says none that is known."""
    for known in ERRORS:
        if said := known.search(text):
            return said[1].lower().replace(" ", "-") if " " in said[1] else said[1]
    return None


def _seen(attempt: Worked) -> Iterator[Seen]:
    """Of several operations in one command that failed nobody knows which one did."""
    touched, count = _touched(attempt), len(attempt.steps) + attempt.left_out
    for place, step in enumerate(attempt.steps):
        if step.kind is not StepKind.RUN:
            continue
        done = operations(step.target, attempt.root)
        ok = step.ok if step.ok or len(done) == 1 else None
        for one in done:
            refined = _refined(one, touched, attempt.words)
            weight = attempt.weights[place] if attempt.weights else 1 / count
            yield Seen(refined, step.target, ok, weight / len(done))


def _by_operation(seen: Iterable[Seen]) -> list[list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for one in seen:
        found.setdefault(one.operation.signature, []).append(one)
    return list(found.values())


def _together(attempt: Worked, own: Sequence[Seen]) -> Occurrence:
    """Its end is that of the last time, and its command the one that was run most."""
    operation, share = own[0].operation, sum(one.share for one in own)
    command = Counter(one.command for one in own).most_common(1)[0][0]
    words = attempt.words._replace(commands=[*attempt.words.commands, command])
    return Occurrence(
        workflow=attempt.workflow,
        operation=operation,
        at=attempt.at,
        times=len(own),
        ok=own[-1].ok,
        similarity=min(100.0, matching.score(words, operation.signature)) if attempt.whole else 0.0,
        tokens=None if attempt.tokens is None else round(share * attempt.tokens),
        cost_usd=None if attempt.cost_usd is None else share * attempt.cost_usd,
        command=command,
        live=attempt.live,
    )


def _touched(attempt: Worked) -> str | None:
    """The one first folder of all files that it read, wrote or was to write."""
    kinds = (StepKind.READ, StepKind.WRITE)
    paths = [step.target for step in attempt.steps if step.kind in kinds and step.target]
    parts = [PurePosixPath(path).parts for path in (*paths, *attempt.files)]
    firsts = {one[0] if len(one) > 1 else "" for one in parts}
    return firsts.pop() if len(firsts) == 1 and not firsts & {"", "/", ".."} else None


def _refined(operation: Operation, folder: str | None, words: Words) -> Operation:
    """A command that names no place is about the one folder that all files and the task's words are about."""
    if operation.scope not in (None, EVERYWHERE) or operation.variant or folder is None:
        return operation
    said = re.split(r"[^\w.-]+", " ".join((words.title, words.action, *words.commands)).casefold())
    return (
        operation.model_copy(update={"scope": folder}) if folder.casefold() in said else operation
    )


def _failures(attempt: Worked, seen: Sequence[Seen]) -> Iterator[Occurrence]:
    """Of each red check by what it said; else of the attempt, by the last command that failed."""
    said = [(one.command, one.output) for one in attempt.red]
    if not said and attempt.error:
        failed = [one.command for one in seen if one.ok is False]
        said = [(command, attempt.error) for command in failed[-1:]]
    found: dict[str, Occurrence] = {}
    for command, text in said:
        main, name = main_operation(command, attempt.root), error_name(text)
        if name is None or isinstance(main, str):
            continue
        operation = Operation(verb=FAIL, tool=main.tool, scope=part(name))
        found[operation.signature] = Occurrence(
            workflow=attempt.workflow, operation=operation, at=attempt.at, ok=False,
            command=command, live=attempt.live,
        )  # fmt: skip
    yield from found.values()
