"""Programs that print without end, without lines, without letters: the run ends right, and the engine stays small."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.projects import COMMAND, Project, task

PLAN = "demo-PLAN.md"
RSS_KB = 150_000  # what the engine may take at most
TRANSCRIPT = (64 << 20) + 1000
LIMIT_S = 150.0
GIGABYTE = "1G" if os.environ.get("CI") else "300M"
FLOODS = {
    "without a newline": f"head -c {GIGABYTE} /dev/zero | tr '\\0' x",
    "in lines": f"{{ yes {'line ' * 50} || true; }} | head -c {GIGABYTE}",
    "one line of 100 MB": "head -c 100M /dev/zero | tr '\\0' y; echo",
    "binary": "head -c 30M /dev/urandom; head -c 30M /dev/zero",
    "not UTF-8": r"{ yes $'\xff\xfe \xc3( \xed\xa0\x80 \xf8\x88\x80\x80\x80\n\x1b]0;t\x07' || true; } | head -c 20M",
}
AGENT = """#!/bin/bash
cat > /dev/null
{flood}
{flood} >&2
echo
echo done > c
echo '{{"type": "result", "status": "ok", "text": "all of it", "in": 100, "out": 10}}'
"""
SETTINGS = """[workers.mine]
argv = ["{agent}"]
format = "ndjson"
end = {{ type = "result" }}
success = {{ status = "ok" }}
paths = {{ text = "text", input_tokens = "in", output_tokens = "out" }}
"""

pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]


def set_out(project: Project, flood: str) -> None:
    """A script, a check and an agent: all three print it."""
    agent = project.root.parent / "agent"
    agent.write_text(AGENT.format(flood=flood))
    agent.chmod(0o755)
    (project.root / ".orchestrator" / "config.toml").write_text(SETTINGS.format(agent=agent))
    (project.root / "flood.sh").write_text(f"{flood}\n")
    side = 'depends-on="" parallel="can-parallelize"'
    project.write(
        task(
            "Task 1: script",
            f"{flood}\necho > a",
            "test -e a",
            files="a",
            attributes=f'type="auto" subagent="bash" {side}',
        ),
        task(
            "Task 2: check",
            "echo > b",
            "bash flood.sh; test -e b",
            files="b",
            attributes=f'type="auto" subagent="bash" {side}',
        ),
        f'<task type="auto" worker="mine" {side}><name>Task 3: agent</name><files>c</files><action>x</action>'
        "<verify><automated>test -e c</automated></verify><done>x</done></task>\n",
    )


def high_water_kb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line), 0)


def wait(*running: subprocess.Popen[str]) -> list[int]:
    """To their ends; the most memory that each of them had."""
    most, deadline = [0] * len(running), time.monotonic() + LIMIT_S
    while any(one.poll() is None for one in running):
        assert time.monotonic() < deadline, "it did not come to its end"
        most = [max(old, high_water_kb(one.pid)) for old, one in zip(most, running, strict=True)]
        time.sleep(0.02)
    return most


def begun(project: Project) -> str | None:
    """The run's name, once its first task prints."""
    found = list((project.root / ".orchestrator" / "runs").glob("*/001-*.1.log"))
    return found[0].parent.name if found else None


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_from_a_script_a_check_and_an_agent_is_borne(flood: str, project: Project):
    set_out(project, flood)
    with project.started("run", PLAN, stdout=subprocess.DEVNULL) as engine:
        while not (name := begun(project)):
            assert engine.poll() is None
            time.sleep(0.005)
        with (
            (project.root.parent / "followed").open("wb") as out,
            subprocess.Popen(
                [*COMMAND, "logs", name, "1", "--follow"],
                cwd=project.root,
                env=project.environment,
                stdout=out,
                stdin=subprocess.DEVNULL,
                text=True,
            ) as follower,
        ):
            most = wait(engine, follower)
    assert (engine.returncode, follower.returncode) == (0, 0)
    assert all(0 < one < RSS_KB for one in most), f"{most} kB"
    check_what_is_left(project)


def check_what_is_left(project: Project) -> None:
    document = project.json("show")
    assert [one["state"] for one in document["tasks"]] == ["succeeded"] * 3
    assert document["tokens"] == 110
    (folder,) = (project.root / ".orchestrator" / "runs").iterdir()
    sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
    assert max(sizes.values()) <= TRANSCRIPT, sizes
    (script,) = (file for file in folder.glob("*.1.log") if "001-" in file.name)
    followed = project.root.parent / "followed"
    assert followed.stat().st_size == script.stat().st_size > 1_000_000 // 2
    assert (project.root / ".orchestrator" / "journal.db").stat().st_size < 2_000_000
    summary = (project.root / "demo-SUMMARY.md").read_bytes()
    assert len(summary) < 20_000
    assert "status: complete" in summary.decode("utf-8")
    assert b"\x1b" not in summary


@pytest.mark.parametrize("isolated", [True, False], ids=["worktree", "directory"])
def test_looking_for_secrets_in_large_files_takes_no_memory(isolated: bool, project: Project):
    """One is looked through in pieces, one is too large for that and named."""
    fill = "truncate -s 60M large.bin; echo $BIG_TOKEN >> large.bin"
    path = project.write(
        task("Task 1: fill", fill, "test -s large.bin", files="large.bin"),
        task("Task 2: fill", "truncate -s 200M big.bin", "test -s big.bin", files="big.bin",
             attributes='type="auto" subagent="bash" depends-on=""'),
    )  # fmt: skip
    project.environment |= {"BIG_TOKEN": "tok-0123-4567-89ab", "GIT_CONFIG_NOSYSTEM": "1"}
    own = project.root / ".orchestrator/config.toml"
    own.write_text('[workspace]\nenv_pass = ["PATH", "HOME", "BIG_TOKEN"]\n')
    if isolated:
        path.write_text(path.read_text().replace("workspace: directory\n", ""))
        who = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
        for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "begin"]):
            subprocess.run(["git", *words], cwd=project.root, env=project.environment, check=True)
    with project.started("run", PLAN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as engine:
        (most,) = wait(engine)
        assert engine.stdout is not None
        said = engine.stdout.read()
    assert most < RSS_KB
    assert engine.returncode == (1 if isolated else 0), said
    told = project.call("explain", begun(project) or "", "2").stdout
    assert "big.bin is larger than 64 MB" in told
    if isolated:
        assert "it wrote a secret into large.bin (the value of BIG_TOKEN)" in said
    else:
        first = project.call("explain", begun(project) or "", "1").stdout
        assert "large.bin has the value of BIG_TOKEN" in first
