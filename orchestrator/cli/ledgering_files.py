"""ledger import, export and amend: files into the ledger and out of it, and later knowledge. Refuses to add what is there already."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator import clock, complexity, disk, ledger, settings
from orchestrator.cli import past
from orchestrator.cli.terminal import out, show_json, tell
from orchestrator.errors import OrchestratorError, RecordError, UsageError
from orchestrator.intelligence import exports, imports
from orchestrator.ledger import Amendment, Entry, heuristics, token_stats
from orchestrator.model import Position, Task, TaskId
from orchestrator.outloop import offload
from orchestrator.views.text import counted, plain
from orchestrator.workers.tool import NAME as TOOL

DAMAGED = 4
MOST_REFUSED = 20  # lines, one by one


def take(file: Path, *, as_json: bool) -> int:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}); name another") from error
    _refuse_averages(file, data)
    lines = data.split(b"\n")
    folder = settings.ledger_folder()
    weights = settings.load(past.here()).complexity.model_dump()

    def score(text: str) -> int:
        told = Task(id=TaskId("x/1"), ordinal=1, position=Position(line=1, column=1), name=text)
        return complexity.score(told, weights).value

    found = imports.take(lines, ledger.read(folder).entries, _now(), score)
    ledger.append(folder, found.entries)
    code = DAMAGED if found.refused else 0
    if as_json:
        refused = [{"line": number, "why": why} for number, why in found.refused]
        names = ("known", "amended", "passed")
        figures = {"imported": len(found.entries), "refused": refused}
        figures |= {name: getattr(found, name) for name in names}
        show_json({"version": 1, "exit_code": code, **figures})
        return code
    for number, why in found.refused[:MOST_REFUSED]:
        tell("warning", f"{file}:{number} {plain(why)}; it is passed over")
    if len(found.refused) > MOST_REFUSED:
        tell("warning", f"and {len(found.refused) - MOST_REFUSED} more such lines")
    known = f", {found.known} were there already" if found.known else ""
    amended = f", {found.amended} of them as amended" if found.amended else ""
    passed = f", {counted(found.passed, 'line')} of no outcome passed over" if found.passed else ""
    what = f"{counted(len(found.entries), 'outcome')} as retroactive{amended}{known}{passed}"
    out().print(f"✓ imported {what}")
    return code


def _refuse_averages(file: Path, data: bytes) -> None:
    """By what is in it: a copy may have any name."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    rules = isinstance(found, dict) and "learned_recommendations" in found
    if rules or file.name == heuristics.NAME:
        raise UsageError(
            f"{file} holds rules and no outcomes. Next: orchestrator learn makes them, from a ledger that is imported"
        )
    if file.name == token_stats.NAME or (isinstance(found, dict) and _is_averages(found)):
        raise UsageError(
            f"{file} holds averages and no outcomes. Next: import the ledger that it was made from"
        )


def _is_averages(found: dict[str, Any]) -> bool:
    return bool(found) and all(isinstance(one, dict) and "count" in one for one in found.values())


def give(view: str, file: Path | None) -> int:
    names = (*exports.FORMATS, heuristics.NAME)
    found = [name for name in names if name.lstrip(".").startswith(view.lstrip("."))]
    if view.lstrip(".") == "" or len(found) != 1:
        raise UsageError(f"{view} is no format. Next: name one of {', '.join(names)}")
    folder = settings.ledger_folder()
    if found[0] == heuristics.NAME:
        text = _heuristics(folder)
    else:
        text = exports.render(found[0], ledger.read(folder).entries)
    if file is None:
        sys.stdout.write(text)
    else:
        disk.write_whole(file, text)
        out().print(f"✓ wrote {file}")
    return 0


def _heuristics(folder: Path) -> str:
    path = folder / heuristics.NAME
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path} is not there. Next: orchestrator learn") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(
            f"{path}: cannot be read ({error}); orchestrator learn writes it anew"
        ) from error


# --- amend ----------------------------------------------------------------------------------------


def amend(
    run: str, task: str, attempt: int | None, outcome: str, by: str, note: str, *, as_json: bool
) -> int:
    if outcome not in ("failed", "success"):
        raise UsageError("--outcome failed or --outcome success says what it was after all")
    if not by:
        raise UsageError("--by WHO says who knows it: CI, or a name")
    folder = settings.ledger_folder()
    one = _attempt(ledger.read(folder).entries, run, task, attempt)
    line = Amendment(
        run_id=one.run_id,
        task_id=one.task_id,
        attempt=one.attempt,
        outcome="failed" if outcome == "failed" else "success",
        by=by,
        note=note,
        timestamp=_now(),
    )
    ledger.append(folder, [line])
    saved = _taken_back(one) if outcome == "failed" and one.worker == TOOL else ""
    if as_json:
        show_json({"version": 1, "was": one.outcome, **_told(line)})
    else:
        name = f"{one.run_id} {one.task_id}, attempt {one.attempt}"
        out().print(f"✓ {name}: {one.outcome} before, {outcome} now (by {plain(by)})")
        for told in filter(None, (saved,)):
            out().print(f"  {told}", markup=False, highlight=False)
        out().print("  next: orchestrator learn takes it into account")
    return 0


def _taken_back(one: Entry) -> str:
    """What a tool's wrong work saved was nothing. Only the project of its run has that in its books."""
    try:
        tool, why = offload.amended(past.here(), one.run_id, one.task_id, one.attempt)
    except (OrchestratorError, OSError) as trouble:
        return f"what its tool saved may still be booked: {trouble}. Next: the same once more"
    if tool is None:
        where = f"if this is not the folder of {one.project}, say it again there"
        return f"nothing that its tool saved is booked here (any more); {where}"
    ended = f"; {tool.name} is disabled: {why}" if why else ""
    return f"what the tool {tool.name} saved by it is no longer booked, and it counts as a failure of the tool{ended}"


def _told(line: Amendment) -> dict[str, Any]:
    return line.model_dump(mode="json", exclude={"kind", "v"})


def _attempt(entries: tuple[Entry, ...], run: str, task: str, attempt: int | None) -> Entry:
    runs = {one.run_id for one in entries if one.run_id.startswith(run)}
    if run in runs:
        runs = {run}
    if len(runs) != 1:
        what = "no run" if not runs else f"{len(runs)} runs"
        raise UsageError(
            f"{what} in the ledger begin with {run}. Next: orchestrator ledger tail -n 50"
        )
    wanted = ledger.normalise_id(task)
    found = [
        one
        for one in entries
        if one.run_id in runs
        and (one.task_id == wanted or one.task_id.endswith(f"-task-{task}"))
        and attempt in (None, one.attempt)
    ]
    if len({one.task_id for one in found}) != 1:
        what = "no such attempt" if not found else "several tasks of that number"
        raise UsageError(
            f"{what} in the ledger: {task} of {run}. Next: orchestrator ledger tail -n 50"
        )
    return max(found, key=lambda one: one.attempt)


def _now() -> str:
    now = datetime.fromtimestamp(clock.wall(), UTC)
    return now.isoformat(timespec="seconds").replace("+00:00", "Z")
