"""A run that is expected to cost much asks first: of a person at a terminal, else with exit 5 and what to do; and what quota tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator import ledger
from orchestrator.amounts import dollars
from orchestrator.ledger import Entry
from tests.cli.projects import Project, makes
from tests.cli.test_budgets import MULE, PLAN, SETTINGS
from tests.ledger.outcomes import line
from tests.whole.places import Place

WAITS, NAME = 5, "plans/demo-PLAN.md"


def place(tmp_path: Path, more: str = "") -> Place:
    found = Place(tmp_path, PLAN, SETTINGS.format(out=tmp_path / "out") + more)
    found.program("mule", MULE)
    return found


def expected(here: Place) -> float:
    found: float = json.loads(here.call("estimate", "--json", NAME).stdout)["start"]["expected"][
        "cost_usd"
    ]
    return found


def test_s3_02_without_a_terminal_it_ends_with_5_and_says_how_much_and_what_to_do(tmp_path: Path):
    here = place(tmp_path)
    usd = expected(here)
    ended = here.call("run", NAME, "--ask-usd", "0.001")
    assert ended.returncode == WAITS, ended.stdout + ended.stderr
    assert f"are expected to cost {dollars(usd)}, more than $0.001 (budget.ask_usd)" in ended.stderr
    assert "next: give it --ask-usd N" in ended.stderr
    assert "or raise budget.ask_usd in .orchestrator/config.toml" in ended.stderr
    assert not (here.root / ".orchestrator" / "journal.db").exists()  # nothing has begun
    told = json.loads(here.call("run", NAME, "--ask-usd", "0.01", "--json").stdout)
    assert told["exit_code"] == WAITS
    assert "budget.ask_usd" in told["error"]
    (one,) = told["refusals"]
    assert {key: one[key] for key in ("by", "setting", "limit", "expected", "option")} == {
        "by": "approval",
        "setting": "budget.ask_usd",
        "limit": 0.01,
        "expected": told["expected"]["cost_usd"],
        "option": "--ask-usd",
    }
    assert one["expected"] == usd
    passed = here.call("run", NAME, "--ask-usd", f"{usd + 0.01:.2f}")
    assert passed.returncode == 0, passed.stdout + passed.stderr


@pytest.mark.parametrize("words", [("--yes",), ("--ask-usd", "0")])
def test_s3_02_yes_passes_and_0_never_asks(tmp_path: Path, words: tuple[str, ...]):
    here = place(tmp_path, "[budget]\nask_usd = 0.01\n")
    assert here.call("run", NAME).returncode == WAITS
    done = here.call("run", NAME, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("note: its first tries are expected to cost" in done.stderr) == (words == ("--yes",))
    assert ("; --yes says that it may" in done.stderr) == (words == ("--yes",))


def test_a_dry_run_says_that_a_run_would_ask_and_what_answers(tmp_path: Path):
    here = place(tmp_path, "[budget]\nask_usd = 0.01\n")
    dry = here.call("run", "--dry-run", NAME)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "note: a run would ask first: its first tries are expected to cost $" in dry.stdout
    assert "(budget.ask_usd); give it --ask-usd N (asks above that only), or --yes" in dry.stdout
    assert "or raise budget.ask_usd in .orchestrator/config.toml" in dry.stdout
    found = json.loads(here.call("run", "--dry-run", NAME, "--json").stdout)["start"]
    assert [one["setting"] for one in found["refusals"]] == ["budget.ask_usd"]
    said = here.call("run", "--dry-run", NAME, "--yes").stdout
    assert "would ask first" not in said
    assert "; --yes says that it may" in said
    assert "to cost" not in here.call("run", "--dry-run", NAME, "--ask-usd", "0").stdout


def test_the_tokens_of_the_settings_ask_and_those_of_the_command_line_do_not(tmp_path: Path):
    here = place(tmp_path)
    told = json.loads(here.call("estimate", "--json", NAME).stdout)["start"]["expected"]
    most = here.environment["ORCHESTRATOR_BUDGET__RUN_TOKENS"] = str(told["new_tokens"] - 1)
    ended = here.call("run", NAME)
    assert ended.returncode == WAITS, ended.stdout + ended.stderr
    assert f"budget.run_tokens is {int(most):,}" in ended.stderr
    assert "--budget-tokens N" in ended.stderr
    assert here.call("run", NAME, "--budget-tokens", "900000").returncode == 0


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", WAITS)])
def test_s3_02_at_a_terminal_a_person_is_asked(tmp_path: Path, answer: str, code: int):
    project = Project(tmp_path)
    config = SETTINGS.format(out=tmp_path) + "[budget]\nask_usd = 0.01\n"
    (project.root / ".orchestrator" / "config.toml").write_text(config)
    (tmp_path / "mule").write_text(MULE)
    (tmp_path / "mule").chmod(0o755)
    (project.root / "a-PLAN.md").write_text(
        PLAN.replace("plan: 01", "plan: 01\nworkspace: directory")
    )
    with project.terminal("run", "a-PLAN.md") as seen:
        seen.until("start it? [y/N]")
        assert "(budget.ask_usd)" in seen.text
        assert not (project.root / "1.txt").exists()
        seen.type(answer)
        assert seen.end() == code, seen.text
    assert (project.root / "1.txt").exists() == (code == 0)
    assert ("nothing was started" in seen.text) == (code == WAITS)


def test_scripts_cost_nothing_and_nobody_is_asked(project: Project):
    (project.root / ".orchestrator" / "config.toml").write_text("[budget]\nask_usd = 0.01\n")
    project.write(makes("Task 1: one", "one.txt"))
    project.told("run", "demo-PLAN.md")


def test_s3_33_estimate_says_whether_it_would_start(tmp_path: Path):
    here = place(tmp_path)
    told = here.call("estimate", NAME).stdout
    assert f"expected, the middle of all first tries: {dollars(expected(here))}, up to " in told
    assert "may start: yes, within its limits" in told
    here.environment["ORCHESTRATOR_BUDGET__ASK_USD"] = "0.01"
    told = here.call("estimate", NAME).stdout
    assert "asks before it starts: its first tries are expected to cost" in told
    found = json.loads(here.call("estimate", "--json", NAME).stdout)["start"]
    assert [one["by"] for one in found["refusals"]] == ["approval"]
    assert found["large_tasks"] == {}


LARGE = makes("Task 1: much", "one.txt").replace(
    "<action>", "<action>\nFix the login form, add a CSV export and document the API.\n"
)


def test_s3_01_a_task_that_asks_for_much_is_named_at_the_start_and_its_split_by_estimate(
    project: Project,
):
    project.write(LARGE)
    told = project.told("estimate", "demo-PLAN.md")
    assert (
        "demo/1 asks for much at once: 3 concerns (more than 2); as tasks of their own:\n"
        "  - Fix the login form\n  - add a CSV export\n  - document the API\n" in told
    )
    found = project.json("estimate", "demo-PLAN.md")["start"]["large_tasks"]["demo/1"]
    assert [one["kind"] for one in found["concerns"]] == ["fix", "make", "document"]
    done = project.call("run", "demo-PLAN.md")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("asks for much at once (demo/1): orchestrator estimate") == 1


def test_s3_01_each_step_of_the_list_is_named_with_the_task_that_it_would_be_in(project: Project):
    steps = "- Conjure infra/d.tf\n- Implement backend/a.py\n- Run its tests\n- Build web/p.tsx\n- Set up ci/y.yml\n"
    project.write(
        LARGE.replace(LARGE[LARGE.index("<action>") + 8 : LARGE.index("</action>")], steps)
    )
    told = project.told("estimate", "demo-PLAN.md")
    assert (
        "  - Implement backend/a.py\n    - Conjure infra/d.tf\n    - Run its tests\n"
        "  - Build web/p.tsx\n  - Set up ci/y.yml\n" in told
    )
    found = project.json("estimate", "demo-PLAN.md")["start"]["large_tasks"]["demo/1"]
    assert found["split"] == [one["name"] for one in found["parts"]]
    assert found["parts"][0]["steps"] == ["Conjure infra/d.tf", "Implement backend/a.py", "Run its tests"]  # fmt: skip


# --- quota --------------------------------------------------------------------------------------------


def spent(project: Project, days: int, tokens: int) -> None:
    """Each of the last days, and today."""
    folder = Path(project.environment["XDG_DATA_HOME"]) / "orchestrator"
    told = {"input": tokens, "output": 0, "cache_read": 0, "cache_write": 0, "reasoning": None}
    now = datetime.now(UTC)
    entries: list[Entry] = [
        line(at=now - timedelta(days=back), number=back, tokens=told) for back in range(days)
    ]
    ledger.append(folder, entries)


def test_s3_33_quota_tells_of_nothing_and_of_a_month_that_does_not_last(project: Project):
    told = project.told("quota")
    assert "month so far" in told
    assert "not known: no limit of the month is known" in told
    assert "LOW" not in told
    assert "- set quota.month_tokens" in told
    (project.root / ".orchestrator" / "config.toml").write_text("[quota]\nmonth_tokens = 1000\n")
    assert project.json("quota")["projected_total"] is None
    spent(project, 10, 5000)
    found = project.json("quota")
    assert (found["risk_level"], found["throttles"], found["quota_limit"]) == ("high", True, 1000)
    assert (found["days_known"], found["daily_mean"]) == (7, 5000)
    assert (
        found["current_month_tokens"] + 5000 * found["days_remaining"] == found["projected_total"]
    )
    told = project.told("quota")
    assert "HIGH: " in told
    assert "plans with a priority below 0 wait in the daemon" in told


def test_a_run_that_a_person_starts_is_told_of_the_month_and_starts(tmp_path: Path):
    here = place(tmp_path, "[quota]\nmonth_tokens = 1000\n")
    folder = Path(here.environment["XDG_DATA_HOME"]) / "orchestrator"
    told = {"input": 2000, "output": 0, "cache_read": 0, "cache_write": 0, "reasoning": None}
    ledger.append(folder, [line(at=datetime.now(UTC), tokens=told)])
    done = here.call("run", NAME)
    assert done.returncode == 0, done.stdout + done.stderr
    note = "note: behind quota: the month's limit of 1k tokens is used up"
    assert f"{note}; it starts all the same, as a person starts it: only plans of a daemon" in (
        done.stderr
    )
    assert note.removeprefix("note: ") in here.call("run", "--again", "--dry-run", NAME).stdout
    waits = here.call("run", "--again", NAME, "--ask-usd", "0.01")
    assert waits.returncode == WAITS
    assert note in waits.stderr
    assert "it starts all the same" not in waits.stderr
    here.environment["ORCHESTRATOR_QUOTA__THROTTLE"] = "false"
    quiet = here.call("run", "--again", NAME)
    assert "behind quota" not in quiet.stdout + quiet.stderr
