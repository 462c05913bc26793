"""revert: the commits of a run taken back on the branch that is checked out, and what became of its plans. Refuses while an engine works."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from orchestrator import journal
from orchestrator.cli import past, remote
from orchestrator.cli.terminal import out, show_json, tell
from orchestrator.errors import JournalLocked, RecordError, SettingsError, UsageError
from orchestrator.history import History, fold
from orchestrator.model import RunId
from orchestrator.reader import discover
from orchestrator.views.text import NEXT, command, counted, near, plain
from orchestrator.workspace import GitRefused, Repository, Unfit, examine, undo
from orchestrator.workspace.undo import Landed, Step, Stuck, Undo

CONFLICT = 1  # the exit code: nothing was done
SUMMARY = "SUMMARY"


class Asked(NamedTuple):
    """A run as recorded. `tasks`: of each commit, who made it."""

    root: Path
    run: RunId
    history: History
    plans: tuple[str, ...]
    is_done: bool

    @property
    def tasks(self) -> dict[str, str | None]:
        made = {past.commit: task for task, past in self.history.tasks.items() if past.commit}
        return {**made, **dict.fromkeys(self.history.summaries)}


def revert(name: str, *, as_json: bool) -> int:
    root = past.here()
    with journal.reading(root) as book:
        row = book.find(name)
    run = row.id
    past.tell_of_loss(root)
    _refuse_daemon(root)
    with journal.writing(root) as book:  # no engine begins meanwhile
        history = fold(book.events(run))
        plans = tuple(one.path for one in book.plans(run))
        asked = Asked(root, run, history, plans, row.exit_code == 0)
        try:
            done = anyio.run(_carry_out, asked)
        except GitRefused as refused:
            raise RecordError(f"nothing was changed: {refused}") from refused
    if as_json:
        show_json(_document(asked, done))
    elif isinstance(done, Stuck):
        _show_stuck(asked, done)
    else:
        _show(asked, done)
    return CONFLICT if isinstance(done, Stuck) else 0


def taken_back(root: Path, run: RunId, history: History) -> str | None:
    """Of a run whose result was handed over: how much of it is gone again, in the branch that is checked out."""
    asked = Asked(root, run, history, (), is_done=True)
    told = history.delivery
    if told is None or told["why"] is not None or not asked.tasks:
        return None
    undone, branch = anyio.run(_undone, asked)
    size = len(asked.tasks)
    return f"reverted since in {branch}: {undone} of {counted(size, 'commit')}" if undone else None


async def _undone(asked: Asked) -> tuple[int, str]:
    assert asked.history.ground is not None
    landed = Landed(asked.run, asked.history.ground["base"], tuple(asked.tasks))
    try:
        facts = await examine(asked.root)
        if isinstance(facts, Unfit):
            return 0, ""
        undone = await undo.count_undone(Repository(asked.root, facts), landed)
    except GitRefused:  # who looks is not kept from it
        return 0, ""
    return undone, (facts.branch or "HEAD").removeprefix("refs/heads/")


def _refuse_daemon(root: Path) -> None:
    """It would never let go of the project by itself."""
    if (daemon := remote.find(root)) is not None:
        raise JournalLocked(
            f"a daemon (pid {daemon.pid}) holds {root}, and only who has the project alone can revert."
            f"{NEXT}end it (kill {daemon.pid}), revert, and start it again"
        )


async def _carry_out(asked: Asked) -> Undo | Stuck:
    ground = asked.history.ground
    if ground is None:
        raise UsageError(
            f"run {asked.run} worked in the plain directory or never began: it committed nothing that could be reverted"
        )
    facts = await examine(asked.root)
    if isinstance(facts, Unfit):
        raise SettingsError(f"{asked.root}: {facts.why}, so nothing can be reverted")
    repository = Repository(asked.root, facts)
    landed = Landed(asked.run, ground["base"], tuple(asked.tasks), goes_on=not asked.is_done)
    done = await undo.plan(repository, landed)
    if isinstance(done, Undo):
        await undo.carry_out(repository, done)
    return done


def _show(asked: Asked, done: Undo) -> None:
    size = counted(len(done.steps), "commit")
    out().print(f"✓ run {asked.run} is reverted in {done.branch}: {size}", style="green")
    tasks = asked.tasks
    for one in done.steps:
        who = tasks[one.commit] or SUMMARY
        out().print(
            f"  {one.against[:9]}  {who}  takes back {one.commit[:9]} {plain(one.subject, 72)}"
        )
    for name, over in _plans(asked).items():
        where = near(asked.root, name)
        if over:
            summary = near(asked.root, discover.summary_path(Path(name)).as_posix())
            out().print(f"  {where} still counts as finished: {summary} stands beside it")
        else:
            out().print(f"  next: {command('run', where)} does it anew")


def _show_stuck(asked: Asked, stuck: Stuck) -> None:
    who = asked.tasks[stuck.commit] or f"the {SUMMARY}"
    files = ", ".join(plain(one, 80) for one in stuck.files)
    tell(
        "error",
        f"nothing was changed: {stuck.commit[:9]} of {who} ({plain(stuck.subject, 72)}) cannot be taken back, as what came "
        f"later changed the same lines of {files}. Next: git revert {' '.join(one[:9] for one in stuck.through)} "
        f"and settle it there; {command('revert', asked.run)} does the rest then",
        "bold red",
    )


def _plans(asked: Asked) -> Mapping[str, bool]:
    """Those that are there; True: finished all the same, by a SUMMARY that is not of this run or that git ignores."""
    files = {name: asked.root / name for name in asked.plans}
    return {name: discover.is_finished(file) for name, file in files.items() if file.exists()}


def _document(asked: Asked, done: Undo | Stuck) -> dict[str, Any]:
    stuck = isinstance(done, Stuck)
    conflict = (
        {**_named(asked, done.commit, done.subject), "files": list(done.files)}
        if isinstance(done, Stuck)
        else None
    )
    steps: tuple[Step, ...] = () if isinstance(done, Stuck) else done.steps
    return {
        "version": 1,
        "run": asked.run,
        "exit_code": CONFLICT if stuck else 0,
        "branch": done.branch,
        "reverted": [
            {**_named(asked, one.commit, one.subject), "revert": one.against} for one in steps
        ],
        "conflict": conflict,
        "unfinished": [name for name, over in _plans(asked).items() if not over],
    }


def _named(asked: Asked, commit: str, subject: str) -> dict[str, Any]:
    return {"task": asked.tasks[commit], "commit": commit, "subject": subject}
