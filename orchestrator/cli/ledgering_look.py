"""ledger tail and ledger check: what the ledger says, and whether it is whole. Refuses to write."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator import ledger, settings
from orchestrator.cli.terminal import out, room, show_json, tell
from orchestrator.ledger import Entry, Window
from orchestrator.model.learned import LIVE
from orchestrator.views.text import columns, cost, counted, duration, plain

DAMAGED = 4
LOOK_S = 0.5


def tail(number: int, *, follow: bool, as_json: bool) -> int:
    folder = settings.ledger_folder()
    found = ledger.read(folder)
    entries = found.entries[-number:]
    code = DAMAGED if found.damaged and not entries and not follow else 0
    if as_json and not follow:
        told = [_as_json(one, found) for one in entries]
        show_json({"version": 1, "outcomes": told, "damaged_lines": len(found.damaged)})
        return code
    if not entries and not follow:
        none = "no outcome can be read" if code else "no outcomes yet"
        out().print(f"{none} in {folder / ledger.NAME}")
    tell_damage(len(found.damaged))
    _show(entries, found, as_json=as_json)
    while follow:
        time.sleep(LOOK_S)
        later = ledger.read(folder)
        _show(later.entries[len(found.entries) :], later, as_json=as_json)
        sys.stdout.flush()
        found = later
    return code


def tell_damage(lines: int) -> None:
    if lines:
        word = "line is" if lines == 1 else "lines are"
        tell("warning", f"{lines} {word} damaged, and passed over. Next: orchestrator ledger check")


def _show(entries: tuple[Entry, ...], found: Window, *, as_json: bool) -> None:
    """JSON goes line by line here: there is no end to wait for."""
    import json

    if as_json:
        sys.stdout.writelines(json.dumps(_as_json(one, found)) + "\n" for one in entries)
    elif entries:
        for row in columns((_row(one, found) for one in entries), width=room(), names=(1, 3)):
            out().print(row)


def _row(one: Entry, found: Window) -> tuple[str, ...]:
    return (
        f"{one.timestamp[:19]}Z",
        plain(f"{one.run_id} {one.task_id}"),
        f"attempt {one.attempt}",
        plain(one.model_version or one.worker),
        f"complexity {one.complexity_estimated}",
        one.outcome + (f" ({plain(one.failure)})" if one.failure else ""),
        duration(one.duration_seconds),
        cost(one.cost_usd),
        " ".join(_marks(one, found)),
    )


def _marks(one: Entry, found: Window) -> Iterator[str]:
    if one.origin != LIVE:
        yield "imported"
    if one.identity in found.false_accepts | found.false_rejects:
        yield "amended"


def _as_json(one: Entry, found: Window) -> dict[str, Any]:
    amended = one.identity in found.false_accepts | found.false_rejects
    return one.model_dump(mode="json", exclude={"checksum"}) | {"amended": amended}


# --- check ----------------------------------------------------------------------------------------


def check(*, as_json: bool) -> int:
    folder = settings.ledger_folder()
    found = ledger.read(folder)
    code = DAMAGED if found.damaged or found.missing else 0
    if as_json:
        show_json(_document(folder, found, code))
        return code
    path = folder / ledger.NAME
    for number, why in (*found.damaged, *found.strange):
        out().print(f"{path}:{number} {plain(why)}")
    for number in found.repeated:
        out().print(f"{path}:{number} tells an attempt once more; the first line counts")
    if found.missing:
        out().print(
            f"{path}: {counted(found.missing, 'byte is', 'bytes are')} missing at its end; the outcomes in them are lost. "
            f"To hear no more of it: rm {folder / 'task_ledger.mark'}"
        )
    what = (
        f"{counted(len(found.entries), 'outcome')}, {counted(len(found.amendments), 'amendment')}"
    )
    out().print(f"{path}: {what}, {counted(len(found.damaged), 'damaged line')}")
    return code


def _document(folder: Path, found: Window, code: int) -> dict[str, Any]:
    return {
        "version": 1,
        "file": str(folder / ledger.NAME),
        "exit_code": code,
        "outcomes": len(found.entries),
        "retroactive": sum(one.origin != LIVE for one in found.entries),
        "amendments": len(found.amendments),
        "false_accepts": len(found.false_accepts),
        "false_rejects": len(found.false_rejects),
        "damaged": [{"line": number, "why": why} for number, why in found.damaged],
        "missing_bytes": found.missing,
        "repeated": list(found.repeated),
        "newer": [{"line": number, "why": why} for number, why in found.strange],
    }
