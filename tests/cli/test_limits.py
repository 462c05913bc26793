"""A provider's limit as a person sees it: a countdown on a terminal, a line elsewhere, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.projects import Project

PLAN = "demo-PLAN.md"
TASK = (
    '<task type="auto" depends-on="" worker="{worker}"><name>Task {n}: write</name><files>{n}.txt</files>'
    "<action>Write it.</action><verify><automated>test -s {n}.txt</automated></verify><done>x</done></task>\n"
)
AGENT = """#!/bin/bash
cat > /dev/null
if mkdir "{once}" 2> /dev/null; then
    echo "error: 429 rate limit, try again in {wait_s}s"
    exit 1
fi
echo done > "${{ORCHESTRATOR_TASK#*/}}.txt"
echo finished
"""
TABLE = """
[workers.{name}]
argv = ["{program}"]
provider = "{name}s"
format = "text"
patterns = ['(?P<success>^finished$)', '(?P<error>^error: .*)']
"""


def agents(project: Project, folder: Path, **waits_s: float) -> None:
    """Agents of one's own: each is limited once, for so long; 0: never."""
    tables = ""
    for name, wait_s in waits_s.items():
        program, once = folder / name, folder / f"{name}-was-limited"
        program.write_text(AGENT.format(once=once, wait_s=wait_s))
        program.chmod(0o755)
        tables += TABLE.format(name=name, program=program)
        if not wait_s:
            once.mkdir()
    (project.root / ".orchestrator" / "config.toml").write_text(tables)


def plan(project: Project, *workers: str) -> None:
    project.write(*(TASK.format(n=n, worker=name) for n, name in enumerate(workers, 1)))


def test_a_countdown_is_shown_while_the_others_go_on(project: Project, tmp_path: Path):
    agents(project, tmp_path, slow=600, free=0)
    plan(project, "slow", "free")
    ahead = tmp_path / "ahead"
    with project.terminal("run", PLAN, ORCHESTRATOR_CLOCK_AHEAD=str(ahead)) as screen:
        screen.until("slows is closed for")
        screen.until("slows is closed, opens in")
        screen.until("1 task behind it")
        screen.until("✓ demo/2")
        ahead.write_text("700")
        screen.until("slows is open again")
        assert screen.end() == 0
    assert "no try is spent" in screen.text
    assert screen.text.index("✓ demo/2") < screen.text.index("slows is open again")


def test_lines_tell_the_same_elsewhere(project: Project, tmp_path: Path):
    agents(project, tmp_path, slow=1)
    plan(project, "slow")
    told = project.told("run", PLAN)
    assert "rate-limit: error: 429 rate limit, try again in 1s; no try is spent" in told
    assert "… slows is closed for" in told
    assert "… slows is open again" in told
    assert (
        "`slows` was closed 1 time (rate-limit)" in (project.root / "demo-SUMMARY.md").read_text()
    )


@pytest.mark.timeout(90)
def test_ctrl_c_while_only_a_gate_is_waited_for_ends_the_run(project: Project, tmp_path: Path):
    agents(project, tmp_path, slow=600)
    plan(project, "slow")
    with project.terminal("run", PLAN) as screen:
        screen.until("slows is closed, opens in")
        screen.interrupt()
        assert screen.end() == 130
    assert "orchestrator resume" in screen.text
