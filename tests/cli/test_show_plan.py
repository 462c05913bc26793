"""What a plan promises as a whole: shown before the run, looked at behind it."""

from __future__ import annotations

from tests.cli.projects import Project, checkpoint, makes, task

PLAN = "demo-PLAN.md"
FRONT = """requirements: [R-1]
must_haves:
  truths: ["Everybody can read it"]
  artifacts:
    - {path: a.txt, provides: The text, contains: hi}
    - {path: b.txt, provides: More text}
    - {path: a.txt/../long.txt, min_lines: 3}
  key_links:
    - {from: a.txt, to: b.txt, via: a link}
user_setup:
  - service: mail
    why: It sends mail
    env_vars: [{name: MAIL_KEY, source: the provider}]
"""


def test_show_tells_what_was_understood_of_a_plan(project: Project):
    project.write(
        makes("Task 1: make a", "a.txt"),
        task(
            "Task 2: tell it",
            more="<action>Say so.</action><verify>It is said.</verify>",
            attributes="",
        ),
        checkpoint("human-verify", "Task 3: look", "<what-built>A page.</what-built>"),
        front=FRONT,
    )
    told = project.told("show", PLAN)
    for row in (
        "  check         test -s a.txt\n",
        "  check         prose: nothing is run\n",
        "  waits for     demo/1 (order)\n",
        "  type          checkpoint:human-verify\n",
        "  requirements  R-1\n",
        "  must be true  Everybody can read it\n",
        "  must exist    a.txt: The text\n",
        "  must use      a.txt uses b.txt a link\n",
        "  set up        mail: It sends mail (1 step)\n",
    ):
        assert row in told
    found = project.json("show", PLAN)
    assert found["must_haves"]["artifacts"][0]["contains"] == "hi"
    assert [one["commands"] for one in found["tasks"]] == [["test -s a.txt"], [], []]


def test_a_plan_with_errors_is_refused_as_lint_says_it(project: Project):
    project.write(makes("Task 1: a", "a.txt", 'model="gpt"'))
    done = project.call("show", PLAN)
    assert done.returncode == 2
    assert "T304" in done.stderr


def test_the_summary_ticks_only_what_was_looked_at(project: Project):
    project.write(makes("Task 1: make a", "a.txt"), front=FRONT)
    project.told("run", PLAN)
    text = (project.root / "demo-SUMMARY.md").read_text()
    assert "- [x] `a.txt`: The text\n" in text
    assert "- [ ] `b.txt`: More text (missing)\n" in text
    assert "- [ ] `a.txt/../long.txt` (missing)\n" in text
    assert "- [ ] Everybody can read it\n" in text
    assert "- [ ] a.txt uses b.txt, via a link\n" in text
    assert (
        "## User Setup Required\n\n- **mail**: It sends mail\n  - [ ] env vars: MAIL\\_KEY (the provider)\n"
        in text.replace("MAIL_KEY", "MAIL\\_KEY")
    )
    assert "must exist: a.txt: The text" in project.told("show")


def test_upstreams_check_finds_its_keys_in_every_summary(project: Project):
    """Its own reader looks for a line that begins with the key."""
    project.write(makes("Task 1: make a", "a.txt"))
    project.write(task("Task 1: fail", "exit 1", "false"), name="bad-PLAN.md")
    project.told("run", PLAN)
    project.call("run", "bad-PLAN.md")
    for name in ("demo-SUMMARY.md", "bad-SUMMARY.md"):
        head = (project.root / name).read_text().split("\n---\n")[0].splitlines()
        keys = {row.partition(":")[0] for row in head if row and not row.startswith((" ", "-"))}
        assert {"phase", "plan", "subsystem", "tags", "duration", "completed", "status"} <= keys


def test_a_halted_summary_holds_back_what_depends_on_its_plan(project: Project):
    home = ".planning/phases/01-x"
    project.write(makes("Task 1: a", "a.txt"), name=f"{home}/01-01-PLAN.md")
    project.write(
        makes("Task 1: b", "b.txt"), name=f"{home}/01-02-PLAN.md", front="depends_on: [01-01]\n"
    )
    (project.root / home / "01-01-SUMMARY.md").write_text("---\nstatus: halted\n---\n")
    done = project.call("run", f"{home}/01-02-PLAN.md")
    assert done.returncode == 2
    assert "its SUMMARY says halted" in done.stderr
    (project.root / home / "01-01-SUMMARY.md").write_text("---\nstatus: complete\n---\n")
    project.told("run", f"{home}/01-02-PLAN.md")
