"""recover: what is whole of a damaged journal, kept, and what was lost of it, said. Refuses to touch a journal that is whole."""

from __future__ import annotations

from orchestrator.cli import past
from orchestrator.cli.terminal import counted, err, out, show_json, tell
from orchestrator.errors import UnknownRun
from orchestrator.journal import HOME, rescue


def recover(*, as_json: bool) -> int:
    root = past.here()
    if not (root / HOME / "journal.db").exists():
        raise UnknownRun(f"no run yet in {root}; start one with: orchestrator run PLAN.md")
    found = rescue.rescue(root)
    if as_json:
        document = {} if found is None else _document(found)
        show_json({"version": 1, "was_whole": found is None, **document})
        return 0
    if found is None:
        tell("nothing to do", f"the journal of {root} is whole")
        return 0
    kept = f"{counted(found.events, 'event')} of {counted(found.runs, 'run')}"
    out().print(f"✓ kept {kept} in {root / HOME / 'journal.db'}", style="green")
    lost = (
        counted(found.lost, "event is", "events are") if found.lost else "no event is known to be"
    )
    err().print(f"  {lost} lost; the damaged files are in {found.aside}")
    err().print(
        "  next: orchestrator runs, then orchestrator resume RUN: a task whose end is missing is done again"
    )
    return 0


def _document(found: rescue.Rescued) -> dict[str, object]:
    return {
        "kept_events": found.events,
        "kept_runs": found.runs,
        "lost_events": found.lost,
        "set_aside": str(found.aside),
    }
