"""Words that say an operation and nothing else, and words that say more: a false match costs a task, a missed one only a model's try."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import reader
from orchestrator.model import Element, PlanId, Position, Task, TaskId, Tier
from orchestrator.model.outloop import Pattern, PatternStatus, Tool, ToolStatus
from orchestrator.outloop.matching import (
    Match,
    Words,
    match,
    outside,
    refuses,
    score,
    serving,
    wants,
)

TESTS = ("run tests", "test suite", "pytest", "vitest")
BUILDS = ("build", "typecheck", "compile")
BACKEND = "test:pytest:backend"
HERE = Position(line=1, column=1)

# title, action, the commands of its check, the signature that it says
SAYS = [
    ("Run the backend tests", "", "pytest backend", BACKEND),
    ("Run the backend tests", "Run `pytest backend -q`.", "pytest backend -q", BACKEND),
    ("Run backend tests", "Run the backend test suite with pytest and make sure all of it passes.", "pytest backend", BACKEND),
    ("Run all backend tests", "Execute the whole test suite of the backend. All tests must pass.", "pytest backend", BACKEND),
    ("Re-run the backend tests", "Run them once again; there must be no failures.", "pytest backend", BACKEND),
    ("Re-run the backend tests", "Run them once again; there must be no failures or errors.", "pytest backend", BACKEND),
    ("Run pytest in backend", "", "cd backend && pytest", BACKEND),
    ("Execute the backend test suite", "Report the failures.", "pytest backend", BACKEND),
    ("Verify that the backend tests pass", "Run pytest on the backend.", "pytest backend", BACKEND),
    ("Check the backend tests", "Do not change any files.", "pytest backend", BACKEND),
    ("Backend test suite", "Run it with pytest.", "pytest backend", BACKEND),
    ("Running the backend tests", "```bash\npytest backend\n```", "pytest backend", BACKEND),
    ("Run the tests", "", "pytest", "test:pytest:all"),
    ("Run the full test suite", "Run all tests and ensure that everything is green.", "python -m pytest", "test:pytest"),
    ("Run the test suite", "Don't fix anything.", "pytest -q", "test:pytest:all"),
    ("Run the frontend tests", "Run vitest in frontend.", "cd frontend && npx vitest run", "test:vitest:frontend"),
    ("Run the test suite", "", "npm test", "test:npm:all"),
    ("Confirm that all tests still pass", "Run `npm test`.", "npm test", "test:npm:all"),
    ("Run the build", "", "npm run build", "build:npm:all"),
    ("Run the frontend build", "Run `npm run build` in frontend.", "cd frontend && npm run build", "build:npm:frontend"),
    ("Typecheck the frontend", "Run tsc.", "cd frontend && npx tsc --noEmit", "build:tsc:frontend"),
    ("Verify that the project compiles", "Run `npx tsc --noEmit`; it must exit with 0.", "npx tsc --noEmit", "build:tsc:all"),
    ("Build the project", "", "cargo build", "build:cargo:all"),
    ("Check that the build passes", "Run cargo build.", "cargo build", "build:cargo"),
    ("Run the build", "Run make.", "make", "build:make:all"),
    ("Run the linter", "Run eslint.", "npx eslint .", "lint:eslint:all"),
    ("Lint the frontend", "", "cd frontend && npx eslint .", "lint:eslint:frontend"),
    ("Run prettier", "Format everything with prettier.", "npx prettier --check .", "format:prettier:all"),
]  # fmt: skip
# The same, but they say something else, or more.
SAYS_MORE = [
    ("Build the login page", "Build the login page with a form.", "npm run build", "build:npm:all"),
    ("Build the login page", "", "npm run build", "build:npm:all"),
    ("Build the frontend components", "", "npm run build", "build:npm:frontend"),
    ("Build the frontend", "", "npm run build", "build:npm:frontend"),
    ("Build the backend", "Build the API of the backend.", "npm run build", "build:npm:backend"),
    ("Build a test suite", "", "pytest", "test:pytest:all"),
    ("Build a typecheck step for CI", "", "npx tsc", "build:tsc:all"),
    ("Run the tests and fix what fails", "", "pytest", "test:pytest:all"),
    ("Run the tests and repair the failing ones", "", "pytest", "test:pytest:all"),
    ("Run the tests", "Run the tests. Fix every failure.", "pytest", "test:pytest:all"),
    ("Run the tests", "Run pytest; if something fails, find out why.", "pytest", "test:pytest:all"),
    ("Run the tests until they pass", "", "pytest", "test:pytest:all"),
    ("Write tests for the parser", "", "pytest", "test:pytest:all"),
    ("Write the backend tests", "", "pytest backend", BACKEND),
    ("Add backend tests", "Run pytest.", "pytest backend", BACKEND),
    ("Tests for the backend", "", "pytest backend", BACKEND),
    ("Backend tests", "", "pytest backend", BACKEND),
    ("Test the backend", "", "pytest backend", BACKEND),
    ("Test the login page", "", "pytest", "test:pytest:all"),
    ("Make the backend tests pass", "", "pytest backend", BACKEND),
    ("Get the tests green", "", "pytest", "test:pytest:all"),
    ("Speed up the tests", "Run them in parallel.", "pytest -n 4", "test:pytest:all"),
    ("Run the backend tests in parallel", "", "pytest backend", BACKEND),
    ("Run the backend tests against the staging database", "", "pytest backend", BACKEND),
    ("Run the backend tests with coverage", "", "pytest backend", BACKEND),
    ("Run only the failing backend tests", "", "pytest backend", BACKEND),
    ("Run the slow backend tests", "", "pytest backend", BACKEND),
    ("Run the integration tests", "", "pytest", "test:pytest:all"),
    ("Run the frontend tests", "", "pytest backend", BACKEND),
    ("Run the backend and the frontend tests", "", "pytest backend", BACKEND),
    ("Run the tests and the build", "", "pytest && npm run build", "test:pytest:all"),
    ("Run the tests and deploy", "", "pytest", "test:pytest:all"),
    ("Run the backend tests and document the results", "", "pytest backend", BACKEND),
    ("Run the backend tests", "Write what fails into REPORT.md.", "pytest backend", BACKEND),
    ("Run the backend tests", "Run `pytest backend`, then `git push`.", "pytest backend", BACKEND),
    ("Run the backend tests", "Run the backend test suite with pytest or vitest, then deploy.", "pytest backend", BACKEND),
    ("Run the backend tests", "Run the migrations first.", "pytest backend", BACKEND),
    ("Run the backend tests", "Skip the slow ones.", "pytest backend", BACKEND),
    ("Run the backend tests", "Do not change anything but the fixtures.", "pytest backend", BACKEND),
    ("Run the backend", "", "pytest backend", BACKEND),
    ("Run the migrations of the backend", "", "pytest backend", BACKEND),
    ("Review the backend tests", "", "pytest backend", BACKEND),
    ("Refactor the backend tests", "Run pytest afterwards.", "pytest backend", BACKEND),
    ("Migrate the backend tests to pytest", "", "pytest backend", BACKEND),
    ("Configure vitest", "Run the tests with vitest.", "npx vitest run", "test:vitest:all"),
    ("Set up pytest", "", "pytest", "test:pytest:all"),
    ("Compile a list of the endpoints", "", "cargo build", "build:cargo:all"),
    ("Compile the release notes", "", "cargo build", "build:cargo:all"),
    ("Fix the build", "", "npm run build", "build:npm:all"),
    ("Speed up the build", "", "npm run build", "build:npm:all"),
    ("Verify the login flow", "Run the app and click through it.", "npm test", "test:npm:all"),
    ("Add linting", "Run eslint.", "npx eslint .", "lint:eslint:all"),
    ("Format the error messages", "", "npx prettier --check .", "format:prettier:all"),
    ("Run the tests", "", "make check", "test:pytest:all"),
    ("Run the tests", "", "pytest frontend", BACKEND),
    ("Verify full test suite green", "Run the full test suite.\nExpected output:\n- 335+ passing tests (2 may become skipped)", "npm test", "test:npm:all"),
    ("", "", "pytest backend", BACKEND),
    ("Run the tests", "运行测试并修复失败的测试", "pytest", "test:pytest:all"),
    ("Run the tests 并修复", "", "pytest", "test:pytest:all"),
    ("Run the tests", "Run pytest. Исправь ошибки.", "pytest", "test:pytest:all"),
    ("Complete the test suite", "", "pytest", "test:pytest:all"),
    ("Complete the test suite", "Run pytest.", "pytest", "test:pytest:all"),
    ("Finish the backend tests", "Run pytest.", "pytest backend", BACKEND),
    ("Finish the backend pytest test suite", "Run them.", "pytest backend", BACKEND),
    ("Make a test command", "Run it.", "make test", "test:make:all"),
    ("Make a test command", "", "pytest", "test:pytest:all"),
    ("Ensure there are tests for the backend", "Run pytest.", "pytest backend", BACKEND),
    ("Ensure tests for the backend", "", "pytest backend", BACKEND),
    ("Ensure backend tests", "", "pytest backend", BACKEND),
    ("Check for backend tests", "", "pytest backend", BACKEND),
    ("Check the backend has tests", "", "pytest backend", BACKEND),
    ("Make the project compile", "", "make", "build:make:all"),
    ("Make the project compile", "Run the build.", "cargo build", "build:cargo:all"),
    ("Build the project", "Then make the project compile.", "make", "build:make:all"),
    ("Check that the project has a build", "Run make.", "make", "build:make:all"),
    ("Have a full backend test suite", "", "pytest backend", BACKEND),
    ("Run end to end tests", "", "pytest", "test:pytest:all"),
    ("Run the backend tests", "Run the tests and make sure there are no warnings.", "pytest backend", BACKEND),
    ("Run the backend tests", "No warnings.", "pytest backend", BACKEND),
    ("Run the backend tests", "Run the backend pytest vitest test suite with no new warnings.", "pytest backend", BACKEND),
    ("Run the backend tests", "Run the backend pytest vitest test suite with failures.", "pytest backend", BACKEND),
    ("Run the backend tests", "Run the backend pytest vitest test suite with problems.", "pytest backend", BACKEND),
]  # fmt: skip


def phrases(signature: str) -> tuple[str, ...]:
    return {"test": TESTS, "build": BUILDS}.get(signature.partition(":")[0], ())


@pytest.mark.parametrize(("title", "action", "command", "signature"), SAYS)
def test_words_that_say_an_operation_and_nothing_else(
    title: str, action: str, command: str, signature: str
) -> None:
    assert score(Words(title, action, [command]), signature, phrases(signature)) >= 70


@pytest.mark.parametrize(("title", "action", "command", "signature"), SAYS_MORE)
def test_words_that_say_something_else_or_more(
    title: str, action: str, command: str, signature: str
) -> None:
    assert score(Words(title, action, [command]), signature, phrases(signature)) < 70


@given(st.text(max_size=80), st.text(max_size=200), st.text(max_size=80), st.sampled_from(["test:pytest:backend", "build:npm", "x:y"]))  # fmt: skip
def test_a_score_is_a_score_for_any_words(title: str, action: str, run: str, name: str) -> None:
    assert 0 <= score(Words(title, action, [run]), name, TESTS) <= 100


@given(
    st.sampled_from(SAYS), st.sampled_from(["authentication", "websocket", "invoices", "tenant"])
)
def test_one_word_that_is_not_explained_is_enough_to_leave_a_title_alone(
    case: tuple[str, str, str, str], word: str
) -> None:
    title, action, command, signature = case
    assert score(Words(f"{title} {word}", action, [command]), signature, phrases(signature)) < 70


# What a check says by itself, in the words of people.
RESULTS = [
    "", "ok", "OK.", "Done.", "Green", "It passes", "All pass", "They pass.", "exit 0", "Exits with 0.", "It exits with code 0.",
    "Everything works.", "No errors.", "No failures", "Nothing fails.", "Successful", "It is finished.", "Completed without errors", "No errors or failures",
    "No failures, no errors.", "There are no errors.",
]  # fmt: skip
OWN_RESULTS = {
    "test": ["All tests pass.", "The test suite is green.", "No failing tests", "No test fails.", "Tested", "0 failed"],
    "build": ["Built", "The build succeeds.", "The project compiles.", "It compiled.", "No type errors", "The build is complete."],
    "lint": ["Linted.", "No lint errors."],
    "format": ["Formatted", "Everything is formatted."],
}  # fmt: skip
MORE = [
    "Coverage is above 90%", "All 42 tests pass", "The report is in docs/report.md", "Fix what fails.", "The tests pass and are documented.",
    "It is deployed.", "All tests pass and none is skipped", "The bundle is smaller than 2 MB", "修复失败的测试", "It takes less than 5 minutes",
    "Make the login page work.", "There are tests for the parser.", "No performance regressions", "All tests pass, not only these", "CI is green",
    "Complete the tests.", "Finish all tests",
    # A program that warns ends with 0.
    "No warnings", "Tests pass without warnings", "Built without warnings.", "No issues", "No problems found", "0 warnings, 0 errors", "No errors or warnings",
    # The contrary of well.
    "All tests error", "The command returns an error", "Tests run with failures", "Errors", "Failures", "It ends with warnings", "Issues", "The problem is complete",
]  # fmt: skip


@pytest.mark.parametrize(("title", "action", "command", "signature"), SAYS)
def test_done_in_any_words_of_a_check_decides_nothing(
    title: str, action: str, command: str, signature: str
) -> None:
    bare = score(Words(title, action, [command]), signature, phrases(signature))
    for done in (*RESULTS, *OWN_RESULTS[signature.partition(":")[0]]):
        words = Words(title, action, [command], done)
        assert score(words, signature, phrases(signature)) == bare, done


@pytest.mark.parametrize("done", MORE)
@pytest.mark.parametrize(("title", "action", "command", "signature"), SAYS)
def test_done_that_wants_more_ends_it(
    title: str, action: str, command: str, signature: str, done: str
) -> None:
    words = Words(title, action, [command], done)
    assert score(words, signature, phrases(signature)) == 0
    assert wants(words, signature, phrases(signature))


@given(
    st.sampled_from([*SAYS, *SAYS_MORE]),
    st.one_of(
        st.text(max_size=80),
        st.lists(
            st.sampled_from(["run", "the", "backend", "tests", "pass", "build", "pytest", "ok"])
        ).map(" ".join),
    ),
)
def test_done_never_adds_to_a_score(case: tuple[str, str, str, str], done: str) -> None:
    title, action, command, signature = case
    bare = score(Words(title, action, [command]), signature, phrases(signature))
    assert score(Words(title, action, [command], done), signature, phrases(signature)) in (0, bare)


def test_of_a_task_done_is_apart_from_its_words() -> None:
    one = Words.of(task(action="Run pytest.", done="It passes."))
    assert (one.action, one.done) == ("Run pytest.", "It passes.")


# --- which pattern ---------------------------------------------------------------------------------


def task(title: str = "Run the backend tests", **more: object) -> Task:
    given = {
        "id": TaskId("1/1"),
        "ordinal": 1,
        "position": HERE,
        "name": title,
    }
    return Task.model_validate({"commands": ("pytest backend -q",), **given, **more})


def pattern(signature: str = BACKEND, **more: object) -> Pattern:
    given = {
        "id": 1, "signature": signature, "occurrences": 5, "measured": 5, "mean_tokens": 1.0, "mean_cost_usd": 1.0,
        "tool_tokens": None, "tool_cost_usd": None, "monthly_usd": 1.0, "status": PatternStatus.ACTIVE,
        "confidence": 80, "command": "", "first_seen": "", "last_seen": "", "tool": "t",
    }  # fmt: skip
    return Pattern.model_validate({**given, **more})


def tool(**more: object) -> Tool:
    given = {"name": "t", "script": "/t", "does": ("test",), "phrases": TESTS, "timeout_s": 1}
    return Tool.model_validate({**given, **more})


def found(
    one: Task, *pairs: tuple[Pattern, Tool], floor: float = 70, margin: float = 10
) -> Match | str:
    return match(one, pairs, floor=floor, margin=margin)


def test_what_matches_says_why() -> None:
    got = found(task(), (pattern(), tool()))
    assert isinstance(got, Match)
    assert (got.pattern.signature, got.score, got.margin) == (BACKEND, 100, None)
    assert "test:pytest:backend" in got.reason
    assert "match 100" in got.reason
    assert "the tool t" in got.reason


def test_seventy_is_enough_and_sixty_nine_is_not() -> None:
    one = (pattern(), tool())
    exact = found(task(), one, floor=100)
    assert isinstance(exact, Match)
    assert found(task(), one, floor=100.1) == "the nearest pattern is test:pytest:backend with 100; 100.1 are needed"  # fmt: skip


def test_two_that_are_near_are_none() -> None:
    both = task(commands=("pytest backend && vitest backend",))
    rival = (pattern("test:vitest:backend", id=2), tool())
    got = found(both, (pattern(), tool()), rival)
    assert isinstance(got, str)
    assert "nearer than 10" in got
    alone = found(task(), (pattern(), tool()), rival)
    assert isinstance(alone, Match)
    assert alone.margin == 40


def test_a_parent_is_no_rival_and_the_more_specific_one_is_taken() -> None:
    both = task("Run the tests", commands=("pytest backend",))
    got = found(both, (pattern("test:pytest", id=2), tool()), (pattern(), tool()))
    assert isinstance(got, Match)
    assert (got.pattern.signature, got.margin) == (BACKEND, None)


@pytest.mark.parametrize(
    ("title", "check", "is_one"),
    [
        ("Run the backend tests", "pytest backend -q", True),
        ("Run the backend tests", "pytest", False),  # nobody says what backend is
        ("Run the backend tests", "pytest frontend", False),
        ("Run the backend tests", "vitest backend", False),
    ],
)
def test_a_pattern_above_does_what_its_check_says_where(
    title: str, check: str, is_one: bool
) -> None:
    one = task(title, commands=(check,))
    got = found(one, (pattern("test:pytest"), tool()))
    assert isinstance(got, Match) == is_one


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"type": "checkpoint:human-verify"}, "checkpoint"),
        ({"type": "tracer"}, "tracer"),
        ({"tdd": True}, "tdd"),
        ({"worker": "claude"}, "worker"),
        ({"subagent": "bash"}, "worker"),
        ({"model": Tier.OPUS}, "model"),
        ({"model_lock": True}, "model"),
        ({"review": Tier.OPUS}, "review"),
        ({"attributes": {"quality": "chrome"}}, "quality"),
        ({"commands": ()}, "no command"),
        ({"human_checks": ("look",)}, "person"),
    ],
)
def test_a_plan_s_own_word_stands(more: dict[str, object], why: str) -> None:
    assert refuses(task()) is None
    assert refuses(task(subagent="general-purpose")) is None  # `annotate` writes it: any agent
    assert why in (refuses(task(**more)) or "")
    assert isinstance(found(task(**more), (pattern(), tool())), str)


def test_files_to_write_are_those_that_the_tool_declares() -> None:
    writes = task(files=("dist/app.js",))
    assert isinstance(found(writes, (pattern(), tool())), str)
    assert outside(writes, tool(writes=("dist/*",))) == ()
    assert isinstance(found(writes, (pattern(), tool(writes=("dist/*",)))), Match)


@pytest.mark.parametrize(
    "more",
    [
        {"done": "The tests pass, and the report is in docs/report.md"},
        {"elements": (Element(tag="context", text="Mind the database.", position=HERE),)},
    ],
)
def test_what_else_a_task_says_counts_too(more: dict[str, object]) -> None:
    assert isinstance(found(task(done="All tests pass."), (pattern(), tool())), Match)
    assert isinstance(found(task(**more), (pattern(), tool())), str)


@pytest.mark.parametrize(
    "pair",
    [
        (pattern(status=PatternStatus.IMPLEMENTED), tool()),
        (pattern(tool="other"), tool()),
        (pattern(), tool(status=ToolStatus.DISABLED)),
    ],
)
def test_only_an_active_pattern_with_its_enabled_tool_counts(pair: tuple[Pattern, Tool]) -> None:
    assert found(task(), pair) == "no pattern is active with a tool that is enabled"


def test_the_tool_with_the_longest_beginning_serves_and_an_own_one_before_a_shipped_one() -> None:
    wide, near = tool(shipped=True), tool(name="n", does=("test:pytest",))
    assert serving(BACKEND, [wide, near]) == near
    assert serving("test:vitest", [wide, near]) == wide
    assert serving("build:npm", [wide, near]) is None
    assert serving("testing:x", [wide]) is None
    assert serving(BACKEND, [wide, tool(name="mine")]) == tool(name="mine")


# --- real plans ------------------------------------------------------------------------------------


def test_of_all_tasks_of_1344_real_plans_none_is_taken_though_each_of_their_tools_had_a_pattern(
    shared: Path,
) -> None:
    """Looked at by eye: two of them want nothing else ("Verify full test suite green"), and say more than that.

    Also without the gates on files and words of the plan: text alone takes none.
    """
    tools = {"test": ("pytest", "vitest", "npm", "rails", "go", "bun", "cargo"), "build": ("npm", "tsc", "go", "cargo", "mkdocs")}  # fmt: skip
    seen, taken = 0, list[str]()
    for path in sorted((shared / "data" / "plans").rglob("*PLAN*.md")):
        read = reader.read(
            path.read_bytes(), path.name, id=PlanId("x"), max_bytes=2_000_000, max_tasks=500
        )
        for one in read.plan.tasks if read.plan else ():
            seen += not one.is_checkpoint
            words = Words.of(one)
            text = f"{one.title} {one.action}".casefold()
            for verb, names in tools.items():
                near = [
                    name for name in names if name in text or any(name in c for c in one.commands)
                ]
                hits = (score(words, f"{verb}:{name}", phrases(verb)) >= 70 for name in near)
                if verb in text and not one.is_checkpoint and any(hits):
                    taken.append(one.title)
    assert seen == 2968
    assert taken == []
