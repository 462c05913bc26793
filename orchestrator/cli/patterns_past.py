"""patterns backfill: what agents did before, from the journal and from their own transcripts. Refuses where nothing is to be counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.cli import past
from orchestrator.cli.patterns_look import TURN_ON, document, print_table
from orchestrator.cli.terminal import err, is_screen, out, show_json, tell
from orchestrator.errors import UsageError
from orchestrator.journal import tail
from orchestrator.model.outloop import Pattern
from orchestrator.outloop import analysis, imported, store, sync
from orchestrator.outloop.imported import Counted
from orchestrator.views.text import command, counted, plain

TOP = 10
NEXT = command("patterns", "analyze")


def backfill(claude: Path | None, codex: Path | None, *, as_json: bool) -> int:
    root, chosen = past.settled()
    if not chosen.patterns.detect:
        text = "patterns.detect is false in the settings: nothing is counted"
        raise UsageError(f"{text}. Next: {TURN_ON.format('detect')}")
    files = imported.find(root, claude, codex)
    with store.writing(root) as book:
        book.read(sync.EVENTS, 0)
    floor, per_file = chosen.patterns.match, chosen.context.tokens_per_file
    with _progress("events", tail.latest(root)) as reached:
        new = sync.sync(root, floor, per_file, reached=reached)
    with _progress("transcripts", imported.size(files)) as reached:
        told = imported.count(root, files, chosen, reached)
    sync.count(root)
    most = _most(root)
    if as_json:
        show_json(
            {
                "version": 1,
                "new": new + told.new,
                "transcripts": told._asdict(),
                "top": [document(one) for one in most],
            }
        )
        return 0
    out().print(f"counted anew: {counted(new + told.new, 'operation')}")
    _show_transcripts(told)
    if most:
        print_table(most)
        out().print(f"  next: {NEXT} finds those that are worth a script")
    return 0


def _most(root: Path) -> list[Pattern]:
    with store.reading(root) as kept:
        every = analysis.current(kept) if kept else []
    return sorted(every, key=lambda one: (-one.occurrences, one.signature))[:TOP]


def _show_transcripts(told: Counted) -> None:
    if told.sessions:
        sessions = counted(told.sessions, "session")
        out().print(f"transcripts: {counted(told.new, 'operation')} of {sessions}")
    if told.recorded:
        sessions = counted(told.recorded, "session")
        out().print(f"passed over: {sessions} that the journal has already")
    if told.broken:
        rest = told.broken - len(told.damaged)
        names = ", ".join(plain(one) for one in told.damaged) + (f", {rest} more" if rest else "")
        lines = counted(told.broken, "line")
        tell(
            "warning", f"{lines} of transcripts cannot be read and are left out: {names}", "yellow"
        )


@contextmanager
def _progress(what: str, last: int) -> Iterator[Callable[[int], None]]:
    """A bar where somebody sees it."""
    if not is_screen():
        yield lambda _: None
        return
    from rich.progress import Progress

    with Progress(console=err(), transient=True) as bar:
        row = bar.add_task(what, total=last)
        yield lambda done: bar.update(row, completed=done)
