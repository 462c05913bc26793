"""recover: what is whole of a damaged journal, kept, and what was lost of it, said. Refuses to touch a journal that is whole."""

from __future__ import annotations

from orchestrator.cli import past
from orchestrator.cli.terminal import err, out, show_json, tell
from orchestrator.journal import rescue
from orchestrator.journal.rescue import Rescued
from orchestrator.views.text import counted

RESULTS = "what had landed is in git: git branch --list 'orchestrator/*', git for-each-ref refs/orchestrator"


def recover(*, as_json: bool) -> int:
    root = past.here()
    found = rescue.rescue(root)
    if as_json:
        document = {} if found is None else _document(found)
        show_json({"version": 1, "was_whole": found is None, **document})
    elif found is None:
        tell("nothing to do", f"the journal of {root} is whole")
    else:
        _show(found)
    return 0


def _show(found: Rescued) -> None:
    lost = (
        f"{counted(found.lost, 'event is', 'events are')} lost"
        if found.lost
        else "no event is known to be lost"
    )
    kept = f"{counted(found.events, 'event')} of {counted(found.runs, 'run')}"
    if found.aside is None:
        out().print(f"{lost}; this was said, and is not said again. The rest is whole: {kept}")
    else:
        mark, style = ("✓", "green") if found.runs else ("✗", "bold red")
        out().print(f"{mark} kept {kept}; {lost}", style=style)
        err().print(f"  the damaged files are in {found.aside}")
    if found.lost:
        err().print(f"  {RESULTS}")
    if found.runs:
        err().print(
            "  next: orchestrator runs, then resume a run that is not done: a task whose end is missing is done again"
        )
    else:
        err().print("  next: run the plans again")


def _document(found: Rescued) -> dict[str, object]:
    return {
        "kept_events": found.events,
        "kept_runs": found.runs,
        "lost_events": found.lost,
        "set_aside": str(found.aside) if found.aside else None,
    }
