"""estimate: figures for every task, what they sum up to, and the rule of each."""

from __future__ import annotations

import pytest

from tests.cli.projects import Project, checkpoint, makes, task

PLAN = "demo-PLAN.md"
METRICS = "<metrics><estimated-tokens>1000-2000</estimated-tokens><estimated-duration>2-4min</estimated-duration></metrics>"


@pytest.fixture
def planned(project: Project) -> Project:
    told = "<action>Write it.</action><verify><automated>true</automated></verify><done>x</done>"
    project.write(
        task("Task 1: Write the API", more=told + METRICS, files="a", attributes='type="auto" model="haiku" depends-on=""'),
        task("Task 2: Write more", more=told + METRICS, files="b", attributes='type="auto" model="opus" depends-on=""'),
        makes("Task 3: join", "c.txt", 'depends-on="1,2"'),
        checkpoint("human-verify", "Task 4: look", "<what-built>x</what-built>"),
    )  # fmt: skip
    return project


def test_it_works_without_any_agent_and_says_so(planned: Project):
    planned.environment["PATH"] = "/usr/bin:/bin"
    found = planned.json("estimate", PLAN)
    first, second, third, last = found["tasks"]
    assert (first["worker"], first["tier"], second["tier"]) == ("claude", "haiku", "opus")
    assert first["work_tokens"] == {"low": 1000, "high": 2000}
    assert first["tokens"] == {
        "low": 93750,
        "high": 100000,
    }  # with 14,000 to start, at 84% cache reads
    assert first["duration_s"] == {"low": 120, "high": 240}
    assert 0 < first["cost_usd"]["low"] < second["cost_usd"]["low"]
    assert (third["worker"], third["cost_usd"]) == ("shell", {"low": 0, "high": 0})
    assert (last["worker"], last["kind"]) == (None, "checkpoint")
    assert any("claude is not installed here" in rule for rule in first["why"])


def test_the_sums_are_those_of_the_tasks_and_workers_shorten_the_rest(planned: Project):
    found = planned.json("estimate", PLAN)
    for side in ("low", "high"):
        assert found["total"]["tokens"][side] == sum(one["tokens"][side] for one in found["tasks"])
        cost = sum(one["cost_usd"][side] for one in found["tasks"])
        assert found["total"]["cost_usd"][side] == pytest.approx(cost)
    spans = found["makespan_s"]
    assert list(spans) == [str(count) for count in range(1, 11)]
    third = found["tasks"][2]["duration_s"]["high"]
    assert spans["1"]["high"] == 480 + third
    assert spans["2"]["high"] == spans["10"]["high"] == 240 + third
    assert found["critical_path"][-2:] == ["demo/3", "demo/4"]


def test_people_see_a_table_and_with_why_the_rules(planned: Project):
    told = planned.told("estimate", PLAN)
    assert "demo/1  Write the API" in told
    assert "1 of the tasks ask a person; their waiting is not counted" in told
    assert "more than 2 workers make nothing faster" in told
    assert "tokens: <estimated-tokens> of the plan" not in told
    assert "    tokens: <estimated-tokens> of the plan\n" in planned.told("estimate", PLAN, "--why")


def test_an_unknown_price_is_unknown_and_never_0(planned: Project):
    (planned.root / ".orchestrator" / "config.toml").write_text(
        '[models.haiku]\nclaude = "nobody-knows-it"\n'
    )
    found = planned.json("estimate", PLAN)
    assert found["tasks"][0]["cost_usd"] is None
    assert found["total"]["cost_usd"] is None
    assert "?" in planned.told("estimate", PLAN)


def test_nothing_is_written(planned: Project):
    before = sorted(planned.root.rglob("*"))
    planned.told("estimate", ".")
    assert sorted(planned.root.rglob("*")) == before
