"""Edges between plans: every spelling of depends_on, waves, phases, and what is outside of the run."""

from __future__ import annotations

import pytest

from orchestrator.graph import KnownPlan, build
from orchestrator.model import Plan
from tests.build import plan, task


def phase_plan(name: str, phase: str = "01-base", **values: object) -> Plan:
    path = f".planning/phases/{phase}/{name}-PLAN.md"
    return plan(task(1, name), id=name, path=path, **values)


def order(*plans: Plan) -> set[tuple[str, str, str]]:
    built, said = build(plans)
    assert built is not None, said
    return {(e.before, e.after, e.reason.value) for e in built.edges()}


@pytest.mark.parametrize(
    "reference",
    ["01-02", "02", "2", "1-2", "01-02-PLAN.md", "01-02-PLAN", "01-02-auth", "AUTH",
     "01-02-auth-PLAN.md", ".planning/phases/01-base/01-02-auth-PLAN.md"],
)  # fmt: skip
def test_every_spelling_of_depends_on_finds_its_plan(reference: str):
    second = phase_plan("01-02-auth")
    third = phase_plan("01-03", depends_on=(reference,))
    assert order(second, third) == {("01-02-auth/1", "01-03/1", "plan")}


NESTED = ".planning/phases/04-shop/plans/PLAN-02-cart.md"


@pytest.mark.parametrize(
    "reference", ["04-02", "02", "2", "04-02-cart", "PLAN-02-cart.md", "PLAN-02", "plan 2", "cart"]
)
def test_a_nested_plan_is_found_by_its_spellings(reference: str):
    second = plan(task(1, "04-02"), id="04-02", path=NESTED)
    path = ".planning/phases/04-shop/plans/PLAN-03-pay.md"
    third = plan(task(1, "04-03"), id="04-03", path=path, depends_on=(reference,))
    assert order(second, third) == {("04-02/1", "04-03/1", "plan")}


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("02.1-01", "02.1-01"),
        ("02.1-01", "2.1-1"),
        ("36A-01", "36A-01"),
        ("36A-01", "36a-1"),
        ("01-01", "1.1"),
        ("50-13a", "50-13a"),
    ],
)
def test_decimals_letters_and_floats_find_their_plan(name: str, reference: str):
    edges = order(phase_plan(name), phase_plan("99-01", depends_on=(reference,)))
    assert edges == {(f"{name}/1", "99-01/1", "plan")}


def test_a_bare_number_means_the_same_phase():
    other = phase_plan("02-02", "02-more")
    later = phase_plan("02-03", "02-more", depends_on=("02",))
    first = phase_plan("01-02")
    assert ("02-02/1", "02-03/1", "plan") in order(first, other, later)


def test_a_plan_of_an_earlier_phase_is_found_by_its_full_name():
    edges = order(phase_plan("01-02"), phase_plan("02-01", "02-more", depends_on=("01-02",)))
    assert edges == {("01-02/1", "02-01/1", "plan")}


def test_a_finished_plan_outside_the_run_is_met():
    known = KnownPlan(path=".planning/phases/01-base/01-01-PLAN.md", finished=True)
    assert build([phase_plan("01-02", depends_on=("01-01",))], [known])[1] == []


def test_an_unfinished_plan_outside_the_run_refuses_it():
    known = KnownPlan(path=".planning/phases/01-base/01-01-PLAN.md", finished=False)
    built, said = build([phase_plan("01-02", depends_on=("01-01",))], [known])
    assert built is None
    assert [one.code for one in said] == ["G513"]
    assert "--ignore-deps" in said[0].message


def test_a_plan_that_is_nowhere_is_a_warning():
    built, said = build([phase_plan("01-02", depends_on=("07-01",))])
    assert built is not None
    assert [one.code for one in said] == ["G511"]


def test_a_plan_cannot_wait_for_itself():
    assert [d.code for d in build([phase_plan("01-02", depends_on=("02",))])[1]] == ["G512"]


def test_plans_that_wait_for_each_other_are_named():
    built, said = build(
        [phase_plan("01-01", depends_on=("01-02",)), phase_plan("01-02", depends_on=("01-01",))]
    )
    assert built is None
    assert "01-01/1 -> 01-02/1 -> 01-01/1" in said[0].message


def test_waves_order_a_phase_where_nobody_says_depends_on():
    edges = order(
        phase_plan("01-01", wave=1), phase_plan("01-02", wave=1), phase_plan("01-03", wave=2)
    )
    assert edges == {("01-01/1", "01-03/1", "wave"), ("01-02/1", "01-03/1", "wave")}


def test_waves_do_not_count_where_somebody_says_depends_on():
    edges = order(
        phase_plan("01-01", wave=1),
        phase_plan("01-02", wave=2, depends_on=("01-01",)),
        phase_plan("01-03", wave=3),
    )
    assert edges == {("01-01/1", "01-02/1", "plan")}


def test_a_wave_that_disagrees_is_a_warning():
    _, said = build([phase_plan("01-01", wave=2), phase_plan("01-02", wave=2, depends_on=("01",))])
    assert [one.code for one in said] == ["G514"]


def test_phases_follow_each_other_by_number():
    edges = order(
        phase_plan("10-01", "10-last"),
        phase_plan("02.1-01", "02.1-fix"),
        phase_plan("02-01", "02-x"),
    )
    assert edges == {("02-01/1", "02.1-01/1", "phase"), ("02.1-01/1", "10-01/1", "phase")}


def test_quick_tasks_are_no_phases():
    first = plan(task(1, "a"), id="a", path=".planning/quick/001-a/001-PLAN.md")
    second = plan(task(1, "b"), id="b", path=".planning/quick/002-b/002-PLAN.md")
    assert order(first, second) == set()


def test_a_plan_that_waits_holds_back_its_first_tasks_only():
    a = plan(task(1, "a"), task(2, "a", depends_on=("1",)), id="a", path="x/01-01-PLAN.md")
    b = plan(
        task(1, "b"),
        task(2, "b", depends_on=("1",)),
        id="b",
        path="x/01-02-PLAN.md",
        depends_on=("01",),
    )
    assert ("a/2", "b/1", "plan") in order(a, b)
    assert len(order(a, b)) == 3


def test_a_file_that_only_files_modified_names_keeps_plans_apart():
    a, b = (
        phase_plan("01-01", files_modified=("z.py",)),
        phase_plan("01-02", files_modified=("z.py",)),
    )
    assert order(a, b) == {("01-01/1", "01-02/1", "conflict")}


@pytest.mark.parametrize("name", ["01-01/1", "1-1/1", "01-01/01"])
def test_a_task_of_another_plan_is_found_under_its_plans_names(name: str):
    first = phase_plan("01-01")
    second = plan(
        task(1, "01-02", depends_on=(name,)),
        id="01-02",
        path=".planning/phases/01-base/01-02-PLAN.md",
    )
    assert order(first, second) == {("01-01/1", "01-02/1", "depends-on")}


@pytest.mark.parametrize(("finished", "codes"), [(True, []), (False, ["G506"])])
def test_a_task_of_a_plan_outside_the_run_is_met_if_it_is_finished(
    finished: bool, codes: list[str]
):
    known = KnownPlan(path=".planning/phases/01-base/01-01-PLAN.md", finished=finished)
    path = ".planning/phases/01-base/01-02-PLAN.md"
    later = plan(task(1, "01-02", depends_on=("01-01/4",)), id="01-02", path=path)
    assert [one.code for one in build([later], [known])[1]] == codes


def test_phases_directly_under_the_root_find_each_other_and_no_namesake():
    first = plan(task(1, "a"), id="a", path="01-a/01-01-PLAN.md")
    later = plan(task(1, "b"), id="b", path="02-b/02-01-PLAN.md", depends_on=("01-01",))
    assert order(first, later) == {("a/1", "b/1", "plan")}
    elsewhere = plan(task(1, "c"), id="c", path="plans2/x/01-01-PLAN.md")
    lonely = plan(task(1, "d"), id="d", path="plans/y/02-01-PLAN.md", depends_on=("01-01",))
    assert [one.code for one in build([elsewhere, lonely])[1]] == ["G511"]
