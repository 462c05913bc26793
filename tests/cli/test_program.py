"""The command as a whole: what it loads, how it refuses, how it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from orchestrator import cli
from orchestrator.cli import reference
from orchestrator.errors import RecordError
from tests.cli.projects import Project, makes, task
from tests.conftest import REPOSITORY

HEAVY = "lxml networkx structlog tenacity yaml markdown_it rich.live http.server aiohttp starlette"
LOADED = """
import sys
sys.argv = ["orchestrator", *{words!r}]
from orchestrator.cli import main
try:
    main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["version"]])
def test_help_loads_nothing_heavy(project: Project, words: list[str]):
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(words=words)],
        env=project.environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert "orchestrator.cli" in loaded
    assert loaded.isdisjoint(HEAVY.split())


def test_every_command_is_in_the_checked_in_reference():
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == reference.render(), "python -m orchestrator.cli.reference > docs/cli.md"
    wanted = "run resume retry lint graph runs show explain approve reject doctor init version"
    assert [word for word in wanted.split() if f"\n## orchestrator {word}\n" not in page] == []


def test_help_names_the_exit_codes(project: Project):
    told = project.told("--help")
    assert "64 usage, 70 our bug, 130 interrupted" in told.replace("\n", " ")
    assert project.told("-h") == told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Usage: orchestrator [OPTIONS] COMMAND"),
        (["runn"], "No such command 'runn'"),
        (["run"], "Missing argument 'PATH'"),
        (["run", "nowhere"], "nowhere: no such file or folder"),
        (["run", ".", "--workers", "0"], "--workers"),
        (["run", ".", "--unheard-of"], "--unheard-of"),
        (["run", "."], "no PLAN.md"),
        (["lint", "nowhere"], "no such file or folder"),
    ],
)
def test_wrong_usage_is_64_and_names_the_word(project: Project, words: list[str], says: str):
    done = project.call(*words)
    assert (done.returncode, done.stdout) == (64, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_has_two_spellings(project: Project):
    assert project.told("version").startswith("orchestrator 0.")
    assert project.told("--version") == project.told("version")


def test_a_settings_error_is_3_and_suggests(project: Project):
    project.write(makes("Task 1: a", "a.txt"))
    (project.root / ".orchestrator" / "config.toml").write_text("[run]\nworker = 2\n")
    done = project.call("run", "demo-PLAN.md")
    assert (done.returncode, done.stdout) == (3, "")
    assert "error: " in done.stderr
    assert "did you mean workers?" in done.stderr


def test_a_damaged_journal_is_4(project: Project):
    project.write(makes("Task 1: a", "a.txt"))
    (project.root / ".orchestrator" / "journal.db").write_bytes(b"not a database" * 100)
    for words in (["run", "demo-PLAN.md"], ["runs"], ["show"], ["resume"]):
        done = project.call(*words)
        assert done.returncode == 4, done.stderr
        assert "journal.db" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_run_that_is_not_there_is_64_with_the_next_step(project: Project):
    done = project.call("resume")
    assert done.returncode == 64
    assert "start one with: orchestrator run PLAN.md" in done.stderr


def test_our_own_bug_is_70_with_a_traceback_and_what_to_do(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(RuntimeError) as raised:
        raise RuntimeError("we forgot something")
    assert cli._explain(raised.value) == 70
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "we forgot something" in told
    assert "this is a bug in orchestrator" in told


def test_an_error_of_ours_is_found_inside_of_groups():
    full = RecordError("no space left")
    group = BaseExceptionGroup("", [BaseExceptionGroup("", [full]), ValueError("beside it")])
    assert cli._first(group) is full


def test_a_stream_without_our_signs_ends_no_run(project: Project):
    project.write(makes("Task 1: naïve ✓", "a.txt"))
    done = project.call("run", "demo-PLAN.md", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr


def test_names_cannot_steer_the_terminal(project: Project):
    sneaky = "Task 1: a \u009b31m [red]b\u202e"
    project.write(task(sneaky, "false", "false"))
    done = project.call("run", "demo-PLAN.md")
    assert done.returncode == 1
    assert "[red]b" in done.stdout
    assert not {"\u009b", "\u202e", "\x1b"} & set(done.stdout + done.stderr)


def test_help_is_a_command_too(project: Project):
    assert project.told("help") == project.told("--help")
    assert project.told("help", "run") == project.told("run", "--help")
