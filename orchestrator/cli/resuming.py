"""Going on with a recorded run, also for one failed task. Refuses to start a second engine: a live one gets a letter."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from orchestrator import answers, engine, inbox, journal
from orchestrator.cli import past, remote, starting
from orchestrator.cli.terminal import err, show_json, tell
from orchestrator.errors import UsageError
from orchestrator.history import are_green
from orchestrator.inbox import Letter
from orchestrator.intelligence import runs
from orchestrator.journal import StoredPlan
from orchestrator.model import TaskId
from orchestrator.views import documents
from orchestrator.views.text import NEXT, command, near
from orchestrator.views.words import Words


def resume(
    name: str | None, changes: Mapping[str, object], sandbox: str | None = None, *, as_json: bool
) -> int:
    root = past.here()
    found = past.reopen(root, name, changes)
    if found.row.exit_code == 0 and not past.can_be_had(found.watched, root):
        tell("nothing to do", f"run {found.row.id} is done")
        if as_json:
            show_json(documents.document(found.watched, found.row.id, 0, ()))
        return 0
    if (daemon := remote.find(root)) is not None:
        return remote.resume(daemon, found, changes, sandbox, as_json=as_json)
    return _go_on(found, changes, (), sandbox, as_json=as_json)


def retry(name: str, task_name: str, *, as_json: bool) -> int:
    found = past.reopen(past.here(), name)
    task = found.task(task_name)
    letter = Letter(do="retry", run=found.row.id, task=task.id)
    if wrong := answers.misplaced(
        letter, found.graph, found.watched.tracker, found.watched.history
    ):
        raise UsageError(wrong)
    if found.live or remote.find(found.root) is not None:  # a daemon goes on with it by itself
        inbox.post(found.root, letter)
        who = "running engine" if found.live else "daemon that holds the project"
        err().print(f"✓ the {who} tries {task.id} again")
        if as_json:
            show_json(documents.document(found.watched, found.row.id, None, ()))
        return 0
    return _go_on(found, {}, (task.id,), as_json=as_json)


def _go_on(
    found: past.Past,
    changes: Mapping[str, object],
    again: Sequence[TaskId],
    sandbox: str | None = None,
    *,
    as_json: bool,
) -> int:
    journal.refuse_second(found.root)
    flags = {"run": {"workers": changes.get("workers")}, "sandbox": {"mode": sandbox}}
    chosen, notes = runs.load(found.root, flags)
    _warn_of_edits(found, again)
    for note in notes:
        err().print(f"note: {note}")
    return starting.watch(
        found.root,
        Words(found.watched, found.root),
        lambda seen: engine.resume(found.root, found.row.id, chosen, seen, changes, again),
        as_json=as_json,
    )


def _warn_of_edits(found: past.Past, again: Sequence[TaskId]) -> None:
    """Of plans that are not over: a person who mended one must know that this run does not see it."""
    over = found.watched.history.plan_checks
    for plan in found.stored:
        if plan.id in over and are_green(over[plan.id]):
            continue
        where, own = near(found.root, plan.path), "the run goes on with its own copy"
        match _is_as_it_was(found, plan):
            case None:
                tell("warning", f"{where} is gone since run {found.row.id} began; {own}", "yellow")
            case False:
                text = f"{where} has changed since run {found.row.id} began; {own}"
                mine = (task for task in again if found.graph.plan_of(task).id == plan.id)
                part = [word for task in mine for word in ("--from", task)]
                step = f"{command('run', *part, where)} runs the new text"
                tell("warning", f"{text}{NEXT}{step}", "yellow")


def _is_as_it_was(found: past.Past, plan: StoredPlan) -> bool | None:
    """None: there is nothing to compare."""
    try:
        content = (found.root / plan.path).read_bytes()
    except OSError:
        return None
    return hashlib.sha256(content).hexdigest() == plan.sha256
