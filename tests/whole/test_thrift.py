"""What a daemon does for the sake of money and quota: plans wait with the reason, and go on when a person or the month lets them."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator import ledger
from tests.ledger.outcomes import line
from tests.whole.daemons import House

pytestmark = pytest.mark.timeout(120)
MULE = """
[workers.mule]
argv = ["{out}/mule"]
patterns = ['Tokens: (?P<input_tokens>\\d+) sent, (?P<output_tokens>\\d+) received. Cost: (?P<cost_usd>[0-9.]+)']
[prices.mule]
input = 1.0
output = 1.0
"""
TASK = """<task type="auto" worker="mule"><name>Task 1: {name}</name><files>{name}.txt</files><action>Write {name}.txt.</action>
<verify><automated>test -s {name}.txt</automated></verify><done>x</done></task>
"""
SCRIPT = """#!/usr/bin/env bash
n=$(sed -n 's/.*Write \\([a-z]*\\).txt.*/\\1/p' | head -n 1); echo x > $n.txt; echo $n >> {out}/log
echo "Tokens: 100 sent, 50 received. Cost: 0.01"
"""


def house(tmp_path: Path, more: str) -> House:
    found = House(tmp_path, more + MULE.format(out=tmp_path / "out"), isolated=False)
    (found.out / "mule").write_text(SCRIPT.format(out=found.out))
    (found.out / "mule").chmod(0o755)
    return found


def test_a_dear_plan_waits_for_a_word_over_restarts_and_a_cheap_one_does_not(tmp_path: Path):
    one = house(tmp_path, "[budget]\nask_usd = 0.02\n")
    path = one.plan("dear", TASK.format(name="dear"))
    one.plan("cheap/cheap")
    why = "plans/dear-PLAN.md does not run: its first tries are expected to cost $"
    for times in (1, 2):
        with one.daemon("--trust-all") as daemon:
            daemon.wait_until(lambda: one.said.count(why) == times)  # noqa: B023 - within this turn
            daemon.wait_until(lambda: one.began["cheap"] == 1 and one.ended(1))
            assert daemon.end() == 0
    assert one.began["dear"] == 0
    step = one.said.split("a person must say so: ")[1].partition(", or on its page")[0]
    assert step.startswith("orchestrator trust --usd 0.")
    with one.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: one.said.count(why) == 3)
        one.call("trust", "--usd", "0.01", str(path))  # less than it is expected to cost
        said = one.call(*step.split()[1:])
        assert "may run as it is now, and cost up to $0." in said
        daemon.wait_until(lambda: one.began["dear"] == 1 and one.ended(2))
        assert daemon.end() == 0


def test_less_than_a_cent_is_told_as_it_is(tmp_path: Path):
    one = house(tmp_path, "[budget]\nask_usd = 0.00001\n")
    config = one.root / ".orchestrator" / "config.toml"
    config.write_text(config.read_text().replace("put = 1.0", "put = 0.01"))
    one.plan("dear", TASK.format(name="dear"))
    with one.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: "plans/dear-PLAN.md does not run" in one.said)
        assert daemon.end() == 0
    assert "expected to cost $0.00" in one.said
    assert "expected to cost $0.00," not in one.said
    assert "more than $0.00001 (budget.ask_usd)" in one.said
    assert "orchestrator trust --usd 0.01 " in one.said


def test_a_word_on_the_cost_is_given_on_the_page_too(tmp_path: Path):
    one = house(tmp_path, "[budget]\nask_usd = 0.02\n")
    path = one.plan("dear", TASK.format(name="dear"))
    with one.serving("--trust-all") as daemon:
        daemon.says("plans/dear-PLAN.md does not run")
        said = one.call("run", str(path), code=5)
        assert "plans/dear-PLAN.md is unapproved: its first tries are expected to cost" in said
        assert "next: orchestrator trust --usd" in said
        assert one.began["dear"] == 0
        (waits,) = ask(one, "/api/plans/waiting")["plans"]
        assert (waits["state"], waits["diff"]) == ("unapproved", "")
        body = {"path": waits["path"], "sha256": waits["sha256"], "usd": waits["asks_usd"]}
        less = one.call("trust", "--usd", "0.0001", str(path))
        assert "cost up to $0.0001" in less
        assert f"so it waits\n  next: orchestrator trust --usd {body['usd']:.2f} plans/dear" in less
        done = ask(one, "/api/plans/trust", body)["done"]
        assert float(done.rpartition("up to $")[2]) == body["usd"]
        daemon.wait_until(lambda: one.ended(1))
        assert daemon.end() == 0


def ask(one: House, path: str, body: object = None) -> Any:
    place = one.place
    headers = {"Authorization": f"Bearer {place['token']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(place["url"] + path, data, headers)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.load(answer)


def test_s3_29_at_high_risk_plans_of_low_priority_wait_and_go_on_when_it_falls(tmp_path: Path):
    one = house(tmp_path, "[budget]\nask_usd = 0.0\n")
    config = one.root / ".orchestrator" / "config.toml"
    base = config.read_text()
    one.plan("running/one", one.waits_for("one"), front="priority: -1\n")
    with one.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: one.began["one"] == 1)
        config.write_text(f"{base}\n[quota]\nmonth_tokens = 1000\n")
        told = {"input": 2000, "output": 0, "cache_read": 0, "cache_write": 0, "reasoning": None}
        folder = Path(one.environment["XDG_DATA_HOME"]) / "orchestrator"
        ledger.append(folder, [line(at=datetime.now(UTC), tokens=told)])
        one.plan("low/two", front="priority: -1\n")
        daemon.says(
            "plans/low/two-PLAN.md waits: behind quota: the month's limit of 1k tokens is used up"
        )
        one.go()  # what runs may end
        daemon.wait_until(lambda: one.ended(1))
        one.plan("normal/three")
        daemon.wait_until(lambda: one.began["three"] == 1 and one.ended(2))
        assert one.began["two"] == 0
        config.write_text(f"{base}\n[quota]\nmonth_tokens = 100_000\n")
        daemon.wait_until(lambda: one.began["two"] == 1 and one.ended(3))
        assert daemon.end() == 0


def test_s3_35_with_throttling_off_nothing_waits(tmp_path: Path):
    one = house(tmp_path, "[quota]\nmonth_tokens = 1000\nthrottle = false\n")
    told = {"input": 2000, "output": 0, "cache_read": 0, "cache_write": 0, "reasoning": None}
    folder = Path(one.environment["XDG_DATA_HOME"]) / "orchestrator"
    ledger.append(folder, [line(at=datetime.now(UTC), tokens=told)])
    one.plan("two", front="priority: -1\n")
    with one.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: one.ended(1))
        assert daemon.end() == 0
    assert "behind quota" not in one.said
    assert json.loads(one.call("quota", "--json"))["throttles"] is False
