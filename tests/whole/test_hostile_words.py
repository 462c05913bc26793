"""Words that are no words: nesting without end from an agent, names that look like options. They stay data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.projects import Project, task
from tests.engine.runs import bash
from tests.workspace.repos import PLAN as TRACKED
from tests.workspace.repos import Person, git, handed_over, plan_of

PLAN = "demo-PLAN.md"
DEEP = 'python3 -c \'print("[" * 100000 + "]" * 100000)\''
MAPS = 'python3 -c \'print("{\\"a\\":" * 100000 + "1" + "}" * 100000)\''
OPEN = "python3 -c 'print(\"[\" * 100000)'"
END = '{"type": "result", "status": "ok", "text": "done", "in": 100, "out": 10}'
SETTINGS = """[workers.mine]
argv = ["{agent}", "--model", "{{model}}"]
format = "{format}"
{end}
success = {{ status = "ok" }}
paths = {{ text = "text", input_tokens = "in", output_tokens = "out" }}
[models.haiku]
mine = "--help"
[models.sonnet]
mine = "--help"
[models.opus]
mine = "--help"
"""


def set_out(project: Project, says: str, form: str) -> None:
    agent = project.root.parent / "agent"
    agent.write_text(
        f"#!/bin/bash\ncat > /dev/null\nprintf '%s\\n' \"$@\" > words\n{says}\necho done > c\n"
    )
    agent.chmod(0o755)
    end = 'end = { type = "result" }' if form == "ndjson" else ""
    text = SETTINGS.format(agent=agent, format=form, end=end)
    (project.root / ".orchestrator" / "config.toml").write_text(text)
    project.write(
        '<task type="auto" worker="mine"><name>Task 1: --force</name><files>c, words</files><action>x</action>'
        "<verify><automated>test -e c</automated></verify><done>x</done></task>\n"
    )


@pytest.mark.parametrize("bomb", [DEEP, MAPS, OPEN], ids=["lists", "maps", "open"])
def test_lines_nested_without_end_are_passed_over(bomb: str, project: Project):
    set_out(project, f"{bomb}\necho '{END}'", "ndjson")
    done = project.call("run", PLAN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.json("show")["tokens"] == 110
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("bomb", [DEEP, OPEN], ids=["lists", "open"])
def test_an_answer_nested_without_end_is_no_result_and_no_bug(bomb: str, project: Project):
    set_out(project, bomb, "json")
    done = project.call("run", PLAN)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "report this" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_model_that_looks_like_an_option_is_one_argument(project: Project):
    set_out(project, f"echo '{END}'", "ndjson")
    assert project.call("run", PLAN).returncode == 0
    assert (project.root / "words").read_text() == "--model\n--help\n"


def test_names_that_look_like_options_are_names_to_git(root: Path, person: Person):
    git(root, "switch", "-q", "-c", "x--upload-pack")
    script = "echo hi > ./--force; mkdir -p ./-rf; echo hi > ./-rf/--exec=touch"
    named = bash(
        "Task 1: --amend -m x", script, "test -s ./--force", files="--force, -rf/--exec=touch"
    )
    plan_of(root, named)
    told = person.call(root, "run", TRACKED)
    handed_over(root, told, b"--force", b"-rf/--exec=touch")


def test_a_task_whose_name_is_a_command_runs_nothing(project: Project):
    name = "Task 1: $(touch stolen) `touch stolen` ; touch stolen"
    project.write(task(name, "echo hi > a", "test -e a", files="a"))
    assert project.call("run", PLAN).returncode == 0
    assert not (project.root / "stolen").exists()
