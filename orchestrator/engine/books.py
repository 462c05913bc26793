"""What a run leaves outside of the journal: its folder of transcripts, its log, its ledger lines. Never stops a run."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import structlog

from orchestrator import clock, ledger, redact
from orchestrator.engine.neighbours import Neighbours
from orchestrator.errors import RecordError
from orchestrator.history import History, Tried
from orchestrator.journal import HOME
from orchestrator.ledger import Amendment, Entry
from orchestrator.model import Check, Event, Plan, RunId, Task, TaskId, Tier
from orchestrator.settings import ledger_folder

RUNS = f"{HOME}/runs"


@dataclass(slots=True)
class Outcomes:
    """Whether they get into the ledger, over all runs of an engine."""

    trouble: str | None = None  # with the last that did not

    def try_again(self) -> None:
        known = self.trouble
        if known and ledger.refusal(ledger_folder()) is None and self.trouble is known:
            self.trouble = None


class Books:
    """Of one run. Enter it before the first attempt: it makes the folder and opens the log."""

    def __init__(
        self,
        root: Path,
        run: RunId,
        strength: Callable[[Task, Sequence[Check]], float],
        outcomes: Outcomes,
    ) -> None:
        """`strength` of a task's check, by how its commands stood before the work."""
        self.root, self.run, self._strength, self._outcomes = root, run, strength, outcomes
        self.folder = root / RUNS / run
        self._file: TextIO | None = None
        self.neighbours = Neighbours(ledger_folder(), run)
        self._said_loss = False
        self.due = list[tuple[TaskId, Tried]]()  # tries of tools that ended, to be booked
        self.wrong = list[tuple[TaskId, int]]()  # attempts that turned out wrong, perhaps a tool's

    def __enter__(self) -> Books:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            log = os.open(self.folder / "run.log", flags, 0o600)
            self._file = open(log, "a", encoding="utf-8", buffering=1)
        except OSError as refused:
            raise RecordError(f"cannot write {self.folder}: {refused.strerror}") from refused
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(self._file),
            processors=[
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.JSONRenderer(),
            ],
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.neighbours.close()
        if self._file is not None:
            with suppress(OSError):  # a full disk costs the log, never the run
                self._file.close()

    @staticmethod
    def name(task: TaskId, place: int, number: int) -> str:
        """The file of an attempt: never that of another task, whatever the plans are called."""
        return f"{Books.slug(task, place)}.{number}.log"

    @staticmethod
    def slug(task: TaskId, place: int) -> str:
        """Of a task in names of files and refs."""
        words = re.sub(r"[^A-Za-z0-9]+", "-", task)[-40:].strip("-")
        return f"{place:03}-{words}"

    def note(self, plan: Plan, task: Task, history: History, event: Event) -> str | None:
        """One canonical log line and one ledger line for a finished attempt; the trouble, if there was some."""
        tried = next(one for one in history.of(task.id).tried if one.number == event.attempt)
        if tried.route.tool:
            self.due.append((task.id, tried))
        line = self.entry(plan, task, history, tried)
        if line is None:
            return None
        shown = redact.words(line.model_dump(exclude={"v", "timestamp", "checksum", "route"}))
        trouble = self._append([line])
        try:
            self._log.info("attempt", **shown, tier=line.route.tier)
        except OSError as refused:
            log = f"cannot write {self.folder}/run.log: {refused.strerror}"
            return f"{trouble}; {log}" if trouble else log
        return trouble

    def catch_up(self, plans: dict[TaskId, tuple[Plan, Task]], history: History) -> str | None:
        """Lines that a crash kept from the ledger; those that are there are not repeated."""
        ended = [one.finished_at for task in plans for one in history.of(task).tried]
        since = min(filter(None, ended), default=None)
        if since is None:
            return None
        try:
            known = {one.identity for one in ledger.read(ledger_folder(), since).entries}
        except (OSError, RecordError) as refused:
            return f"the ledger cannot be read: {refused}"
        missing = [
            line
            for task, (plan, place) in plans.items()
            for tried in history.of(task).tried
            if (line := self.entry(plan, place, history, tried)) and line.identity not in known
        ]
        return self._append(missing)

    def amend(self, plan: Plan, task: Task, attempt: int, by: str) -> str | None:
        """An attempt that passed was wrong after all. The trouble, if there was some."""
        self.wrong.append((task.id, attempt))
        now = datetime.fromtimestamp(clock.wall(), UTC).isoformat(timespec="seconds")
        line = Amendment(
            run_id=self.run,
            task_id=ledger.normalise_id(f"{plan.id}/{task.ordinal}"),
            attempt=attempt,
            outcome="failed",
            by=by,
            note="seen by the run itself",
            timestamp=now,
        )
        return self._append([line])

    def _append(self, lines: Sequence[Entry | Amendment]) -> str | None:
        try:
            lost = ledger.append(ledger_folder(), lines)
        except (OSError, RecordError) as refused:
            number = f"{len(lines)} outcome{'s are' if len(lines) > 1 else ' is'}"
            self._outcomes.trouble = f"{number} in the journal but not in the ledger: {refused}"
            return self._outcomes.trouble
        if lines:
            self._outcomes.trouble = None
        if not lost or self._said_loss:
            return None
        self._said_loss = True
        return (
            f"{lost} bytes are missing at the end of the ledger in {ledger_folder()} (damage); "
            "the outcomes in them are lost. Next: orchestrator doctor"
        )

    def entry(self, plan: Plan, task: Task, history: History, tried: Tried) -> Entry | None:
        if tried.outcome is None or tried.finished_at is None:
            return None
        return ledger.entry(
            self.run,
            self.root.name,
            task,
            plan,
            tried.number,
            tried.route,
            tried.score,
            tried.outcome,
            tried.finished_at,
            _escalated_from(history, task.id, tried),
            self._strength(task, history.of(task.id).base),
        )


def _escalated_from(history: History, task: TaskId, tried: Tried) -> Tier | None:
    earlier = [one for one in history.of(task).tried if one.number < tried.number]
    below, here = (earlier[-1].route.tier if earlier else None), tried.route.tier
    order = list(Tier)
    return below if below and here and order.index(below) < order.index(here) else None


def prune(root: Path, days: int, live: Collection[str] = ()) -> int:
    """Transcripts of runs that were last written longer ago than `retention_days`; the journal stays. Of how many."""
    oldest, pruned = time.time() - days * 86400, 0
    folder = root / RUNS
    for run in folder.iterdir() if folder.is_dir() else ():
        log = run / "run.log"
        if run.name not in live and log.exists() and log.stat().st_mtime < oldest:
            shutil.rmtree(run, ignore_errors=True)
            pruned += 1
    return pruned
