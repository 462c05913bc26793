"""Who does a task; a task that nobody can do is refused with a reason and a next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from orchestrator.errors import WorkerNotInstalled
from orchestrator.model import Attempt, Outcome, Position, Task, TaskId, Tier
from orchestrator.workers import Report, Worker
from orchestrator.workers.registry import choose, installed, unable

SCRIPT = "```bash\ntrue\n```"


@dataclass
class Agent:
    """A worker of the tests: does what it is told to be able to do."""

    name: str
    cannot: str | None = None
    absent: str | None = None
    tiers: tuple[Tier, ...] = tuple(Tier)

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


def team(*agents: Agent) -> dict[str, Worker]:
    return {agent.name: agent for agent in agents}


def test_the_shell_worker_is_installed_and_named_like_its_key() -> None:
    workers = installed()
    assert "shell" in workers
    assert {name: worker.name for name, worker in workers.items()} == {n: n for n in workers}


def test_the_first_that_can_is_chosen() -> None:
    workers = team(Agent("a", cannot="no"), Agent("b", absent="no key"), Agent("c"), Agent("d"))
    assert choose(task(), workers).name == "c"


def test_a_named_worker_is_the_only_one_asked() -> None:
    workers = team(Agent("a"), Agent("b", absent="b is not logged in: run `b login`"))
    assert choose(task(worker="a"), workers).name == "a"
    with pytest.raises(WorkerNotInstalled) as caught:
        choose(task(worker="b"), workers)
    assert "run `b login`" in str(caught.value)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(WorkerNotInstalled) as caught:
        choose(task(worker="shel"), installed())
    message = str(caught.value)
    assert message.startswith('08-02/1 "Build it": ')
    assert 'did you mean worker="shell"?' in message
    assert "installed workers: shell" in message


def test_a_refusal_has_the_task_every_reason_and_the_next_step() -> None:
    with pytest.raises(WorkerNotInstalled) as caught:
        choose(task(), team(Agent("a", cannot="too big"), Agent("b", absent="no key")))
    message = str(caught.value)
    assert caught.value.exit_code == 3
    for words in ("08-02/1", "a: too big", "b: no key", "Next: ", 'subagent="bash"'):
        assert words in message


def test_no_worker_at_all_is_a_refusal_too() -> None:
    with pytest.raises(WorkerNotInstalled, match="none is installed"):
        choose(task(), {})


def test_all_tasks_that_nobody_can_do_are_told_at_once() -> None:
    tasks = [
        task(1, subagent="bash", action=SCRIPT),
        task(2),
        task(3, type="checkpoint:human-verify"),
        task(4, worker="nobody"),
    ]
    messages = unable(tasks, installed())
    assert [message.split()[0] for message in messages] == ["08-02/2", "08-02/4"]
