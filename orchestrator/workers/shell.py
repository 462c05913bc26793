"""`bash` tasks: the fenced block of the action is the script, its exit code is the answer; it refuses prose."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from orchestrator import redact
from orchestrator.model import Attempt, Failure, Outcome, Progress, Task, Tier, Usage
from orchestrator.process import Command, Ended, NotStarted, ProgramMissing, run
from orchestrator.reader.commands import script
from orchestrator.workers import Condition, Report

COLOUR, CONTROL = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]"), re.compile(rb"[\x00-\x1f\x7f]+")
SHORT, PAUSE_S = 120, 0.05  # a report is for a person: one line, not a thousand a second
LAST_LINES = 20


class ScriptWorker:
    """What all that ask no model have in common: no tiers, no provider, no login; bash must be there."""

    tiers: tuple[Tier, ...] = ()
    asks_a_model = False
    models: Mapping[Tier, str] = MappingProxyType({})
    sessions: Collection[str] = ()

    def provider(self, model: str | None) -> str | None:
        return None

    def missing(self) -> str | None:
        return None if shutil.which("bash") else "bash is not on the PATH: install bash"

    def has_no_login(self) -> bool:
        return False

    async def examine(self) -> Condition:
        return Condition(None, self.missing())


class ShellWorker(ScriptWorker):
    name = "shell"

    def refuses(self, task: Task) -> str | None:
        asked = task.worker == self.name or (task.subagent or "").casefold() == "bash"
        if not asked:
            return 'it only runs tasks with subagent="bash" or worker="shell"'
        if script(task.action) is None:
            return "the <action> has no fenced shell block (```bash)"
        return None

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        text = script(attempt.action)
        if text is None:
            return Outcome(failure=Failure.REFUSED, detail="the action has no fenced shell block")
        try:
            command = order(attempt, *written(attempt, text))
            line = Reporter(report)
            return judge(await run(command, line, line), attempt)
        except ProgramMissing as error:
            return Outcome(
                failure=Failure.MISSING, detail=f"{error}: install bash", usage=Usage.nothing()
            )
        except (NotStarted, OSError) as error:
            return Outcome(failure=Failure.NO_RESULT, detail=str(error), usage=Usage.nothing())


def written(attempt: Attempt, text: str) -> tuple[str, ...]:
    """What bash is to run: the file, or the exact words where they have a secret that no file may have."""
    clean = redact.text(text)
    path = str(write_script(attempt, clean))
    return (path,) if clean == text else ("-c", text.replace("\r\n", "\n"), path)


def write_script(attempt: Attempt, text: str) -> Path:
    """Beside the transcript, for the owner alone; what ran stays to be read."""
    path = Path(attempt.transcript).with_suffix(".sh")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(path, flags, 0o600), "w", encoding="utf-8", newline="") as file:
        file.write(text.replace("\r\n", "\n"))
    return path


def order(attempt: Attempt, *words: str) -> Command:
    return Command(
        argv=("bash", "--noprofile", "--norc", "-eo", "pipefail", *words),
        cwd=Path(attempt.workspace),
        env=attempt.environment,
        timeout_s=attempt.timeout_s,
        stall_s=attempt.stall_s,
        silent_s=attempt.silent_s,
        transcript=Path(attempt.transcript),
        merged=True,
        sandbox=attempt.sandbox,
    )


def judge(ended: Ended, attempt: Attempt) -> Outcome:
    failure, reason = explain(ended, attempt)
    left = ended.left_running
    tail = ended.stdout.splitlines()[-LAST_LINES:] if failure else []
    parts = [*([reason] if reason else []), *tail, *(left if failure else ()), *ended.warnings]
    return Outcome(
        failure=failure,
        detail="\n".join(parts),
        exit_code=ended.exit_code,
        usage=Usage.nothing(),
        warnings=left,
        duration_s=ended.duration_s,
    )


def explain(ended: Ended, attempt: Attempt) -> tuple[Failure | None, str]:
    if ended.timed_out:
        return Failure.TIMEOUT, f"not done within {attempt.timeout_s:g} s"
    if ended.stalled:
        return Failure.STALLED, ended.stalled
    if ended.signal is not None:
        return Failure.EXIT, f"ended by {ended.signal_name}"
    if ended.is_lost:
        return Failure.NO_RESULT, ended.how
    return (Failure.EXIT, f"exit {ended.exit_code}") if ended.exit_code else (None, "")


@dataclass
class Reporter:
    """Passes on a line for a person, and skips those that come too fast to be read."""

    report: Report
    next_at: float = 0.0

    def __call__(self, line: bytes) -> None:
        now = time.monotonic()
        if now < self.next_at:
            return
        plain = CONTROL.sub(b" ", COLOUR.sub(b"", line[: 4 * SHORT]))
        words = plain.decode("utf-8", "replace").strip()
        if words:
            self.report(Progress(doing=words[:SHORT]))
            self.next_at = now + PAUSE_S
