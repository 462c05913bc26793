"""Who does a task; a task that nobody can do is refused with a reason and a next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import SettingsError, WorkerNotInstalled
from orchestrator.model import Attempt, Outcome, Position, Task, TaskId, Tier
from orchestrator.settings import load
from orchestrator.workers import Condition, Report, Worker
from orchestrator.workers.registry import able, known, order, unable

SCRIPT = "```bash\ntrue\n```"


@dataclass
class Agent:
    """A worker of the tests: does what it is told to be able to do."""

    name: str
    cannot: str | None = None
    absent: str | None = None
    tiers: tuple[Tier, ...] = tuple(Tier)
    asks_a_model: bool = True
    logged_out: bool = False
    models: Mapping[Tier, str] = field(default_factory=dict)
    sessions: tuple[str, ...] = ()

    def provider(self, model: str | None) -> str | None:
        return None

    def has_no_login(self) -> bool:
        return self.logged_out

    async def examine(self) -> Condition:
        return Condition("1")

    def refuses(self, task: Task) -> str | None:
        return self.cannot

    def missing(self) -> str | None:
        return self.absent

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        return Outcome()


def task(ordinal: int = 1, **more: Any) -> Task:
    return Task(
        id=TaskId(f"08-02/{ordinal}"),
        ordinal=ordinal,
        position=Position(line=1, column=1),
        name=f"Task {ordinal}: Build it",
        label=str(ordinal),
        **more,
    )


def choose(task: Task, workers: Mapping[str, Worker], asked: Sequence[str]) -> Worker:
    """As the engine does: the first that can, after all that nobody can do was refused."""
    if refused := unable([task], workers, asked):
        raise WorkerNotInstalled("\n".join(refused))
    return able(task, workers, asked)[0]


def team(*agents: Agent) -> dict[str, Worker]:
    return {agent.name: agent for agent in agents}


def installed() -> dict[str, Worker]:
    """Where only the shell worker can work."""
    everybody = known(load(Path("/nowhere")))
    return {"shell": everybody["shell"]}


def test_every_worker_is_named_like_its_key_and_maps_every_tier() -> None:
    workers = known(load(Path("/nowhere")))
    assert next(iter(workers)) == "shell"
    assert all(set(worker.models) == set(worker.tiers) for worker in workers.values())
    assert {name: worker.name for name, worker in workers.items()} == {n: n for n in workers}


def test_the_first_that_can_is_chosen() -> None:
    workers = team(Agent("a", cannot="no"), Agent("b", absent="no key"), Agent("c"), Agent("d"))
    assert choose(task(), workers, list(workers)).name == "c"


def test_a_named_worker_is_the_only_one_asked() -> None:
    workers = team(Agent("a"), Agent("b", absent="b is not logged in: run `b login`"))
    assert choose(task(worker="a"), workers, list(workers)).name == "a"
    with pytest.raises(WorkerNotInstalled) as caught:
        choose(task(worker="b"), workers, list(workers))
    assert "run `b login`" in str(caught.value)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(WorkerNotInstalled) as caught:
        choose(task(worker="shel"), installed(), list(installed()))
    message = str(caught.value)
    assert message.startswith('08-02/1 "Build it": ')
    assert 'did you mean worker="shell"?' in message
    assert "known workers: shell" in message


def test_a_refusal_has_the_task_every_reason_and_the_next_step() -> None:
    with pytest.raises(WorkerNotInstalled) as caught:
        choose(task(), team(Agent("a", cannot="too big"), Agent("b", absent="no key")), "ab")
    message = str(caught.value)
    assert caught.value.exit_code == 3
    for words in ("08-02/1", "a: too big", "b: no key", "Next: ", 'subagent="bash"'):
        assert words in message


def test_no_worker_at_all_is_a_refusal_too() -> None:
    with pytest.raises(WorkerNotInstalled, match="none is installed"):
        choose(task(), {}, list({}))


def test_all_tasks_that_nobody_can_do_are_told_at_once() -> None:
    tasks = [
        task(1, subagent="bash", action=SCRIPT),
        task(2),
        task(3, type="checkpoint:human-verify"),
        task(4, worker="nobody"),
    ]
    messages = unable(tasks, installed(), ["shell"])
    assert [message.split()[0] for message in messages] == ["08-02/2", "08-02/4"]


def test_only_who_is_asked_is_chosen_but_a_plan_can_name_anybody() -> None:
    workers = team(Agent("a"), Agent("b"), Agent("c"))
    assert choose(task(), workers, ("b", "a")).name == "b"
    assert [worker.name for worker in able(task(), workers, ("b", "a"))] == ["b", "a"]
    assert choose(task(worker="c"), workers, ("b", "a")).name == "c"


def test_a_setting_that_names_nobody_is_refused() -> None:
    settings = load(Path("/nowhere"), {"run": {"agents": ("claude", "cloude")}})
    with pytest.raises(SettingsError, match=r"run.agents names 'cloude'.*known: claude"):
        order(settings, known(settings))


def test_one_without_a_login_to_be_seen_is_asked_last() -> None:
    workers = team(Agent("a", logged_out=True), Agent("b"))
    assert [worker.name for worker in able(task(), workers, ("a", "b"))] == ["b", "a"]
    assert choose(task(worker="a"), workers, ("a", "b")).name == "a"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"models": {"haiku": {"cluade": "x"}}}, "models.haiku.cluade: .* did you mean claude?"),
        ({"workers": {"cluade": {"program": "x"}}}, r"\[workers.cluade\]: .* did you mean claude?"),
        ({"workers": {"claude": {"base_url": "x"}}}, "workers.claude.base_url: does nothing"),
        ({"workers": {"api": {"program": "x"}}}, "workers.api.program: does nothing"),
        ({"workers": {"shell": {"argv": ("x",)}}}, "workers.shell"),
        (
            {"workers": {"claude": {"program": "/nowhere/claude"}}},
            "/nowhere/claude: no such program",
        ),
    ],
)
def test_settings_that_would_do_nothing_are_refused(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        known(load(Path("/nowhere"), flags))
