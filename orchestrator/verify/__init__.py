"""Runs a task's own check and believes only that; it refuses to call a check green in which nothing was checked."""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator import redact
from orchestrator.model import Access, Check, CheckResult, Failure, Sandbox, Task, Verdict, Verified
from orchestrator.process import Command, Ended, NotStarted, run
from orchestrator.process.output import Transcript

ARGUMENT_BYTES = 100_000  # the kernel takes 128 KiB in one argument
TOLD_CHARS = 4000  # as much of the output as the next try is told
NOT_RUNNABLE = {126, 127}  # found but not executable; not found

# --- what an exit code is worth ------------------------------------------------------------------

NOTHING_RAN = {  # whole lines, so that prose about tests is not taken for a runner's word
    "pytest": r"=* ?(no tests ran|\d+ (deselected|skipped)(, \d+ (deselected|skipped|warnings?))*) in [\d.]+s.*",
    "unittest": r"Ran 0 tests in [\d.]+s|NO TESTS RAN",
    "go": r"(testing: warning: no tests to run|\?? *\t?\S+\t.*\[no test(s to run| files)\])",
    "jest": r"No tests found(, exiting with code \d+|.*)|Tests: +0 total",
    "vitest": r"No test (files|suite) found.*",
    "mocha": r" *0 passing( \(.*\))?",
    "cargo": r"running 0 tests|test result: ok\. 0 passed; 0 failed;.*",
    "node": r"\S tests 0",
    "rspec": r"0 examples, 0 failures",
    "phpunit": r"No tests executed!",
    "ctest": r"No tests were found!!!",
    "dotnet": r"No test (matches the given testcase filter|is available in) .*",
}
SOMETHING_RAN = {
    "pytest, cargo, jest, vitest, bun": r".*\b[1-9]\d* (passed|failed|pass|fail)\b.*",
    "unittest": r"Ran [1-9]\d* tests? in .*",
    "go": r"ok +\t?\S+\t([\d.]+s|\(cached\))(?!.*no tests to run).*|--- (PASS|FAIL): .*|FAIL\t.*",
    "mocha": r" *[1-9]\d* (passing|failing)\b.*",
    "node": r"\S (pass|fail) [1-9]\d*",
    "rspec": r"[1-9]\d* examples?, .*",
    "phpunit": r"OK \([1-9]\d* tests?, .*|Tests: [1-9]\d*, .*",
    "ctest": r"\d+% tests passed, \d+ tests failed out of [1-9]\d*",
}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def compile_lines(table: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("^(?:" + "|".join(table.values()) + r")\r?$", re.MULTILINE)


NOTHING, SOMETHING = compile_lines(NOTHING_RAN), compile_lines(SOMETHING_RAN)


def judge(exit_code: int | None, timed_out: bool, output: str) -> CheckResult:
    """Inconclusive is what says nothing about the work: it could not be run, or it ran no test (also with exit 0)."""
    if timed_out or exit_code is None or exit_code in NOT_RUNNABLE or ran_nothing(output):
        return CheckResult.INCONCLUSIVE
    return CheckResult.GREEN if exit_code == 0 else CheckResult.RED


def ran_nothing(output: str) -> bool:
    text = COLOUR.sub("", output)
    return NOTHING.search(text) is not None and SOMETHING.search(text) is None


# --- running -------------------------------------------------------------------------------------


async def run_checks(
    commands: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    keep_bytes: int = 1 << 16,
    transcript: Path | None = None,
    all_of_them: bool = False,
    sandbox: Sandbox | None = None,
) -> tuple[Check, ...]:
    """In order, each with its own timeout; stops at the first that is not green, unless `all_of_them`."""
    checks: list[Check] = []
    for command in commands:
        check = await run_check(command, cwd, env, timeout_s, keep_bytes, transcript, sandbox)
        checks.append(check)
        if check.result is not CheckResult.GREEN and not all_of_them:
            break
    return tuple(checks)


async def run_check(
    command: str,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    keep_bytes: int,
    transcript: Path | None,
    sandbox: Sandbox | None = None,
) -> Check:
    head = Transcript(transcript)
    head.add(f"\n$ {redact.text(command)}\n".encode("utf-8", "replace"))
    head.close()
    try:
        with tempfile.TemporaryDirectory(prefix="check-") as folder:
            words = place(command, Path(folder))
            order = Command(
                argv=("bash", *words),
                cwd=cwd,
                env=env,
                timeout_s=timeout_s,
                transcript=transcript,
                keep_bytes=keep_bytes,
                merged=True,
                sandbox=sandbox and sandbox.allow(Access.READ, shown(words)),
            )
            ended = await run(order)
            if ended.is_lost and not ended.timed_out:  # it says nothing of the work
                ended = await run(order)
            return read(command, ended)
    except (NotStarted, OSError) as error:  # OSError: no room for what it is started with
        return Check(
            command=command,
            result=CheckResult.INCONCLUSIVE,
            exit_code=None,
            output=str(error),
            duration_s=0.0,
        )


def place(command: str, folder: Path) -> tuple[str, str]:
    """As bash wants it: an argument, or a file where an argument would be too long."""
    data = command.encode("utf-8", "surrogateescape")
    if len(data) <= ARGUMENT_BYTES:
        return "-c", command
    path = folder / "check.sh"
    path.write_bytes(data)
    return "--", str(path)


def shown(words: tuple[str, str]) -> list[str]:
    """What must be seen of it where a sandbox has another temporary folder."""
    return [os.path.dirname(os.path.realpath(words[1]))] if words[0] == "--" else []


def read(command: str, ended: Ended) -> Check:
    exit_code = None if ended.timed_out else ended.exit_code
    notes = [f"[ended what it left running: {words}]" for words in ended.survivors]
    if ended.timed_out:
        notes.insert(0, f"[no end within {ended.duration_s:.1f} s]")
    elif ended.exit_code is None:
        notes.insert(0, f"[{ended.how}]")
    return Check(
        command=command,
        result=judge(exit_code, ended.timed_out, ended.stdout),
        exit_code=exit_code,
        output="\n".join([*filter(None, [ended.stdout.rstrip()]), *notes]),
        duration_s=ended.duration_s,
    )


# --- what it means -------------------------------------------------------------------------------

STRENGTH = {CheckResult.RED: 1.0, CheckResult.INCONCLUSIVE: 0.5, CheckResult.GREEN: 0.0}


def weigh(
    earlier: Sequence[Check],
    after: Sequence[Check],
    task: Task,
    warnings: Sequence[str] = (),
    *,
    elsewhere: bool = False,
    is_all: bool = False,
    probed: Sequence[Check] = (),
) -> Verdict:
    """What the checks prove. `earlier` is what `before` found, `probed` what was found when the work was undone;
    `elsewhere`: a command left the workspace, so nothing. `is_all`: to be green is all that the task asks for, whatever was before.
    """
    both = (*earlier, *probed)
    past = {redact.text(check.command): check.result for check in both}  # perhaps of the journal
    without = {check.command for check in probed}
    strengths = [
        (1.0 if is_all else STRENGTH[_then(past, check)]) if is_green(check) else 0.0
        for check in after
    ]
    green_before = [
        f"it is green without the work, too, so it proves nothing: {check.command}"
        if check.command in without
        else f"green before the work, so it proves nothing: {check.command}"
        for check in after
        if is_green(check) and _then(past, check) is CheckResult.GREEN and not is_all
    ]
    return Verdict(
        verified=name_judge(task, after),
        strength=0.0 if elsewhere else min(strengths, default=0.0),
        checks=tuple(after),
        warnings=(*warnings, *green_before),
    )


def unproven(earlier: Sequence[Check], after: Sequence[Check]) -> list[str]:
    """Commands that are green, and nobody knows whether they were before. None if another is not green."""
    if not all(map(is_green, after)):
        return []
    known = {
        redact.text(one.command) for one in earlier if one.result is not CheckResult.INCONCLUSIVE
    }
    return [check.command for check in after if redact.text(check.command) not in known]


def with_review(verdict: Verdict, strength: float, warning: str | None) -> Verdict:
    """A second worker approved it: of prose that is all there is, beside a command it is one more look."""
    judge = verdict.verified
    return verdict.model_copy(
        update={
            "verified": Verified.REVIEW if judge is Verified.NONE else judge,
            "strength": max(verdict.strength, strength),
            "warnings": (*verdict.warnings, *filter(None, [warning])),
        }
    )


def _then(past: Mapping[str, CheckResult], check: Check) -> CheckResult:
    return past.get(redact.text(check.command), CheckResult.INCONCLUSIVE)


def is_green(check: Check) -> bool:
    return check.result is CheckResult.GREEN


def name_judge(task: Task, after: Sequence[Check]) -> Verified:
    if task.human_checks and all(map(is_green, after)):
        return Verified.HUMAN
    return Verified.COMMAND if after else Verified.NONE


def failure(after: Sequence[Check]) -> tuple[Failure, str] | None:
    """The first check that is not green, and what the next try is told of it; None when all are."""
    for check in after:
        if check.result is CheckResult.RED:
            return Failure.VERIFY, describe("The check failed", check)
        if check.result is CheckResult.INCONCLUSIVE:
            return Failure.INCONCLUSIVE, describe("The check could not be judged", check)
    return None


def describe(head: str, check: Check) -> str:
    how = "no exit code" if check.exit_code is None else f"exit {check.exit_code}"
    output = check.output.strip()
    cut = "..." if len(output) > TOLD_CHARS else ""
    end = (
        f"The end of its output:\n{cut}{output[-TOLD_CHARS:]}" if output else "It printed nothing."
    )
    return f"{head} ({how}): {check.command}\n{end}"


# --- where a command works -----------------------------------------------------------------------

CD = re.compile(
    r"""(?:^|[;&|({`\n]|\b(?:then|do|else)\s)\s*(?:cd|pushd)\s+(?:-[LPe]+\s+|--\s+)*"""
    r"""(?P<quote>["']?)(?P<path>(?:/|~|\$HOME\b|\$\{HOME\})[^\s;&|"'`)]*)""",
)


def rewrite(command: str, root: str, workspace: str) -> tuple[str, tuple[str, ...]]:
    """The project root's absolute path becomes the workspace's; an absolute `cd` to anywhere else is a warning."""
    root, workspace = posixpath.normpath(root), posixpath.normpath(workspace)
    moved = move_root(command, root, workspace)
    targets = (match["path"] for match in CD.finditer(moved))
    return moved, tuple(
        f"the check leaves the workspace, so it proves nothing: cd {path}"
        for path in dict.fromkeys(targets)
        if not is_below(posixpath.normpath(path), workspace)
    )


def move_root(command: str, root: str, workspace: str) -> str:
    if root in ("/", ".", workspace):
        return command
    either = "|".join(re.escape(path) for path in sorted((root, workspace), key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w./~-])(?:{either})(?![\w.-])")
    return pattern.sub(lambda match: workspace, command)


def is_below(path: str, folder: str) -> bool:
    return folder == "/" or path == folder or path.startswith(folder + "/")
