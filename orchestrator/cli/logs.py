"""logs: what a worker printed, as it was, and what its checks said. Refuses to change a byte of it, but for a terminal; --follow goes on while it works."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import Run, TaskName

if TYPE_CHECKING:
    from orchestrator.history import Tried
    from orchestrator.model import TaskId

LOOK_S = 0.2
CODES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]"
)
CHUNK = 1 << 16


def logs(
    name: Run,
    task: TaskName,
    attempt: Annotated[
        int | None,
        typer.Option(
            "--attempt",
            metavar="N",
            min=1,
            help="Of this try; without it the latest.",
            show_default=False,
        ),
    ] = None,
    checks: Annotated[
        bool, typer.Option("--checks", help="What its checks printed, before and after the work.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on while it works, also over its next tries.")
    ] = False,
) -> int:
    """Show what a worker printed."""
    from orchestrator.cli import past
    from orchestrator.errors import UsageError

    found = past.reopen(past.here(), name)
    wanted = found.task(task).id
    tried = found.watched.of(wanted).tried
    chosen = [one for one in tried if attempt in (None, one.number)]
    if not chosen:
        known = ", ".join(str(one.number) for one in tried) or "none yet"
        raise UsageError(f"{wanted} has no such try in run {found.row.id}; there are: {known}")
    folder = found.root / ".orchestrator" / "runs" / found.row.id
    ends = {file: _copy(file, 0) for file in _files(folder, chosen[-1], checks=checks)}
    if follow:
        _follow(folder, wanted, found.row.id, chosen[-1].number, ends, checks=checks)
    elif not any(ends.values()):
        _say_nothing(wanted, chosen[-1].number)
    return 0


def _say_nothing(task: TaskId, number: int) -> None:
    from orchestrator.cli.terminal import err

    why = "it printed nothing, or run.retention_days are over"
    err().print(f"note: nothing is kept of try {number} of {task}: {why}")


def _files(folder: Path, tried: Tried, *, checks: bool) -> Iterator[Path]:
    transcript = folder / tried.transcript
    if checks:
        yield from (
            transcript.with_suffix(f".{stage}.log") for stage in ("before", "after", "landing")
        )
    else:
        yield transcript


def _copy(file: Path, start: int) -> int:
    """From there to its end; where it ends now."""
    try:
        with file.open("rb") as stream:
            stream.seek(start)
            while chunk := stream.read(CHUNK):
                # a terminal obeys what a file only holds
                sys.stdout.buffer.write(CODES.sub(b"", chunk) if sys.stdout.isatty() else chunk)
                start += len(chunk)
    except FileNotFoundError:
        return start
    sys.stdout.buffer.flush()
    return start


def _follow(
    folder: Path, task: TaskId, run: str, number: int, ends: dict[Path, int], *, checks: bool
) -> None:
    """Goes on at these ends, until the task is over, or nobody works on the run any more."""
    from orchestrator.cli import past
    from orchestrator.cli.terminal import err
    from orchestrator.tracker import FINAL
    from orchestrator.views.text import NEXT, command

    while True:
        found = past.reopen(past.here(), run)
        for one in found.watched.of(task).tried:
            if one.number >= number:
                for file in _files(folder, one, checks=checks):
                    ends[file] = _copy(file, ends.get(file, 0))
        if found.watched.states[task] in FINAL:
            return
        if not found.live:
            if found.broken_off:
                err().print(f"the engine is gone{NEXT}{command('resume', run)}")
            return
        time.sleep(LOOK_S)
