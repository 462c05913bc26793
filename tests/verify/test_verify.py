"""What a check is worth: only a conclusive exit code of something that ran counts."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Check, CheckResult, Failure, Position, Task, TaskId, Verified
from orchestrator.verify import failure, judge, rewrite, run_checks, unproven, weigh

GREEN, RED, UNCLEAR = CheckResult.GREEN, CheckResult.RED, CheckResult.INCONCLUSIVE
ENVIRONMENT = {"PATH": os.environ["PATH"]}

# Recorded from the runners themselves, shortened.
NOTHING = {
    "pytest": "collected 0 items\n\n============================ no tests ran in 0.01s ============================",
    "pytest -q": "\nno tests ran in 0.00s",
    "pytest -k": "collected 3 items / 3 deselected / 0 selected\n===== 3 deselected in 0.01s =====",
    "pytest, no such file": "ERROR: file or directory not found: x.py\n\nno tests ran in 0.00s",
    "pytest in colour": "\x1b[33m\x1b[33mno tests ran\x1b[0m\x1b[33m in 0.00s\x1b[0m",
    "unittest": "\n----------------------------------------------------------------------\nRan 0 tests in 0.000s\n\nOK",
    "unittest 3.12": "Ran 0 tests in 0.000s\n\nNO TESTS RAN",
    "go, no files": "?   \texample.com/a\t[no test files]",
    "go -run": "testing: warning: no tests to run\nPASS\nok  \texample.com/a\t0.002s [no tests to run]",
    "go, indented": "\texample.com/a\t\tcoverage: 0.0% of statements [no test files]",
    "jest": "No tests found, exiting with code 1\nRun with `--passWithNoTests` to exit with code 0",
    "jest, allowed": "No tests found, exiting with code 0",
    "vitest": "No test files found, exiting with code 1",
    "mocha": "\n\n  0 passing (1ms)\n",
    "cargo": "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
    "cargo, filtered": "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 12 filtered out; finished in 0.00s",
    "node": "1..0\n# tests 0\n# suites 0\n# pass 0\n# fail 0",
    "rspec": "No examples found.\n\nFinished in 0.0004 seconds\n0 examples, 0 failures",
    "phpunit": "PHPUnit 10.5\n\nNo tests executed!",
    "ctest": "Test project /b\nNo tests were found!!!",
    "dotnet": "No test matches the given testcase filter `x` in /b/t.dll",
}
SOMETHING = {
    "pytest": "collected 3 items\n\n============ 3 passed in 0.01s ============",
    "pytest, some": "===== 2 passed, 1 deselected in 0.01s =====",
    "pytest, twice": "no tests ran in 0.00s\n1 passed in 0.01s",
    "pytest, cannot import": "collected 0 items / 1 error\n==== 1 error in 0.06s ====",
    "unittest": "Ran 4 tests in 0.000s\n\nOK",
    "go, one of two": "?   \texample.com/a\t[no test files]\nok  \texample.com/b\t0.002s",
    "go, cached": "?   \ta\t[no test files]\nok  \tb\t(cached)",
    "go, failing": "?   \ta\t[no test files]\n--- FAIL: TestX (0.00s)\nFAIL\tb\t0.002s",
    "jest": "Tests:       3 passed, 3 total",
    "mocha": "  4 passing (10ms)",
    "cargo, and no doc tests": "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored\n\n   Doc-tests x\n\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored",
    "cargo, failing": "test result: FAILED. 0 passed; 1 failed; 0 ignored\nrunning 0 tests",
    "node": "# tests 2\n# pass 2\n# fail 0",
    "rspec": "2 examples, 0 failures",
    "no runner at all": "",
    "prose": "The README says: no tests ran in 0.00s, and there are no test files.",
    "a file of that name": "no tests to run.txt\nfound: Ran 0 tests in total",
    "a count": "There were 0 passing lorries; 10 deselected.",
}


@pytest.mark.parametrize("code", [0, 1, 5])
@pytest.mark.parametrize("output", NOTHING.values(), ids=NOTHING)
def test_when_no_test_ran_it_is_neither_red_nor_green(output: str, code: int) -> None:
    assert judge(code, False, output) is UNCLEAR
    assert judge(code, False, output.replace("\n", "\r\n")) is UNCLEAR


@pytest.mark.parametrize("output", SOMETHING.values(), ids=SOMETHING)
def test_when_something_ran_the_exit_code_decides(output: str) -> None:
    assert judge(0, False, output) is GREEN
    assert judge(1, False, output) is RED


@given(st.integers(0, 255) | st.none(), st.booleans(), st.text())
def test_only_conclusive_codes_are_red_or_green(
    code: int | None, timed_out: bool, output: str
) -> None:
    result = judge(code, timed_out, output)
    if timed_out or code in (None, 126, 127):
        assert result is UNCLEAR
    else:
        assert result in (GREEN if code == 0 else RED, UNCLEAR)


# --- running -------------------------------------------------------------------------------------


async def check(*commands: str, folder: Path, **more: Any) -> tuple[Check, ...]:
    return await run_checks(commands, cwd=folder, env=ENVIRONMENT, **{"timeout_s": 20.0, **more})


@pytest.mark.parametrize(
    ("command", "result", "code"),
    [
        ("test -e here", GREEN, 0),
        ("test -e gone", RED, 1),
        ("exit 200", RED, 200),
        ("no-such-command", UNCLEAR, 127),
        ("./here", UNCLEAR, 126),
        ("kill -9 $$", UNCLEAR, None),
        ("[[ a == a ]] && echo {a,b} | grep -q 'a b'", GREEN, 0),
        ("if", RED, 2),
    ],
)
async def test_a_check_is_a_bash_command_in_the_workspace(
    command: str, result: CheckResult, code: int | None, tmp_path: Path
) -> None:
    (tmp_path / "here").touch()
    (found,) = await check(command, folder=tmp_path)
    assert (found.command, found.result, found.exit_code) == (command, result, code)


async def test_a_check_that_does_not_end_is_inconclusive(tmp_path: Path) -> None:
    (found,) = await check("echo begun; sleep 1000", folder=tmp_path, timeout_s=3.0)
    assert (found.result, found.exit_code) == (UNCLEAR, None)
    told = re.fullmatch(r"begun\n\[no end within ([0-9.]+) s\]", found.output.strip())
    assert told is not None, found.output
    assert 3.0 <= float(told[1]) < 15.0


async def test_checks_stop_at_the_first_that_is_not_green(tmp_path: Path) -> None:
    found = await check("true", "false", "touch never", folder=tmp_path)
    assert [one.result for one in found] == [GREEN, RED]
    assert not (tmp_path / "never").exists()


async def test_before_the_work_every_command_runs(tmp_path: Path) -> None:
    commands = ["false", "no-such-command", "true"]
    found = await run_checks(
        commands, cwd=tmp_path, env=ENVIRONMENT, timeout_s=20.0, all_of_them=True
    )
    assert [one.result for one in found] == [RED, UNCLEAR, GREEN]


@pytest.mark.parametrize("size", [99_990, 100_010, 300_000])
async def test_a_command_of_any_length_runs(size: int, tmp_path: Path) -> None:
    command = f"x='{'ü' * (size // 2)}'; printf %s \"$x\" | wc -c"
    (found,) = await check(command, folder=tmp_path)
    assert (found.result, found.output) == (GREEN, str(size))


async def test_the_log_has_commands_and_output_in_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    await check("echo a; echo b >&2", "echo c", folder=tmp_path, transcript=log)
    assert log.read_text() == "\n$ echo a; echo b >&2\na\nb\n\n$ echo c\nc\n"


async def test_without_bash_a_check_is_inconclusive(tmp_path: Path) -> None:
    (found,) = await run_checks(["true"], cwd=tmp_path, env={"PATH": "/none"}, timeout_s=20.0)
    assert found.result is UNCLEAR
    assert "bash" in found.output


async def test_output_is_bounded_and_its_end_is_there(tmp_path: Path) -> None:
    (found,) = await check("seq 1 1000000; false", folder=tmp_path, keep_bytes=1000)
    assert len(found.output) < 1100
    assert found.output.endswith("\n1000000")


# --- what it means -------------------------------------------------------------------------------


def made(result: CheckResult, command: str = "c", output: str = "") -> Check:
    code = {GREEN: 0, RED: 1, UNCLEAR: None}[result]
    return Check(command=command, result=result, exit_code=code, output=output, duration_s=0.1)


def task(*human: str) -> Task:
    return Task(
        id=TaskId("1/1"), ordinal=1, position=Position(line=1, column=1), human_checks=human
    )


@pytest.mark.parametrize(("was", "strength"), [(RED, 1.0), (UNCLEAR, 0.5), (GREEN, 0.0)])
def test_a_pass_is_worth_what_it_was_before(was: CheckResult, strength: float) -> None:
    verdict = weigh([made(was)], [made(GREEN)], task(), ["w"])
    assert (verdict.verified, verdict.strength) == (Verified.COMMAND, strength)
    assert verdict.warnings[0] == "w"
    assert len(verdict.warnings) == (2 if was is GREEN else 1)
    assert all("proves nothing: c" in warning for warning in verdict.warnings[1:])


@pytest.mark.parametrize("earlier", [[made(GREEN)], [made(UNCLEAR)], []])
def test_where_to_be_green_is_all_that_is_asked_nothing_counts_that_was_before(
    earlier: Sequence[Check],
) -> None:
    verdict = weigh(earlier, [made(GREEN)], task(), is_all=True)
    assert (verdict.strength, verdict.warnings) == (1.0, ())
    assert weigh(earlier, [made(RED)], task(), is_all=True).strength == 0.0
    assert weigh(earlier, [made(GREEN)], task(), is_all=True, elsewhere=True).strength == 0.0


def test_a_command_that_was_not_run_before_is_worth_half() -> None:
    assert weigh([], [made(GREEN)], task()).strength == 0.5


def test_prose_only_is_success_without_proof() -> None:
    verdict = weigh([], [], task())
    assert (verdict.verified, verdict.strength, verdict.checks) == (Verified.NONE, 0.0, ())


@pytest.mark.parametrize("after", [[], [made(GREEN)]])
def test_human_checks_left_are_partial(after: Sequence[Check]) -> None:
    assert weigh([made(RED)], after, task("look at it")).verified is Verified.HUMAN


def test_human_checks_do_not_hide_a_red_command() -> None:
    verdict = weigh([made(RED)], [made(RED)], task("look at it"))
    assert (verdict.verified, verdict.strength) == (Verified.COMMAND, 0.0)


def test_a_check_that_left_the_workspace_proves_nothing() -> None:
    assert weigh([made(RED)], [made(GREEN)], task(), elsewhere=True).strength == 0.0


results = st.sampled_from(CheckResult)


@given(st.lists(st.tuples(results, results), max_size=5))
def test_several_are_worth_the_weakest(pairs: list[tuple[CheckResult, CheckResult]]) -> None:
    earlier = [made(was, str(number)) for number, (was, _) in enumerate(pairs)]
    after = [made(now, str(number)) for number, (_, now) in enumerate(pairs)]
    verdict = weigh(earlier, after, task())
    each = [weigh([was], [now], task()).strength for was, now in zip(earlier, after, strict=True)]
    assert verdict.strength == min(each, default=0.0)
    assert (verdict.strength > 0) <= (failure(after) is None)
    assert verdict.checks == tuple(after)


def test_the_next_try_is_told_the_command_the_code_and_the_end() -> None:
    after = [made(GREEN, "a"), made(RED, "pytest x", "x" * 10_000 + "\nassert 1 == 2")]
    kind, detail = failure(after) or (None, "")
    assert kind is Failure.VERIFY
    assert detail.startswith("The check failed (exit 1): pytest x\n")
    assert detail.endswith("\nassert 1 == 2")
    assert len(detail) < 4200


def test_inconclusive_is_its_own_failure() -> None:
    kind, detail = failure([made(UNCLEAR, "t")]) or (None, "")
    assert kind is Failure.INCONCLUSIVE
    assert detail == "The check could not be judged (no exit code): t\nIt printed nothing."
    assert failure([made(GREEN)]) is None
    assert failure([]) is None


# --- where a command works -----------------------------------------------------------------------

ROOT, WORKSPACE = "/home/me/shop", "/home/me/shop/.orchestrator/worktrees/1"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("cd /home/me/shop && make", f"cd {WORKSPACE} && make"),
        ("cd /home/me/shop; make", f"cd {WORKSPACE}; make"),
        ('cd "/home/me/shop/api" && make', f'cd "{WORKSPACE}/api" && make'),
        ("cat /home/me/shop/a /home/me/shop/b", f"cat {WORKSPACE}/a {WORKSPACE}/b"),
        ("X=/home/me/shop make", f"X={WORKSPACE} make"),
        (f"cat {WORKSPACE}/a", f"cat {WORKSPACE}/a"),
        ("cat /home/me/shopping /home/me/shop-2/a", "cat /home/me/shopping /home/me/shop-2/a"),
        ("cat /mnt/home/me/shop/a", "cat /mnt/home/me/shop/a"),
        ("cd api && make", "cd api && make"),
        ("cd .. ; cd - ; cd", "cd .. ; cd - ; cd"),
    ],
)
def test_the_project_root_becomes_the_workspace(command: str, expected: str) -> None:
    assert rewrite(command, ROOT, WORKSPACE) == (expected, ())


@pytest.mark.parametrize(
    "command",
    [
        "cd /tmp && make",
        "true; cd /tmp/x; make",
        "(cd /tmp; ls)",
        "x=$(cd /tmp && pwd)",
        "if true; then cd /tmp; fi",
        'cd "/tmp/a"',
        "cd -P /tmp",
        "cd -- /tmp",
        "pushd /tmp",
        "cd ~/other",
        "cd $HOME/other",
        f"cd {WORKSPACE}/../other",
        "true\ncd /home/me/shopping",
    ],
)
def test_any_other_absolute_cd_is_a_warning(command: str) -> None:
    same, warnings = rewrite(command, ROOT, WORKSPACE)
    assert same == command
    assert len(warnings) == 1
    assert "cd " in warnings[0]


def test_in_the_plain_directory_nothing_is_rewritten() -> None:
    assert rewrite(f"cd {ROOT} && make", ROOT, ROOT) == (f"cd {ROOT} && make", ())


words = st.lists(
    st.sampled_from([ROOT, WORKSPACE, "/home/me", "/a", "b", " ", "/", "'", ";", "cd ", "-", "."])
)


@given(words.map("".join))
def test_rewriting_twice_is_rewriting_once(command: str) -> None:
    moved, warnings = rewrite(command, ROOT, WORKSPACE)
    assert rewrite(moved, ROOT, WORKSPACE) == (moved, warnings)


@given(st.text())
def test_what_does_not_name_the_root_stays_as_it_is(command: str) -> None:
    assert rewrite(command, "/no/such/root", "/w")[0] == command


# --- the probe: the same checks without the work ---------------------------------------------------


@pytest.mark.parametrize(("without", "strength"), [(RED, 1.0), (UNCLEAR, 0.5), (GREEN, 0.0)])
def test_a_probe_says_what_nobody_knew_before(without: CheckResult, strength: float) -> None:
    verdict = weigh([], [made(GREEN)], task(), probed=[made(without)])
    assert verdict.strength == strength
    warned = [one for one in verdict.warnings if "without the work, too" in one]
    assert len(warned) == (without is GREEN)


def test_only_what_is_not_known_is_probed() -> None:
    assert unproven([], [made(GREEN)]) == [made(GREEN).command]
    assert unproven([made(UNCLEAR)], [made(GREEN)]) == [made(GREEN).command]
    assert unproven([made(RED)], [made(GREEN)]) == []
    assert unproven([made(GREEN)], [made(GREEN)]) == []
    assert unproven([], [made(RED)]) == []
