"""`runs --disk` and `runs clean`: what runs weigh, what was removed of them and what was kept. Refuses to remove without saying so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio

from orchestrator import journal, settings
from orchestrator.cli import past
from orchestrator.cli.terminal import err, out, show_json
from orchestrator.errors import JournalLocked
from orchestrator.history import History, fold
from orchestrator.journal import RunRow
from orchestrator.model import RunId
from orchestrator.settings import WorkspaceSettings
from orchestrator.views.past import ended
from orchestrator.views.text import columns, plain
from orchestrator.workspace import Repository, Unfit, examine, weight
from orchestrator.workspace.tidy import Left, Tidy, Wish
from orchestrator.workspace.weight import Weight
from orchestrator.workspace.worktrees import HOMES

STEP = 1000
UNITS = ("B", "kB", "MB", "GB", "TB")
UNKNOWN_RUN = "not in the journal"


def clean(words: Sequence[str], *, dry_run: bool, rescued: bool, as_json: bool) -> int:
    root = past.here()
    rows = _chosen(root, words)
    left = list[Left]()
    if rows:
        chosen = settings.load(root).workspace
        past.learn_secrets(root)
        with _undisturbed(root, dry_run=dry_run) as live:
            tidy_ = Tidy(
                root, chosen, Wish(dry_run, rescued), live, lambda run: _history(root, run)
            )
            left = anyio.run(_carry_out, root, tidy_, rows)
    if as_json:
        show_json(_document(left, dry_run=dry_run))
    else:
        _show(left, dry_run=dry_run, rescued=rescued)
    return 0


async def tidy(
    root: Path, chosen: WorkspaceSettings, live: Callable[[], Collection[str]]
) -> list[Left]:
    """What `runs clean` removes, by who holds the project and knows which runs go on in it, none or some."""
    rows: dict[str, RunRow] = {row.id: row for row in past.names(root)}
    wish = Wish(dry_run=False, rescued=False)
    tidy_ = Tidy(root, chosen, wish, lambda: live() or None, lambda run: _history(root, run))
    return await _carry_out(root, tidy_, rows)


def _chosen(root: Path, words: Sequence[str]) -> dict[str, RunRow]:
    """Those that are named, else all; newest first."""
    rows = past.names(root)
    if words:
        with journal.reading(root) as book:
            named = {book.find(word).id for word in words}
        rows = [row for row in rows if row.id in named]
    return {row.id: row for row in rows}


def _history(root: Path, run: str) -> History:
    with journal.reading(root) as book:
        return fold(book.events(RunId(run)))


@contextmanager
def _undisturbed(root: Path, *, dry_run: bool) -> Iterator[Callable[[], Collection[str] | None]]:
    """No engine begins meanwhile. Where one works already, it is asked before each run which is its own."""
    with ExitStack() as stack:
        alone = not dry_run and _is_locked(root, stack)
        yield (lambda: None) if alone else (lambda: journal.live_runs(root))


def _is_locked(root: Path, stack: ExitStack) -> bool:
    try:
        stack.enter_context(journal.writing(root))
    except JournalLocked:
        return False
    return True


async def _carry_out(root: Path, tidy_: Tidy, rows: dict[str, RunRow]) -> list[Left]:
    facts = await examine(root)
    if isinstance(facts, Unfit):
        if (root / HOMES).is_dir():
            err().print(f"note: worktrees, branches and refs are left alone: {facts.why}")
        return await tidy_.clean(rows, None)
    return await tidy_.clean(rows, Repository(root, facts))


def _show(left: Sequence[Left], *, dry_run: bool, rescued: bool) -> None:
    if not left:
        out().print("nothing is left of these runs that could be removed")
        return
    for run in dict.fromkeys(one.run for one in left):
        out().print(f"run {run}", style="bold")
        for one in left:
            if one.run == run:
                _show_one(one, dry_run=dry_run)
    removed = sum(one.removed for one in left)
    kept, freed = len(left) - removed, _freed(left)
    size = f", {human(freed)}" if freed else ""
    did, held = ("would remove", "keep") if dry_run else ("removed", "kept")
    out().print(f"{did} {removed}{size}; {held} {kept}")
    if not rescued and any(one.kind == "rescued" for one in left):
        out().print("  --rescued removes work that did not land, too, of runs that are done")


def _show_one(one: Left, *, dry_run: bool) -> None:
    mark, style = ("✓", "green") if one.removed else ("·", "")
    size = "" if one.size is None else f"  {human(one.size)}"
    verb = "" if not one.removed else "would go: " if dry_run else "removed: "
    text = f"{one.kind:<9}  {plain(one.name)}{size}  {verb or 'kept: '}{plain(one.why)}"
    out().print(f"  {mark} {text}", style=style)
    if one.steps:
        out().print(f"      next: {' or '.join(map(plain, one.steps))}")


def _freed(left: Sequence[Left]) -> int:
    return sum(one.size or 0 for one in left if one.removed)


def _document(left: Sequence[Left], *, dry_run: bool) -> dict[str, Any]:
    return {
        "version": 1,
        "dry_run": dry_run,
        "freed_bytes": _freed(left),
        "removed": [_thing(one) for one in left if one.removed],
        "kept": [_thing(one) for one in left if not one.removed],
    }


def _thing(one: Left) -> dict[str, Any]:
    return {
        "run": one.run,
        "kind": one.kind,
        "name": one.name,
        "bytes": one.size,
        "why": one.why,
        "kept_as": one.kept_as,
        "next": list(one.steps),
    }


def show_disk(*, as_json: bool) -> None:
    """Each run that has something on the disk, also those that the journal does not know."""
    root = past.here()
    rows: dict[str, RunRow] = {row.id: row for row in past.names(root)}
    strangers = sorted(weight.names(root) - set(rows), reverse=True)
    found = {run: weight.of_run(root, run) for run in [*rows, *strangers]}
    whole = Weight(*map(sum, zip(*found.values(), strict=True))) if found else Weight(0, 0, 0)
    if as_json:
        listed = [
            {"run": run, "in_journal": run in rows, **_bytes(one)} for run, one in found.items()
        ]
        show_json({"version": 1, "runs": listed, **_bytes(whole)})
        return
    if not found:
        out().print(f"no run yet in {root}; start one with: orchestrator run PLAN.md")
        return
    live = journal.live_runs(root)
    ends = {run: ended(row, live=run in (live or ())) for run, row in rows.items()}
    table = [(run, *_cells(one), ends.get(run, UNKNOWN_RUN)) for run, one in found.items()]
    head = ("RUN", "WORKTREES", "TRANSCRIPTS", "SET ASIDE", "TOTAL", "END")
    for line in columns([head, *table, ("all", *_cells(whole), "")]):
        out().print(line)


def _cells(one: Weight) -> tuple[str, ...]:
    return tuple(human(size) if size else "-" for size in (*one, one.total))


def _bytes(one: Weight) -> dict[str, int]:
    return {
        "worktrees_bytes": one.worktrees,
        "transcripts_bytes": one.transcripts,
        "set_aside_bytes": one.aside,
        "total_bytes": one.total,
    }


def human(size: int) -> str:
    """1234567 -> 1.2 MB."""
    amount, unit = float(size), 0
    while amount >= STEP - 0.05 and unit < len(UNITS) - 1:
        amount, unit = amount / STEP, unit + 1
    return f"{amount:.1f} {UNITS[unit]}" if unit else f"{size} {UNITS[0]}"
