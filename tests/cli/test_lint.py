"""lint as a program: what is chosen, in which form, and with which exit code."""

from __future__ import annotations

import json

import pytest

from tests.cli.projects import Project, makes

PLAN = "demo-PLAN.md"
BAD = makes("Task 1: a, b: 100%", "a.txt", 'estimated-complexity="77" odd="1"')


@pytest.fixture
def bad(project: Project) -> Project:
    project.write(BAD)
    return project


def test_rules_are_chosen_by_the_beginnings_of_their_codes(bad: Project):
    assert "1 error, 1 warning" in bad.told("lint", PLAN, code=2)
    assert "0 errors, 1 warning" in bad.told("lint", PLAN, "--select", "S")
    assert "0 errors, 1 warning" in bad.told("lint", PLAN, "--ignore", "T3,V")
    assert "0 errors, 0 warnings" in bad.told("lint", PLAN, "--select", "s1", "--ignore", "S110")


def test_the_settings_choose_rules_and_flags_beat_them(bad: Project):
    (bad.root / ".orchestrator" / "config.toml").write_text('[lint]\nignore = ["T"]\n')
    assert "0 errors, 1 warning" in bad.told("lint", PLAN)
    assert "1 error, 0 warnings" in bad.told("lint", PLAN, "--ignore", "S", code=2)


def test_what_is_ignored_stops_a_run_all_the_same(bad: Project):
    (bad.root / ".orchestrator" / "config.toml").write_text('[lint]\nignore = ["T"]\n')
    bad.told("run", PLAN, code=2)


def test_a_rule_that_nobody_knows_is_a_usage_error_with_a_suggestion(bad: Project):
    done = bad.call("lint", PLAN, "--select", "V930")
    assert (done.returncode, done.stdout) == (64, "")
    assert "no rule is called V930" in done.stderr
    assert "did you mean V90" in done.stderr
    assert bad.call("lint", "--explain", "Q1").returncode == 64


def test_a_rule_explains_itself_and_all_are_listed(project: Project):
    assert project.told("lint", "--explain", "v903").startswith("# V903: a check that cannot fail")
    rows = project.told("lint", "--explain", "all").splitlines()
    assert rows == sorted(rows)
    assert any(row.startswith("X001  error    a secret in the plan") for row in rows)


def test_no_path_is_a_usage_error(project: Project):
    assert project.call("lint").returncode == 64


def test_statistics_count_by_rule_most_often_first(bad: Project):
    bad.write(makes("Task 1: x", "x", 'odd="1"'), name="b-PLAN.md")
    rows = bad.told("lint", ".", "--statistics", code=2).splitlines()
    assert rows[:2] == [
        "     2  S110  an unknown attribute or element of a task",
        "     1  T303  estimated-complexity is not 1 to 10",
    ]


def test_concise_is_one_line_each(bad: Project):
    rows = bad.told("lint", PLAN, "--format", "concise", code=2).splitlines()
    assert rows[0].startswith("demo-PLAN.md:8:35: T303 estimated-complexity=")
    assert rows[1].startswith("demo-PLAN.md:8:61: S110 warning: the attribute odd")
    assert len(rows) == 3


def test_github_commands_escape_what_github_reads(bad: Project):
    path = bad.root / "a,b-PLAN.md"
    (bad.root / PLAN).rename(path)
    rows = bad.told("lint", path.name, "--format", "github", code=2).splitlines()
    assert rows[0].startswith("::error title=T303,file=a%2Cb-PLAN.md,line=8,col=35::estimated")
    assert rows[1].startswith("::warning title=S110,")


def test_sarif_has_the_rules_and_places_that_its_readers_need(bad: Project):
    path = bad.root / "a b-PLAN.md"
    (bad.root / PLAN).rename(path)
    found = json.loads(bad.told("lint", path.name, "--format", "sarif", code=2))
    assert (found["version"], len(found["runs"])) == ("2.1.0", 1)
    run = found["runs"][0]
    driver = run["tool"]["driver"]
    assert driver["name"] == "orchestrator"
    assert [rule["id"] for rule in driver["rules"]] == ["S110", "T303"]
    assert all(rule["help"]["text"].startswith(f"# {rule['id']}") for rule in driver["rules"])
    first = run["results"][0]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("T303", 1, "error")
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a%20b-PLAN.md"}
    assert place["region"] == {"startLine": 8, "startColumn": 35}


def test_a_secret_is_not_shown_again_by_any_rule(project: Project):
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    plan = makes("Task 1: a", "a.txt").replace("echo hi", f"echo {secret}")
    project.write(plan.replace("test -s a.txt", f"test -s a.txt || echo {secret}"))
    for form in ("text", "concise", "json", "sarif", "github"):
        told = project.told("lint", PLAN, "--format", form, code=2)
        assert "X001" in told
        assert "V903" in told  # of the line of the secret, in words of the check
        assert secret[:6] not in told


def test_a_misnamed_plan_is_said_by_lint_and_by_graph(project: Project):
    good = project.write(makes("Task 1: a", "a.txt"))
    (project.root / "01-02-plan.md").write_text("---\nwave: 1\n---\n" + good.read_text())
    assert "01-02-plan.md:1:1: N001 warning: this looks like a plan" in project.told("lint", ".")
    assert "N001" in project.call("graph", ".").stderr
    assert "N001" in project.call("run", ".", "--dry-run").stderr
