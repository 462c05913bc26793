"""A candidate as a text, word for word; as a file, once; as an issue through `gh`, never twice; and as a draft of a tool."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import SettingsError, UsageError
from orchestrator.model.outloop import Occurrence, Operation, Pattern, PatternStatus, Tool
from orchestrator.outloop import drafting, github, matching, suggestion, toolbox

PATTERN = Pattern(
    id=7, signature="test:pytest:backend", occurrences=12, measured=10, mean_tokens=48000.4,
    mean_cost_usd=0.144, tool_tokens=None, tool_cost_usd=None, monthly_usd=1.728,
    status=PatternStatus.CANDIDATE, confidence=87.9, command="cd backend && pytest -q",
    first_seen="2026-10-30T08:00:00.000Z", last_seen="2026-11-28T12:00:00.000Z",
)  # fmt: skip
BACKEND = Operation(verb="test", tool="pytest", scope="backend")
TOOL = Tool(name="run_test_workflow", script="/t", does=("test",), phrases=(), timeout_s=1.0)
SEEN = [
    Occurrence(
        workflow=f"261128-abcde p/{n} 1",
        operation=BACKEND,
        at=f"2026-11-{n:02}T12:00:00.000Z",
        command="pytest -q `pwd`" if n % 4 == 0 else "cd backend && pytest -q",
    )
    for n in range(1, 13)
]
GOLDEN = """# Automation candidate: test:pytest:backend

**Pattern:** `test:pytest:backend`  
**Seen:** in 12 attempts at tasks, or sessions, 2026-10-30 to 2026-11-28; 87.9 of 100 sure that it is the same each time  
**Of these:** 0 whole tasks that asked for nothing else; 12 only shares of larger tasks, which no tool takes over  
**It would save:** nothing as tasks are planned now: 0 of 12 were whole tasks, and a tool takes only those. As tasks of their own at most $1.73 a month ($20.74 a year), as the last 30 days were

| Each time | With a model | With a script |
|---|---|---|
| Tokens | 48,000 | 0 |
| Cost | $0.14 | $0.00 |

Saved each time that it is a task of its own: $0.14 (100%). Means are of the 10 that told their tokens.

## What is run

- 9x `cd backend && pytest -q`
- 3x `pytest -q 'pwd'`

## What to do

So far it was always a part of a larger task. Plan it as a task of its own, with its command as the check; then:

No tool does this yet. Draft one from what was run, look it over, add it, and approve:

    orchestrator patterns propose test:pytest:backend
    orchestrator patterns approve test:pytest:backend

Or, if it is not to be: `orchestrator patterns reject test:pytest:backend`.

## Latest examples

- 2026-11-12T12:00Z  261128-abcde p/12 1
- 2026-11-11T12:00Z  261128-abcde p/11 1
- 2026-11-10T12:00Z  261128-abcde p/10 1
- 2026-11-09T12:00Z  261128-abcde p/9 1
- 2026-11-08T12:00Z  261128-abcde p/8 1

---
Labels: automation-candidate, cost-optimization  
Priority: low
"""  # noqa: W291 - two spaces end a line in Markdown


def test_the_text_is_this():
    assert suggestion.render(PATTERN, SEEN, None) == GOLDEN


def test_with_a_tool_the_next_step_is_to_approve():
    text = suggestion.render(PATTERN, SEEN, TOOL)
    assert "The tool `run_test_workflow` can do this, where a task asks for nothing else." in text
    assert "patterns approve test:pytest:backend" in text
    assert "propose" not in text


@pytest.mark.parametrize(
    ("whole", "told"),
    [
        (0, "nothing as tasks are planned now: 0 of 12 were whole tasks, and a tool takes only those. As tasks of their own at most $1.73 a month"),
        (5, "at most $0.60 a month ($7.20 a year) as tasks are planned now: 5 of 12 were whole tasks, and a tool takes only those. As tasks of their own all of it would be at most $1.73 a month"),
        (12, "at most $1.73 a month ($20.74 a year), as the last 30 days were"),
    ],
)  # fmt: skip
def test_nothing_is_promised_for_what_no_tool_takes(whole: int, told: str):
    """One of the five was before the last 30 days."""
    seen = [
        one.model_copy(update={"similarity": 100.0 if n < whole else 0.0, "cost_usd": 0.15})
        for n, one in enumerate(SEEN)
    ]
    text = suggestion.render(PATTERN, seen, TOOL, 70.0, "2026-11-02T00:00:00.000Z")
    assert f"**It would save:** {told}" in text
    assert ("no tool takes over" in text) == (whole < 12)
    assert ("always a part of a larger task" in text) == (not whole)
    assert "no tool does it" not in text


def test_what_was_not_measured_is_said_to_be_so():
    unknown = {"mean_tokens": None, "mean_cost_usd": None, "measured": 0}
    text = suggestion.render(PATTERN.model_copy(update=unknown), SEEN, None)
    assert "| Tokens | not measured | 0 |" in text
    assert "What one use costs was not measured." in text


@pytest.mark.parametrize(
    ("monthly", "word"), [(0.5, "low"), (1.99, "low"), (2.0, "medium"), (9.99, "medium"), (10.0, "high")]
)  # fmt: skip
def test_the_more_it_saves_the_higher_is_its_priority(monthly: float, word: str):
    assert suggestion.priority(PATTERN.model_copy(update={"monthly_usd": monthly})) == word


def test_it_is_written_once_and_a_persons_notes_stay(tmp_path: Path):
    (tmp_path / ".orchestrator").mkdir()
    assert suggestion.write(tmp_path, PATTERN, "text\n")
    path = tmp_path / ".orchestrator" / "suggestions" / "test-pytest-backend.md"
    path.write_text("text\nmy notes\n")
    assert not suggestion.write(tmp_path, PATTERN, "other\n")
    assert path.read_text() == "text\nmy notes\n"


def test_no_signature_leads_out_of_the_folder(tmp_path: Path):
    (tmp_path / ".orchestrator").mkdir()
    odd = PATTERN.model_copy(update={"signature": f"run:x:../../{'y' * 400}"})
    assert suggestion.write(tmp_path, odd, "text\n")
    (path,) = (tmp_path / ".orchestrator" / "suggestions").iterdir()
    assert path.read_text() == "text\n"


@pytest.mark.parametrize(
    "signature",
    ["test:npm:web:unit", "test:npm:web-unit", "test:npm:web/unit", "test:npm:Web-unit"],
)
def test_a_name_has_nothing_that_a_file_system_refuses_and_is_its_own(
    signature: str, tmp_path: Path
):
    others = {"test:npm:web:unit", "test:npm:web-unit", "test:npm:web/unit"} - {signature}
    names = {suggestion.place(tmp_path, PATTERN.model_copy(update={"signature": one})).name for one in others}  # fmt: skip
    name = suggestion.place(tmp_path, PATTERN.model_copy(update={"signature": signature})).name
    assert re.fullmatch(r"test-npm-[wW]eb-unit(-[0-9a-f]{8})?\.md", name)
    assert name.casefold() not in {one.casefold() for one in names}


# --- issues -------------------------------------------------------------------------------------------

GH = """#!/usr/bin/env python3
import json, pathlib, sys
here = pathlib.Path(__file__).parent
words = sys.argv[1:]
with (here / "calls").open("a") as file:
    file.write(json.dumps(words) + "\\n")
if (here / "refuse").exists() and words[:2] == ["issue", "create"]:
    sys.exit("HTTP 401: Bad credentials")
if words[:2] == ["label", "create"]:
    sys.exit("label already exists")
if words[:2] == ["issue", "list"]:
    path = here / "issues"
    print(path.read_text() if path.exists() else "[]")
if words[:2] == ["issue", "create"]:
    (here / "body").write_text(sys.stdin.read())
    print("https://github.example/o/r/issues/102")
"""


@pytest.fixture
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `gh` of our own, first on the PATH: it notes how it is called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def calls(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "calls").read_text().splitlines()]


async def test_an_issue_is_opened_with_words_that_no_shell_reads(gh: Path, tmp_path: Path):
    title = "a $(touch hacked) `title`"
    where = await github.open_issue(tmp_path, title, "the body\n", ("one", "two"))
    assert where == "https://github.example/o/r/issues/102"
    create = ["issue", "create", "--title", title, "--body-file", "-", "--label", "one", "--label", "two"]  # fmt: skip
    assert calls(gh)[-1] == create
    assert (gh / "body").read_text() == "the body\n"
    assert not (tmp_path / "hacked").exists()


async def test_one_of_that_title_that_somebody_opened_counts(gh: Path, tmp_path: Path):
    issues = [{"title": "other", "url": "u/1"}, {"title": "mine", "url": "u/2"}]
    (gh / "issues").write_text(json.dumps(issues))
    assert await github.open_issue(tmp_path, "mine", "body", ()) == "u/2"
    assert all(words[:2] != ["issue", "create"] for words in calls(gh))


async def test_what_gh_says_is_told_with_a_next_step(gh: Path, tmp_path: Path):
    (gh / "refuse").touch()
    with pytest.raises(SettingsError, match=r"gh issue create failed: HTTP 401.*gh auth status"):
        await github.open_issue(tmp_path, "t", "b", ("one",))


@pytest.mark.parametrize(
    "said",
    [
        "",
        "no issues match\n",
        "{}",
        '[{"title": "t"}]',
        '["t"]',
        '[{"title": 1, "url": "u"}]',
        "null",
    ],
)
async def test_an_answer_that_nobody_understands_is_told_with_a_next_step(
    said: str, gh: Path, tmp_path: Path
):
    (gh / "issues").write_text(said)
    with pytest.raises(SettingsError, match=r"gh issue list said .*Next: .*leave out --github"):
        await github.open_issue(tmp_path, "t", "b", ())
    (gh / "gh").write_text(f"#!/bin/sh\ncat <<'E'\n{said}\nE\n")
    with pytest.raises(SettingsError, match=r"gh issue view said .*Next: .*leave out --comment"):
        await github.comment(tmp_path, "7", "mark", "b")


@pytest.mark.parametrize(
    ("words", "step"),
    [
        ("HTTP 410: Issues are disabled for this repo", "switch issues on"),
        ("To get started with GitHub CLI, please run:  gh auth login", "gh auth status"),
        ("HTTP 404: Not Found", "gh repo view"),
        ("no git remotes found", "gh repo view"),
        ("something else.", "try what it says by hand"),
    ],
)
async def test_the_next_step_is_that_of_what_gh_said(
    words: str, step: str, gh: Path, tmp_path: Path
):
    (gh / "gh").write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    with pytest.raises(SettingsError) as told:
        await github.open_issue(tmp_path, "t", "b", ())
    assert str(told.value).partition(". Next: ")[2].startswith(step)


async def test_without_gh_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match=r"gh cannot be started.*install it"):
        await github.open_issue(tmp_path, "t", "b", ())


# --- drafts -------------------------------------------------------------------------------------------


def test_a_draft_is_a_tool_that_runs_what_was_run_most(tmp_path: Path):
    seen = [one.model_copy(update={"command": "echo did it"}) for one in SEEN[:9]] + SEEN[9:]
    manifest, script = drafting.write(tmp_path, drafting.draft(PATTERN, seen))
    assert manifest == tmp_path / ".orchestrator" / "tools" / "draft" / "test_pytest_backend.toml"
    tool = toolbox.read(manifest)
    assert (tool.name, tool.does, tool.script) == ("test_pytest_backend", (PATTERN.signature,), str(script))  # fmt: skip
    done = subprocess.run(["bash", script], capture_output=True, text=True, check=True)
    assert done.stdout == "did it\n"
    assert "# 2x cd backend && pytest -q" in script.read_text()


@pytest.mark.parametrize(
    ("command", "signature", "own"),
    [
        ("ruff check src && python -m pytest -q", "lint:ruff:src", "ruff check src"),
        ("ruff check src && python -m pytest -q", "test:pytest:all", "python -m pytest -q"),
        ("cd a && export CI=1; echo hi && pytest -q; git diff", "test:pytest:a", "cd a\nexport CI=1\npytest -q"),
        ("A=1; pytest backend; B=2; ruff check src", "test:pytest:backend", "A=1\npytest backend"),
        ("pytest backend && pytest frontend", "test:pytest:backend", "pytest backend"),
        ("pytest x && mypy y", "test:pytest:elsewhere", "pytest x"),
        ("pytest -q 2>&1 | tail -5 && ruff check src", "test:pytest:all", "pytest -q 2>&1 | tail -5"),
        ("cd a && pytest", "test:pytest:a", "cd a && pytest"),
        ("ruff check src || pytest", "lint:ruff:src", "ruff check src || pytest"),
        ("pytest & ruff check src", "lint:ruff:src", "pytest & ruff check src"),
        ("cat > x <<E\nmypy\nE\npytest", "test:pytest:all", "cat > x <<E\nmypy\nE\npytest"),
        ("pytest 'a && mypy b", "test:pytest:all", "pytest 'a && mypy b"),
        ("mypy a && mypy b", "lint:ruff", "mypy a && mypy b"),
    ],
)  # fmt: skip
def test_of_a_command_that_did_more_a_draft_runs_what_the_pattern_is(
    command: str, signature: str, own: str
):
    pattern = PATTERN.model_copy(update={"signature": signature})
    seen = [one.model_copy(update={"command": command}) for one in SEEN]
    script = drafting.draft(pattern, seen).script
    assert f"set -euo pipefail\n\n{own}\n" in script
    assert (f"# {len(SEEN)}x {' '.join(command.split())}" in script) == (own != command)


def test_a_draft_that_is_there_stays(tmp_path: Path):
    drafting.write(tmp_path, drafting.draft(PATTERN, SEEN))
    with pytest.raises(UsageError, match=r"is there already.*tools add .*--force"):
        drafting.write(tmp_path, drafting.draft(PATTERN, SEEN))
    manifest, _ = drafting.write(tmp_path, drafting.draft(PATTERN, SEEN), anew=True)
    assert toolbox.read(manifest).does == (PATTERN.signature,)


@pytest.mark.parametrize(
    ("signature", "check", "asked"),
    [
        ("test:pytest:backend", "pytest backend -q", "Run the backend tests"),
        ("test:npm:all", "npm test", "Run the tests"),
        ("build:tsc:frontend", "tsc -p frontend", "Run the frontend build"),
        ("lint:ruff:all", "ruff check .", "Lint the code"),
        ("format:prettier:web", "prettier --check web", "Format the web"),
        ("run:docker:all", "docker compose up", "Run docker"),
        ("test:npm:web:unit", "cd web && npm run unit", "Run the web tests of unit"),
    ],
)
def test_the_phrases_of_a_draft_are_what_tasks_say(
    signature: str, check: str, asked: str, tmp_path: Path
):
    pattern = PATTERN.model_copy(update={"signature": signature})
    manifest, _ = drafting.write(tmp_path, drafting.draft(pattern, SEEN))
    said = toolbox.read(manifest).phrases
    assert asked.lower() in said
    for phrase in said:
        words = matching.Words(f"{phrase.capitalize()}.", "", (check,))
        assert matching.score(words, signature, said) == 100, phrase


def test_a_command_that_is_not_known_whole_is_not_run():
    cut = [one.model_copy(update={"command": "x" * 200}) for one in SEEN]
    with pytest.raises(UsageError, match="was recorded whole"):
        drafting.draft(PATTERN, cut)
    assert "\nxxx" not in drafting.draft(PATTERN, [*cut, SEEN[0]]).script


def test_a_here_document_whose_text_was_not_kept_is_not_run():
    """It would empty the file."""
    bare = [one.model_copy(update={"command": "cat > a.py <<'E'\nE\npytest"}) for one in SEEN]
    with pytest.raises(UsageError, match="was recorded whole"):
        drafting.draft(PATTERN, bare)
    assert "\ncat" not in drafting.draft(PATTERN, [*bare, SEEN[0]]).script


@pytest.mark.parametrize(
    "signature", ["run:9z:All_Of-It.py", "run:python:all:é.py", "vcs:git-diff"]
)
def test_its_name_is_one_that_a_tool_may_have(signature: str, tmp_path: Path):
    pattern = PATTERN.model_copy(update={"signature": signature})
    manifest, _ = drafting.write(tmp_path, drafting.draft(pattern, SEEN))
    assert toolbox.read(manifest).does == (signature,)


def test_whole_tasks_and_shares_are_told_apart():
    seen = [one.model_copy(update={"similarity": 70.0}) for one in SEEN[:5]] + SEEN[5:]
    text = suggestion.render(PATTERN, seen, None, 70.0)
    assert "5 whole tasks that asked for nothing else; 7 only shares of larger tasks" in text


def test_no_key_of_anybody_is_in_a_suggestion_or_a_draft():
    key = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3gH5"
    commands = [f"curl -H {key} x", "git push https://me:hunter2hunter@git.example.org/x"]
    seen = [one.model_copy(update={"command": commands[n % 2]}) for n, one in enumerate(SEEN)]
    text = suggestion.render(PATTERN, seen, None)
    plain = [*seen, SEEN[0]]
    text += drafting.draft(PATTERN, plain).script
    assert key not in text
    assert "hunter2" not in text
