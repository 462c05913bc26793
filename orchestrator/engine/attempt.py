"""One attempt from its first check to its last: red? -> worker -> guard -> check. Believes only the check; starts no second try."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import verify
from orchestrator.gates import Gates
from orchestrator.model import Attempt, Check, EventKind, Failure, Outcome, Task
from orchestrator.settings import VerifySettings
from orchestrator.verify import guard
from orchestrator.workers import Report, Worker

Record = Callable[[EventKind, Mapping[str, Any]], object]  # an event of this attempt


@dataclass(frozen=True, slots=True)
class Means:
    """What all attempts of a run share."""

    root: Path
    verify: VerifySettings
    gates: Gates


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt with all that it needs. Cancelled, it leaves no process behind."""

    attempt: Attempt
    task: Task
    worker: Worker
    means: Means
    exempt: Collection[str]  # files that belong to other tasks; grows while it runs
    record: Record
    report: Report

    async def carry_out(self) -> Outcome:
        began = time.monotonic()
        commands, strays = self._commands()
        before = await self._check(commands, "before") if self.means.verify.red_first else ()
        workspace = Path(self.attempt.workspace)
        kept = guard.remember(commands, workspace, self.task.files, self.exempt)
        restored: tuple[str, ...] = ()
        try:
            outcome = await self._work()
        finally:  # also after a failed or stopped worker: the next try must not start from its forgery
            aside = Path(self.attempt.transcript).with_suffix(".changed")
            restored = guard.restore(kept, aside, self.exempt)
        self.record(EventKind.WORKER_FINISHED, {"outcome": outcome.model_dump(mode="json")})
        if outcome.ok:
            after = await self._check(commands, "after")
            outcome = self._judge(outcome, before, after, strays, restored)
        return outcome.model_copy(update={"duration_s": time.monotonic() - began})

    def _commands(self) -> tuple[list[str], list[str]]:
        """The checks as they are run here, and what is wrong with where they go."""
        root, workspace = str(self.means.root), self.attempt.workspace
        pairs = [verify.rewrite(command, root, workspace) for command in self.task.commands]
        return [command for command, _ in pairs], [text for _, texts in pairs for text in texts]

    async def _check(self, commands: list[str], stage: str) -> tuple[Check, ...]:
        """Before the work every command is run, after it up to the first that is not green."""
        if commands:
            self.report("looking whether the check is red" if stage == "before" else "checking")
        checks = await verify.run_checks(
            commands,
            cwd=Path(self.attempt.workspace),
            env=self.attempt.environment,
            timeout_s=self.means.verify.timeout_s,
            keep_bytes=self.means.verify.output_bytes,
            transcript=Path(self.attempt.transcript).with_suffix(f".{stage}.log"),
            all_of_them=stage == "before",
        )
        for check in checks:
            data = {"stage": stage, "check": check.model_dump(mode="json")}
            self.record(EventKind.CHECK_FINISHED, data)
        return checks

    async def _work(self) -> Outcome:
        return await self.means.gates.call(self.worker.name, self._call_worker, self._waited)

    async def _call_worker(self) -> Outcome:
        try:
            return await self.worker.run(self.attempt, self.report)
        except Exception as bug:  # the worker boundary: one broken worker must not end the run
            trace = "".join(traceback.format_exception(bug))
            return Outcome(
                failure=Failure.NO_RESULT,
                detail=f"the {self.worker.name} worker is broken, please report this:\n{trace}",
            )

    def _waited(self, met: Outcome, wait_s: float) -> None:
        data = {"failure": met.failure, "detail": met.detail, "wait_s": wait_s}
        self.record(EventKind.BACKED_OFF, data)
        self.report(f"{met.failure}: again in {wait_s:.0f} s")

    def _judge(
        self,
        outcome: Outcome,
        before: tuple[Check, ...],
        after: tuple[Check, ...],
        strays: list[str],
        restored: tuple[str, ...],
    ) -> Outcome:
        warnings = (*strays, *restored)
        verdict = verify.weigh(before, after, self.task, warnings, elsewhere=bool(strays))
        failed = verify.failure(after)
        failure, detail = failed or (None, outcome.detail)
        return outcome.model_copy(update={"verdict": verdict, "failure": failure, "detail": detail})
