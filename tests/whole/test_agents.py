"""Whole runs with the real Claude Code against the scripted model server: what it wrote is checked, what it used is what was billed."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import ledger
from tests.agents import clients
from tests.agents.canary import Canary
from tests.agents.server import ModelServer
from tests.agents.steps import Step, fail, say, wait_for, write
from tests.cli.projects import Project
from tests.conftest import REPOSITORY
from tests.whole import features

FEATURES = "plans/features-PLAN.md"


@dataclass
class Bench:
    """A project, a server, and the real client between them."""

    project: Project
    server: ModelServer
    canary: Canary

    def entries(self) -> list[ledger.Entry]:
        folder = Path(self.project.environment["XDG_DATA_HOME"]) / "orchestrator"
        return list(ledger.read(folder).entries)

    def front(self, summary: str) -> dict[str, Any]:
        _, front, _ = (self.project.root / summary).read_text().split("---\n", 2)
        found: dict[str, Any] = yaml.safe_load(front)
        return found


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Parametrised with the server's script."""
    clients.needs("claude")
    project = Project(tmp_path)
    with ModelServer(request.param) as server, Canary() as canary:
        home, folder = Path(project.environment["HOME"]), clients.bin_folder(tmp_path)
        clients.prepare_home(home, server)
        own = clients.environment(home, server, folder, canary=canary)
        bash = project.environment["PATH"]
        project.environment |= own | {"PATH": f"{own['PATH']}:{bash}"}
        yield Bench(project, server, canary)


def copy_plan(project: Project) -> None:
    (project.root / "plans").mkdir()
    for name in (FEATURES, "README.md"):
        shutil.copy(REPOSITORY / name, project.root / name)


def billed(server: ModelServer) -> int:
    return server.total().tokens


@pytest.mark.timeout(120)
@pytest.mark.parametrize("bench", [features.script(together=True)], indirect=True)
def test_the_features_plan_runs_end_to_end_and_every_token_is_counted(bench: Bench):
    copy_plan(bench.project)
    done = bench.project.call("run", FEATURES, ORCHESTRATOR_RUN__SHARE_PROMPT_CACHE_S="0")
    assert done.returncode == 0, done.stdout + done.stderr
    entries = bench.entries()
    assert [entry.outcome for entry in entries] == ["success"] * 7
    assert {entry.verify_strength for entry in entries} == {1.0}
    assert sum(entry.tokens_total or 0 for entry in entries) == billed(bench.server)
    total = bench.server.total()
    for name in ("input", "output", "cache_read", "cache_write"):
        booked = sum(getattr(entry.tokens, name) for entry in entries)
        assert booked == getattr(total, name), name
    front = bench.front("plans/features-SUMMARY.md")
    assert front["status"] == "complete"
    assert front["execution"]["total_subagent_tokens"] == billed(bench.server)
    models = {entry.task_id: entry.model_version for entry in entries}
    assert models["features-task-1"] == "claude-sonnet-5-5"
    assert models["features-task-4"] == "claude-haiku-5-5"
    assert bench.canary.attempts == []


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


def plan_of(count: int, model: str = "haiku", **attributes: str) -> str:
    """Tasks that depend on nothing and write one file each."""
    words = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    tasks = "".join(
        f'<task type="auto" model="{model}" depends-on=""{words}><name>Task {n}: write</name>'
        f"<files>{n}.txt</files><action>Write {n}.txt.</action>"
        f"<verify><automated>grep -q hello {n}.txt</automated></verify><done>x</done></task>\n"
        for n in range(1, count + 1)
    )
    return f"---\nphase: demo\nplan: 01\nworkspace: directory\n---\n<tasks>\n{tasks}</tasks>\n"


def run(bench: Bench, text: str, *words: str, code: int = 0, **more: str) -> str:
    (bench.project.root / "demo-PLAN.md").write_text(text)
    done = bench.project.call("run", "demo-PLAN.md", *words, **more)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def each(count: int, **more: Any) -> Mapping[str, Sequence[Step]]:
    return {
        f"Task {n} of plan demo": [write(f"{n}.txt", "hello", **more), say(f"wrote {n}")]
        for n in range(1, count + 1)
    }


def together(count: int) -> Mapping[str, Sequence[Step]]:
    return {
        marker: [wait_for(count, then=first), last] for marker, (first, last) in each(count).items()
    }


@pytest.mark.timeout(120)
@pytest.mark.parametrize("bench", [together(5)], indirect=True)
def test_five_real_agents_work_at_the_same_time(bench: Bench):
    """None of the five gets an answer before all five have asked."""
    run(bench, plan_of(5), ORCHESTRATOR_RUN__SHARE_PROMPT_CACHE_S="0")
    assert sum(entry.tokens_total or 0 for entry in bench.entries()) == billed(bench.server)
    assert bench.front("demo-SUMMARY.md")["execution"]["max_parallel"] == 5


@pytest.mark.parametrize("bench", [each(3, latency_s=0.5)], indirect=True)
def test_siblings_wait_for_the_first_word_of_the_first(bench: Bench):
    """With one prefix in common only one request is out until its answer is there, however slow its client is to start."""
    run(bench, plan_of(3), ORCHESTRATOR_RUN__SHARE_PROMPT_CACHE_S="60")
    first, second, *_ = bench.server.requests
    assert first.body["system"] == second.body["system"]
    assert (first.messages, second.messages) != (1, 1)


@pytest.mark.parametrize(
    "bench",
    [{"Task 1 of plan demo": [fail(401, message="invalid x-api-key", times=9)]}],
    indirect=True,
)
def test_a_refused_key_ends_the_run_with_3_and_one_line_that_says_what_to_do(bench: Bench):
    told = run(bench, plan_of(3), "--workers", "1", code=3)
    assert len([line for line in told.splitlines() if "claude /login" in line]) == 1
    assert {entry.failure for entry in bench.entries()} == {"auth"}
    assert len(bench.server.requests) <= 2


def limited(times: int) -> Mapping[str, Sequence[Step]]:
    """The client itself tries three times before it gives up."""
    again = fail(429, message="slow down", headers={"retry-after": "1"}, times=times)
    return {"Task 1 of plan demo": [again, write("1.txt", "hello"), say("done")]}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("bench", [limited(3)], indirect=True)
def test_a_limit_is_waited_out_and_spends_no_try(bench: Bench):
    told = run(bench, plan_of(1))
    assert "anthropic is closed for" in told
    assert [entry.failure for entry in bench.entries()] == ["rate-limit", None]
    assert {entry.model_routed for entry in bench.entries()} == {"haiku"}


@pytest.mark.parametrize(
    "bench", [{"Task 1 of plan demo": [write("1.txt", "hello"), say("x"), say("y")]}], indirect=True
)
def test_what_agents_did_can_be_seen_afterwards(bench: Bench):
    run(bench, plan_of(1))
    told = bench.project.told("explain", bench.project.newest(), "demo/1")
    assert "Write: " in told
    assert "1.txt" in told
    assert "claude-haiku-5-5" in told
    events = bench.project.json("show", bench.project.newest(), "--events")["events"]
    reported = [one["data"] for one in events if one["kind"] == "worker_reported"]
    assert [step["kind"] for data in reported for step in data.get("steps", ())] == ["write"]
    assert math.isclose(reported[-1]["usage"]["cost_usd"], bench.entries()[0].cost_usd or 0)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "bench",
    [
        {
            "Task 1 of plan demo": [
                write("1.txt", "hello"),
                wait_for(2, then=say("nobody comes"), timeout_s=60),
                say("done after all"),
            ]
        }
    ],
    indirect=True,
)
def test_after_kill_9_the_conversation_goes_on_and_nothing_is_booked_twice(bench: Bench):
    project, server = bench.project, bench.server
    (project.root / "demo-PLAN.md").write_text(plan_of(1))
    with project.started("run", "demo-PLAN.md") as engine:
        server.wait_requests(2)
        until(lambda: "usage" in project.told("show", project.newest(), "--events", "--json"))
        engine.kill()
        engine.wait()
    done = project.call("resume")
    assert done.returncode == 0, done.stdout + done.stderr
    killed, resumed = bench.entries()
    assert (killed.failure, resumed.failure) == ("interrupted", None)
    assert killed.tokens_total
    shown = project.json("show", project.newest(), "--events")["events"]
    (first, second) = (one["data"]["session"] for one in shown if one["kind"] == "attempt_started")
    assert first is None
    assert second["booked"]["input_tokens"] == 1200
    told = sum(entry.tokens_total or 0 for entry in (killed, resumed))
    assert (
        billed(server) - 45 < told <= billed(server)
    )  # an answer is counted at its start until it is over
