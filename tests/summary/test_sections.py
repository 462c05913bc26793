"""What a person reads: each section says what the events say, and little where all went well."""

from __future__ import annotations

import pytest

from orchestrator.model import EventKind, Failure, Option, Outcome, Route, Usage, Verdict, Verified
from orchestrator.reader import frontmatter, goals
from tests.build import plan, task
from tests.summary.story import (
    FREE,
    HEADINGS,
    SHELL,
    Story,
    body,
    element,
    failed,
    front,
    green,
    headings,
    passed,
    red,
    section,
    spent,
)

INTERRUPTED = Outcome(failure=Failure.INTERRUPTED, detail="the engine died while it ran")


def run_easy() -> Story:
    story = Story(
        plan(
            task(1, commands=("pytest -q",)),
            task(2, commands=("make",)),
            task(3, commands=("make all",), depends_on=("1", "2")),
            frontmatter={"phase": "08-auth", "plan": "02", "requirements": ["R-1"], "tags": ["a"]},
            sections=(element("objective", "\nAdd login.\n\nPurpose: all.\n"),),
            commands=("make dist",),
        ),
        ladder=(SHELL, SHELL),
    )
    story.start(1, 0, [red("pytest -q")])
    story.start(2, 0, [red("make")])
    story.finish(2, 10, passed(green("make")))
    story.finish(1, 20, passed(green("pytest -q")))
    story.work(3, 20, 30, passed(green("make all")), [red("make all")])
    story.check_plan(31, green("make dist"))
    story.end(31)
    return story


def test_an_easy_run_reads_short_and_complete():
    text = run_easy().render()
    assert body(text).startswith(
        "\n# Phase 08-auth Plan 02: Add login Summary\n\n"
        "**3 tasks done in 30s, up to 2 at once, every check green.**\n"
    )
    assert section(text, "Performance") == (
        "- **Duration:** 30s\n- **Started:** 2026-04-16T17:36:16Z\n"
        "- **Completed:** 2026-04-16T17:36:46Z\n- **Tasks:** 3/3\n- **Tokens:** 0\n- **Cost:** $0.00"
    )
    assert section(text, "Parallelization") == (
        "- **Batches:** 2: [1, 2] [3]\n- **Attempts started:** 3\n- **Completion order:** 2, 1, 3\n"
        "- **Most at once:** 2\n- **Speedup:** 1.33x (40s of work in 30s)\n"
        "- **Efficiency:** 67% (speedup over most at once)"
    )
    assert section(text, "Checks") == (
        "- **Task 1:** green (exit 0), red before, strength 1: `pytest -q`\n"
        "- **Task 2:** green (exit 0), red before, strength 1: `make`\n"
        "- **Task 3:** green (exit 0), red before, strength 1: `make all`\n"
        "- **Plan:** green (exit 0): `make dist`"
    )
    assert section(text, "Tries") == "Every task passed at its first try."
    assert section(text, "Deviations from Plan") == "None - plan executed exactly as written."
    assert section(text, "Issues Encountered") == "None."
    assert section(text, "Next Phase Readiness") == "Ready: nothing is missing."
    assert text.endswith(
        "## Self-Check: PASSED\n\nBy our own checks only: every task and the plan itself.\n"
    )


def test_the_frontmatter_has_upstreams_keys_and_ours():
    text = run_easy().render()
    values = front(text)
    assert list(values) == [
        "phase", "plan", "subsystem", "tags", "key-files", "key-decisions",
        "requirements-completed", "duration", "completed", "status", "execution", "tasks",
    ]  # fmt: skip
    assert (values["phase"], values["plan"], values["duration"]) == ("08-auth", "02", "30s")
    assert values["key-files"] == {"created": [], "modified": ["p/1.txt", "p/2.txt", "p/3.txt"]}
    assert (values["requirements-completed"], values["status"]) == (["R-1"], "complete")
    execution = values["execution"]
    assert execution["token_savings_vs_sequential"] is None
    assert execution["main_context_tokens"] == 0
    assert (execution["parallel_batches"], execution["subagent_spawns"]) == (2, 3)
    assert (execution["speedup"], execution["parallelization_efficiency"]) == (1.33, 0.67)
    assert values["tasks"][0] == {
        "id": "p/1", "name": "do 1", "state": "succeeded", "worker": "shell", "model": None,
        "attempts": 1, "escalations": 0, "tokens": {"actual": 0, "estimated": None},
        "cost_usd": 0.0, "duration_s": 20.0, "check": {"commands": ["pytest -q"], "result": "green"},
        "verified": "command", "verify_strength": 1.0, "commit": None,
    }  # fmt: skip
    assert frontmatter.parse(text)["completed"] == "2026-04-16"


def test_every_heading_stands_once_and_in_order():
    assert headings(run_easy().render()) == [*HEADINGS, "Self-Check: PASSED"]


def test_rendering_changes_nothing_and_says_the_same_twice():
    story = run_easy()
    story.history.tasks.clear()
    assert story.render() == story.render()
    assert story.history.tasks == {}


def test_a_task_that_needed_three_tries_shows_all_of_them():
    story = Story(plan(task(1, commands=("make",))))
    said = "The check failed (exit 2): make\nerror: no rule"
    story.work(1, 0, 5, failed(detail=said, duration_s=5, usage=spent(100, 0.5)))
    story.work(1, 5, 9, failed(Failure.TIMEOUT, "no end", usage=None))
    last = passed(green("make"), usage=spent(50, 0.25), model="claude-sonnet-4-5")
    story.work(1, 9, 12, last, [red("make")])
    text = story.render()
    assert section(text, "Tries") == (
        "- **Task 1: do 1**\n"
        "  - Try 1 (claude, claude-haiku) failed after 5s (**verify**):\n"
        "    ```text\n    The check failed (exit 2): make\n    error: no rule\n    ```\n"
        "  - Try 2 (claude, claude-haiku) failed (**timeout**): no end\n"
        "  - Try 3 (claude, claude-sonnet-4-5) passed"
    )
    row = front(text)["tasks"][0]
    assert (row["attempts"], row["escalations"], row["model"]) == (3, 1, "claude-sonnet-4-5")
    assert "- **Tokens:** at least 150 (input 150)\n- **Cost:** at least $0.75 (priced)" in text
    assert front(text)["execution"]["lower_bound"] is True


def test_a_failure_names_who_is_skipped_for_it_and_how_to_go_on():
    other = plan(task(1, plan="q", depends_on=("p/1",)), id="q", depends_on=())
    story = Story(plan(task(1), task(2, depends_on=("1",)), task(3)), other, ladder=(SHELL,))
    story.work(1, 0, 5, failed(detail="no such file\nmore"))
    story.work(3, 5, 6, passed())
    text = story.render()
    assert "**Halted: 1 of 3 tasks done, 1 failed and 1 skipped.**" in text
    assert section(text, "Issues Encountered") == (
        "- **Task 1: do 1** failed after 1 attempt (verify): no such file\n"
        "- **Task 2: do 2** skipped: task 1 failed"
    )
    assert "- **Task 1: do 1**: `orchestrator retry r-7 p/1`" in section(
        text, "Next Phase Readiness"
    )
    assert text.count("## Self-Check: FAILED") == 1
    assert front(text)["completed"]  # the day it ended: upstream asks for the key
    foreign = story.render(other)
    assert section(foreign, "Issues Encountered") == "- **Task 1: do 1** skipped: task `p/1` failed"
    assert "`orchestrator retry r-7 p/1`" in section(foreign, "Next Phase Readiness")


def test_only_what_failed_is_the_cause_of_a_skip():
    last = task(3, depends_on=("1", "2"))
    requirements = {"requirements": ["R-1"]}
    story = Story(plan(task(1), task(2), last, frontmatter=requirements), ladder=(SHELL,))
    story.work(1, 0, 1, passed())
    story.work(2, 0, 1, failed())
    text = story.render()
    assert "- **Task 3: do 3** skipped: task 2 failed" in text
    assert front(text)["requirements-completed"] == []


def test_the_first_rung_after_a_retry_is_no_escalation():
    story = Story(plan(task(1, commands=("make",))))
    for at in range(4):
        story.work(1, at, at + 1, failed(), [green("make")])
    story.tell(EventKind.RETRY_ASKED, 10, {}, 1)
    verdict = Verdict(verified=Verified.COMMAND, strength=0, checks=(red("make"),))
    story.work(1, 11, 12, failed(verdict=verdict), [green("make")])
    text = story.render()
    assert front(text)["tasks"][0]["escalations"] == 2
    assert section(text, "Checks") == "- **Task 1:** **red** (exit 1), strength 0: `make`"


def test_a_run_that_waits_for_a_person_says_for_what():
    options = (Option(id="a", name="Alpha"), Option(id="b", name="b"))
    ask = task(1, type="checkpoint:decision", options=options, files=None)
    story = Story(plan(ask, task(2, depends_on=("1",))))
    story.ask(1, 0)
    story.end(1, exit_code=5)
    text = story.render()
    assert front(text)["status"] == "halted"
    assert section(text, "Next Phase Readiness") == (
        "Not ready. What is missing:\n\n"
        "- **Task 1: do 1** waits for a person: `orchestrator approve r-7 p/1 --option a` or "
        "`orchestrator reject r-7 p/1` (options: `a` Alpha; `b`)\n"
        "- Then, also for task 2, not done yet: `orchestrator resume r-7`"
    )


def test_answers_are_told_with_who_gave_them():
    ask = {"type": "checkpoint:decision", "options": (Option(id="b", name="Beta"),), "files": None}
    look = {"type": "checkpoint:human-verify"}
    story = Story(plan(task(1, **ask), task(2, **look), task(3), task(4, **look)))
    for ordinal in (1, 2, 4):
        story.ask(ordinal, 0)
    story.answer(1, 5, approved=True, option="b", note="one\n## two", by="ada", via="terminal")
    story.answer(2, 6, approved=True, by="--yes")
    story.answer(4, 6, approved=True, by="expiry", note="nobody answered within 2h 0min")
    story.work(3, 6, 7, passed())
    text = story.render()
    on = "on 2026-04-16 17:36 UTC"
    assert section(text, "Decisions Made") == (
        f"- **Task 1: do 1** approved by ada (on the terminal) {on}, option `b` (Beta):\n"
        "  ```text\n  one\n  ## two\n  ```\n"
        f"- **Task 2: do 2** approved by `--yes` {on}\n"
        f"- **Task 4: do 4** approved by expiry {on}: nobody answered within 2h 0min"
    )
    values = front(text)
    assert values["key-decisions"] == [
        "do 1: b (Beta) - one ## two",
        "do 2: approved (--yes)",
        "do 4: approved (expiry) - nobody answered within 2h 0min",
    ]
    assert [row["verified"] for row in values["tasks"]] == ["human", "none", "none", "none"]
    assert "3 without proof" in text
    assert text.endswith("nothing proves tasks 2, 3 and 4.\n")


def test_a_rejected_checkpoint_says_why():
    story = Story(plan(task(1, type="checkpoint:human-verify")))
    story.ask(1, 0)
    story.answer(1, 1, approved=False, note="wrong colour", by="ada")
    text = story.render()
    assert "- **Task 1: do 1** was rejected by ada: wrong colour" in section(
        text, "Issues Encountered"
    )


def test_a_check_that_was_green_before_proves_nothing():
    told = "green before the work, so it proves nothing: make"
    verdict = Verdict(
        verified=Verified.COMMAND,
        strength=0,
        checks=(green("make"),),
        warnings=(told, "the worker changed t.py, which its check names: restored"),
    )
    story = Story(plan(task(1, commands=("make",))))
    story.work(1, 0, 1, Outcome(usage=FREE, verdict=verdict), [green("make")])
    text = story.render()
    assert "**green before too, so it proves nothing**" in section(text, "Checks")
    assert section(text, "Deviations from Plan") == (
        "- **Task 1:** the worker changed t.py, which its check names: restored"
    )
    assert "1 without proof" in text
    assert text.endswith("nothing proves these results.\n")


def test_a_check_that_is_all_of_a_tools_task_proves_it_and_what_was_saved_is_told():
    by_tool = Route(
        worker="tool", confidence=1, reason="its words", tool="run_tests", pattern="t:p"
    )
    verdict = Verdict(verified=Verified.COMMAND, strength=1, checks=(green("make"),))
    story = Story(plan(task(1, commands=("make",))), ladder=(by_tool,))
    story.work(1, 0, 1, Outcome(usage=FREE, verdict=verdict), [green("make")])
    text = story.render(saved="about 1,300 tokens")
    assert section(text, "Checks").startswith(
        "- **Task 1:** green (exit 0), to be green is all that the task asks for, strength 1: `make`"
    )
    assert "proves nothing" not in text
    assert "every check green" in text
    assert section(text, "Token Efficiency").endswith("\n\nSaved by tools: about 1,300 tokens.")
    execution = front(text)["execution"]
    assert (execution["attempts"], execution["subagent_spawns"]) == (1, 0), "a tool is no agent"
    assert "Saved by tools" not in story.render()


def test_a_tool_that_failed_is_told_though_a_model_did_its_task():
    by_tool = Route(worker="tool", confidence=1, reason="x", tool="run_tests", pattern="t:p")
    by_model = Route(worker="claude", model="m", confidence=1, reason="x")
    story = Story(plan(task(1, commands=("make",))), ladder=(by_tool, by_model))
    story.work(
        1, 0, 1, Outcome(failure=Failure.VERIFY, detail="check failed: make\nmore", usage=FREE)
    )
    story.work(1, 2, 3, Outcome(usage=FREE))
    said = "- **Task 1: do 1** went to a model after 1 attempt of the tool `run_tests`: check failed: make"
    assert section(story.render(), "Issues Encountered") == said
    off = story.render(tools_off={"run_tests": "it failed 3 times in a row"})
    assert section(off, "Issues Encountered") == (
        f"{said}. The tool may not work now: it failed 3 times in a row"
    )


def test_green_before_and_no_check_at_all_are_told_apart():
    story = Story(plan(task(1)))
    story.work(1, 0, 1, Outcome(usage=FREE, verdict=Verdict(verified=Verified.NONE, strength=0)))
    assert story.render().endswith("none was there: nothing proves these results.\n")
    verdict = Verdict(verified=Verified.COMMAND, strength=0, checks=(green("make"),))
    story = Story(plan(task(1, commands=("make",))))
    story.work(1, 0, 1, Outcome(usage=FREE, verdict=verdict), [green("make")])
    assert story.render().endswith(
        "No check failed, but none was red before the work: nothing proves these results.\n"
    )


def test_what_only_a_person_can_check_is_left_unticked():
    verification = "\nBefore:\n- [x] `npm test` passes\n- look\n  twice\n\n````bash\nmake\n```\n- no\n````\n### Head\n1. go\n"
    story = Story(
        plan(
            task(1, human_checks=("open the page",)),
            must_haves=goals.must_haves({"truths": ["User can log in", {"a": "b"}]}),
            sections=(element("verification", verification), element("success_criteria", "Good.")),
        )
    )
    verdict = Verdict(verified=Verified.HUMAN, strength=1, checks=(green("make"),))
    story.work(1, 0, 1, Outcome(usage=FREE, verdict=verdict))
    text = story.render()
    assert section(text, "Verification Checklist") == (
        "- [ ] User can log in\n- [ ] a: b\n- [ ] open the page\n- [ ] `npm test` passes\n"
        "- [ ] look twice\n- [ ] go\n- [ ] Good."
    )
    assert front(text)["execution"]["tasks"]["partial"] == 1
    assert "1 for a person to look at" in text
    assert "- **Task 1: do 1** (a person must still look)" in text


def test_a_red_check_of_the_plan_halts_it():
    story = Story(plan(task(1, commands=("a",)), commands=("make dist",)))
    story.work(1, 0, 1, passed(green("a")))
    assert "the plan's own check is still to be run" in story.render()
    assert "`orchestrator resume r-7`" in section(story.render(), "Next Phase Readiness")
    story.check_plan(2, red("make dist", "first\n## second"))
    text = story.render()
    assert front(text)["status"] == "halted"
    assert "the plan's own check is red" in text
    assert section(text, "Issues Encountered") == (
        "- **The plan's own check** `make dist` is red\n  ```text\n  first\n  ## second\n  ```"
    )
    assert "mend what it names, then `orchestrator resume r-7`" in section(
        text, "Next Phase Readiness"
    )


def test_tasks_that_were_not_selected_are_missing_and_not_done():
    story = Story(plan(task(1, commands=("a",)), task(2)), keep={"p/1"})
    story.work(1, 0, 1, passed(green("a")))
    text = story.render()
    assert front(text)["status"] == "halted"
    assert [row["state"] for row in front(text)["tasks"]] == ["succeeded", "not-selected"]
    assert "- Task 2, not selected for this run: `orchestrator run plans/p-PLAN.md`" in text


def test_an_attempt_that_died_with_its_engine_lasted_until_its_last_word():
    """The pause is nobody's work, and no part of the duration."""
    story = Story(plan(task(1, commands=("a",))))
    story.start(1, 0)
    story.tell(EventKind.WORKER_REPORTED, 5, {"session": "s"}, 1, 1)
    story.resume(1000)
    story.finish(1, 1000, INTERRUPTED)
    story.work(1, 1001, 1011, passed(green("a"), usage=spent(7)))
    text = story.render()
    execution = front(text)["execution"]
    assert (execution["attempts"], execution["lower_bound"]) == (2, True)
    assert front(text)["tasks"][0]["duration_s"] == 15.0
    assert "- **Duration:** 16s" in text
    assert "  - Try 1 (claude, claude-haiku) was interrupted: the engine died while it ran" in text
    assert (
        "**Speedup:** at least 0.01x (at least 15s of work in 17min, idle for at most 17min)"
        in text
    )
    assert "**Efficiency:** at least 1% " in text
    assert "- **Resumed:** 1 time" in text


def test_attempts_that_died_together_ran_together():
    story = Story(plan(task(1), task(2)))
    story.start(1, 0)
    story.start(2, 1)
    story.resume(1000)
    for ordinal in (1, 2):
        story.finish(ordinal, 1000, INTERRUPTED)
    story.work(1, 1001, 1002, passed())
    assert front(story.render())["execution"]["max_parallel"] == 2


def test_unknown_tokens_are_said_and_never_0():
    story = Story(plan(task(1, commands=("a",))))
    story.work(1, 0, 1, passed(green("a"), usage=Usage()))
    text = story.render()
    assert front(text)["execution"]["total_subagent_tokens"] is None
    assert front(text)["tasks"][0]["tokens"]["actual"] is None
    assert "- **Tokens:** unknown\n- **Cost:** unknown" in text
    assert "| 1 do 1 | claude-haiku | unknown | not given |" in text


@pytest.mark.parametrize(
    ("actual", "result"),
    [(150, "as estimated"), (50, "50% under"), (220, "10% over"), (800, "4.0 times")],
)
def test_tokens_stand_beside_their_estimate(actual: int, result: str):
    story = Story(plan(task(1, estimated_tokens={"low": 100, "high": 200})))
    story.work(1, 0, 1, passed(usage=spent(actual)))
    row = f"| 1 do 1 | claude-haiku | {actual} | 100-200 | {result} |"
    assert row in section(story.render(), "Token Efficiency")


def test_a_plan_of_which_nothing_ran_says_so():
    other = plan(task(1, plan="q"), id="q", frontmatter={})
    story = Story(plan(task(1)), other, keep={"q/1"})
    text = story.render()
    assert "- **Started:** not started" in text
    assert front(text)["duration"] == "unknown"
    assert headings(text) == [*HEADINGS, "Self-Check: FAILED"]
