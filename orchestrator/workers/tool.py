"""A registered tool in place of a model: its script, bounded and fenced as any program; refuses tasks that were not matched to one, and never stops a run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from orchestrator.model import Access, Attempt, Failure, Outcome, Task, TaskId, Usage
from orchestrator.model.outloop import Offload
from orchestrator.process import Command, NotStarted, run
from orchestrator.workers import Report
from orchestrator.workers.shell import Reporter, ScriptWorker, judge

NAME = "tool"
Moved = Callable[[str, str], str]  # a command, and the absolute path of the workspace


def as_it_is(command: str, _workspace: str) -> str:
    return command


def enabled(_tool: str) -> str:
    return ""


def sound(_own: Offload) -> str:
    return ""


class ToolWorker(ScriptWorker):
    name = NAME

    def __init__(
        self,
        given: Mapping[TaskId, Offload],
        moved: Moved = as_it_is,
        disabled: Callable[[str], str] = enabled,
        unsound: Callable[[Offload], str] = sound,
    ) -> None:
        """`disabled`: why a tool may not work now, `unsound`: why its script is not run as it lies there; empty: all is well."""
        self._given, self._moved = given, moved
        self._disabled, self._unsound = disabled, unsound
        self.stopped: dict[str, str] = {}  # tools that this run itself disabled, and why

    def halted(self, tool: str) -> str:
        """Why it is not started any more; empty: it is. A script that is gone or another one now is no failure of the tool."""
        if why := self.stopped.get(tool) or self._disabled(tool):
            return f"the tool {tool} is disabled: {why}"
        own = next((one for one in self._given.values() if one.tool == tool), None)
        gone = f"no task is matched to the tool {tool} any more"
        return self._unsound(own) if own else gone

    def is_the_check(self, task: Task) -> bool:
        """It runs all of the task's own check and changes nothing: how that stood before says nothing that it does not."""
        own = self._given.get(task.id)
        return own is not None and not own.writes and set(task.commands) <= set(own.commands)

    def outside(self, task: TaskId, files: Iterable[str]) -> list[str]:
        """Those of the files that its tool does not say it writes."""
        own = self._given[task].writes if task in self._given else ()
        return [file for file in files if not any(fnmatchcase(file, one) for one in own)]

    def refuses(self, task: Task) -> str | None:
        return None if task.id in self._given else "no active pattern with a tool matches it"

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        """Whatever keeps it from working, a model takes over: nothing here may stop the run."""
        tool, one = attempt.route.tool or "", self._given.get(attempt.task)
        if one is None or one.tool != tool:
            why = f"the tool {tool} is not what this task is matched to any more"
            return _not_run(Failure.REFUSED, why)
        if halted := self.halted(tool):
            return _not_run(Failure.REFUSED, halted)
        least = min(attempt.timeout_s, one.timeout_s)
        attempt = attempt.model_copy(update={"timeout_s": least})
        try:
            line = Reporter(report)
            return judge(await run(self._order(attempt, one), line, line), attempt)
        except (NotStarted, OSError) as error:
            return _not_run(Failure.NO_RESULT, f"the tool {tool} did not begin: {error}")

    def _order(self, attempt: Attempt, one: Offload) -> Command:
        commands = [self._moved(command, attempt.workspace) for command in one.commands]
        box = attempt.sandbox
        return Command(
            argv=started(one.script, commands),
            cwd=Path(attempt.workspace),
            env=attempt.environment,
            timeout_s=attempt.timeout_s,
            stall_s=attempt.stall_s,
            silent_s=attempt.silent_s,
            transcript=Path(attempt.transcript),
            merged=True,
            sandbox=box and box.allow(Access.READ, [one.script]),
        )


def started(script: str, words: Collection[str]) -> tuple[str, ...]:
    """A Python script by our own interpreter, any other by bash."""
    if not Path(script).is_file():
        raise NotStarted(f"there is no {script}; orchestrator tools list shows what is registered")
    program = (sys.executable,) if script.endswith(".py") else ("bash", "--noprofile", "--norc")
    return (*program, script, *words)


def _not_run(failure: Failure, why: str) -> Outcome:
    return Outcome(failure=failure, detail=why, usage=Usage.nothing())
