"""Going on with a recorded run, also for one failed task. Refuses to start a second engine: a live one gets a letter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator import engine, inbox, journal, settings
from orchestrator.cli import ending, past, starting
from orchestrator.cli.screen.words import Words
from orchestrator.cli.terminal import err, show_json
from orchestrator.engine import answers
from orchestrator.errors import JournalLocked, UsageError
from orchestrator.inbox import Letter


def resume(name: str | None, changes: Mapping[str, object], *, as_json: bool) -> int:
    root = past.here()
    found = past.reopen(root, name, changes)
    if found.row.exit_code == 0:
        err().print(f"nothing to do: run {found.row.id} is done")
        if as_json:
            show_json(ending.document(found.watched, found.row.id, 0, ()))
        return 0
    return _go_on(found, changes, (), as_json=as_json)


def retry(name: str, task_name: str, *, as_json: bool) -> int:
    found = past.reopen(past.here(), name)
    task = found.task(task_name)
    letter = Letter(do="retry", run=found.row.id, task=task.id)
    if wrong := answers.misplaced(letter, found.graph, found.watched.tracker):
        raise UsageError(wrong)
    if found.live:
        inbox.post(found.root, letter)
        err().print(f"✓ the running engine tries {task.id} again")
        return 0
    return _go_on(found, {}, (task.id,), as_json=as_json)


def _go_on(
    found: past.Past, changes: Mapping[str, object], again: Sequence[str], *, as_json: bool
) -> int:
    if journal.is_live(found.root):
        raise JournalLocked(
            f"another orchestrator works in {found.root}. Next: wait for it, or answer it with "
            "approve, reject or retry"
        )
    workers = {"run": {"workers": changes.get("workers")}}
    chosen = settings.load(found.root, workers)
    return starting.watch(
        found.root,
        Words(found.watched),
        lambda seen: engine.resume(found.root, found.row.id, chosen, seen, changes, again),
        as_json=as_json,
    )
