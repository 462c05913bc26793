"""One attempt -> operations: by its commands, its words, its files, its errors. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.history import Tried
from orchestrator.model import (
    Check,
    CheckResult,
    Failure,
    Outcome,
    Position,
    Route,
    Score,
    Step,
    StepKind,
    Task,
    TaskId,
    Work,
)
from orchestrator.model.outloop import Occurrence
from orchestrator.outloop import detect, rows
from orchestrator.outloop.detect import Worked
from orchestrator.outloop.matching import Words
from orchestrator.outloop.words import LONGEST

AT = "2026-11-28T12:00:00.000Z"
FLOOR = 70.0
MODEL = Route(worker="agent", confidence=1, reason="")
TOOL = Route(worker="tool", confidence=1, reason="", tool="t", pattern="test:pytest")
SCORE = Score(value=1, reasons=())
PLAIN = {
    "number": 1,
    "route": MODEL,
    "score": SCORE,
    "workspace": "",
    "started_at": AT,
    "outcome": Outcome(),
}
TASK = Task(id=TaskId("1/1"), ordinal=1, position=Position(line=1, column=1), name="Run the tests")


def ran(command: str, ok: bool | None = True) -> Step:
    return Step(kind=StepKind.RUN, tool="Bash", target=command, ok=ok)


def touched(path: str, kind: StepKind = StepKind.READ) -> Step:
    return Step(kind=kind, tool="Read", target=path, ok=True)


def found(*steps: Step, title: str = "Add a login page", **more: object) -> dict[str, Occurrence]:
    given = {"workflow": "r p/1 1", "at": AT, "words": Words(title), "steps": steps}
    attempt = Worked(**(given | more))  # type: ignore[arg-type]
    return {one.operation.signature: one for one in detect.occurrences(attempt, FLOOR)}


def test_commands_are_its_operations_each_once_with_how_often_and_how_it_ended():
    seen = found(
        ran("pytest -q tests", ok=False),
        ran("cd web && npx tsc --noEmit"),
        ran("pytest -x tests"),
        ran("pytest -x tests"),
        touched("a.py"),
    )
    assert set(seen) == {"test:pytest:tests", "build:tsc:web"}
    tests = seen["test:pytest:tests"]
    assert (tests.times, tests.ok, tests.command) == (3, True, "pytest -x tests")
    assert (tests.workflow, tests.at, tests.live) == ("r p/1 1", AT, True)


def test_of_a_compound_command_that_failed_nobody_knows_which_part_did():
    seen = found(ran("ruff check src && pytest tests", ok=False))
    assert [one.ok for one in seen.values()] == [None, None]
    assert [one.ok for one in found(ran("pytest tests", ok=False)).values()] == [False]


def test_the_words_of_the_task_say_how_much_it_is_that_operation():
    asked = found(ran("pytest -q"), title="Run the tests")["test:pytest:all"]
    other = found(ran("pytest -q"), title="Add a login page")["test:pytest:all"]
    assert asked.similarity >= FLOOR > other.similarity


def test_a_task_that_is_nothing_else_costs_all_and_what_it_did_besides_is_part_of_it():
    seen = found(
        *[ran("pytest -q"), ran("cat setup.cfg"), touched("a.py"), touched("b.py")],
        title="Run the tests",
        tokens=4000,
        cost_usd=0.4,
    )
    tests = seen.pop("test:pytest:all")
    assert (tests.tokens, tests.cost_usd) == (4000, 0.4)
    assert [(one.tokens, one.cost_usd) for one in seen.values()] == [(None, None)]


def test_an_attempt_that_did_more_than_its_words_say_is_no_whole_task_but_has_its_share():
    seen = found(ran("pytest"), touched("a.py"), title="Run the tests", tokens=4000, whole=False)
    tests = seen["test:pytest:all"]
    assert (tests.similarity, tests.tokens) == (0, 2000)


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        ({}, True),
        ({"steps": (touched("a.py", StepKind.WRITE),)}, False),
        ({"outcome": Outcome(failure=Failure.VERIFY)}, False),
        ({"outcome": Outcome(work=Work(base="a", commit="b", modified=("a.py",)))}, False),
        ({"outcome": None}, False),
        ({"steps_left_out": 1}, False),
    ],
)
def test_a_whole_task_ended_well_and_wrote_nothing(change: dict[str, object], whole: bool):
    tried = Tried(**{**PLAIN, **change})  # type: ignore[arg-type]
    assert detect.worked("r", TASK, tried).whole is whole
    tool = Tried(**{**PLAIN, "route": TOOL})  # type: ignore[arg-type]
    assert not detect.worked("r", TASK, tried, [tool]).whole


def test_elsewhere_an_operation_has_its_share_by_steps_and_of_a_compound_command_its_part():
    steps = [ran("pytest -q"), ran("pytest -q && ruff check ."), touched("a.py")]
    seen = found(*steps, left_out=1, tokens=4000, cost_usd=0.4)
    assert {name: one.tokens for name, one in seen.items()} == {
        "test:pytest:all": 1500,
        "lint:ruff:all": 500,
    }
    assert seen["lint:ruff:all"].cost_usd == pytest.approx(0.05)


def test_what_nobody_told_is_not_known():
    seen = found(ran("pytest -q"), title="Run the tests")["test:pytest:all"]
    assert (seen.tokens, seen.cost_usd) == (None, None)


@given(
    steps=st.lists(
        st.sampled_from(["pytest", "pytest a b", "ruff check . && pytest", "cat x", "cd y", "((("]),
        max_size=8,
    ),
    tokens=st.integers(0, 10**9),
    title=st.sampled_from(["Run the tests", "Write the parser"]),
)
def test_all_parts_together_are_never_more_than_the_whole(
    steps: list[str], tokens: int, title: str
):
    seen = found(*map(ran, steps), title=title, tokens=tokens)
    assert sum(one.tokens or 0 for one in seen.values()) <= tokens + len(seen)


def test_files_say_where_if_all_are_in_one_folder_that_the_task_names():
    steps = [ran("pytest -q"), touched("backend/a.py"), touched("backend/b/c.py", StepKind.WRITE)]
    assert set(found(*steps, title="Mend the backend")) == {"test:pytest:backend"}
    assert set(found(*steps, title="Mend it")) == {"test:pytest:all"}
    assert set(found(*steps, touched("web/x.ts"), title="Mend the backend")) == {"test:pytest:all"}
    assert set(found(*steps, files=("web/x.ts",), title="Mend the backend")) == {"test:pytest:all"}
    assert set(found(ran("pytest -q"), touched("/backend/a.py"), title="the backend")) == {
        "test:pytest:all"
    }
    named = [ran("pytest -q web"), *steps[1:]]
    assert set(found(*named, title="Mend the backend")) == {"test:pytest:web"}


PYTEST_SAYS = """    def test_it():
>       import numpy
E       ModuleNotFoundError: No module named 'numpy'
=========== short test summary info ===========
FAILED tests/test_a.py::test_it - ModuleNotFoundError: No module named 'numpy'"""


def red(command: str, output: str) -> Check:
    return Check(command=command, result=CheckResult.RED, exit_code=1, output=output, duration_s=1)


def test_a_red_check_is_a_failure_of_its_tool_by_what_it_said():
    seen = found(ran("pytest -q"), red=[red("pytest -q tests", PYTEST_SAYS)], error="check is red")
    failed = seen["fail:pytest:ModuleNotFoundError"]
    assert (failed.ok, failed.tokens, failed.command) == (False, None, "pytest -q tests")


def test_without_a_check_the_last_command_that_failed_is_blamed():
    steps = [ran("npx tsc", ok=False), ran("pytest", ok=False), ran("ls")]
    assert "fail:pytest:TimeoutError" in found(*steps, error="TimeoutError: 3 s")
    assert not any(name.startswith("fail") for name in found(ran("ls"), error="TimeoutError: 3 s"))
    assert not any(name.startswith("fail") for name in found(*steps, error="it gave up"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (PYTEST_SAYS, "ModuleNotFoundError"),
        ("src/a.ts(3,1): error TS2304: Cannot find name 'x'.", "TS2304"),
        ("error[E0308]: mismatched types", "E0308"),
        ("bash: pytest: command not found", "command-not-found"),
        ("cat: x: No such file or directory", "no-such-file-or-directory"),
        ("java.lang.NullPointerException", "NullPointerException"),
        ("3 failed, 2 passed", None),
    ],
)
def test_what_errors_are_called(text: str, name: str | None):
    assert detect.error_name(text) == name


def test_a_failure_has_a_bounded_signature_that_reads_back_as_itself():
    seen = found(ran("pytest", ok=False), error=f"{'Very' * 40}LongError: 3")
    (signature,) = [one for one in seen if one.startswith("fail:")]
    assert rows.operation(signature) == seen[signature].operation
    assert len(signature) <= len("fail:pytest:") + LONGEST
