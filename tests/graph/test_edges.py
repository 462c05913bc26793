"""Edges inside one plan: what the attributes mean, and what is refused."""

from __future__ import annotations

import pytest

from orchestrator.graph import Reason, TaskGraph, build
from orchestrator.model import Plan, Severity
from tests.build import plan, task


def graph(*plans: Plan, isolated: bool = False) -> TaskGraph:
    built, said = build(plans)
    assert built is not None, said
    return built.isolated() if isolated else built


def edges(built: TaskGraph) -> set[tuple[str, str, str]]:
    return {(edge.before, edge.after, edge.reason.value) for edge in built.edges()}


def codes(*plans: Plan) -> list[str]:
    return [one.code for one in build(plans)[1]]


def test_a_plain_plan_keeps_the_order_of_its_text():
    plain = plan(task(1, depends_on=None), task(2, depends_on=None), task(3, depends_on=None))
    assert edges(graph(plain)) == {("p/1", "p/2", "order"), ("p/2", "p/3", "order")}


def test_an_explicit_empty_depends_on_waits_for_nothing():
    assert edges(graph(plan(task(1, depends_on=None), task(2, depends_on=())))) == set()


def test_can_parallelize_without_depends_on_waits_for_nothing():
    free = task(2, depends_on=None, parallel="can-parallelize")
    assert edges(graph(plan(task(1, depends_on=None), free))) == set()


def test_sequential_with_depends_on_never_meets_another_task_of_its_plan():
    built = graph(plan(task(1), task(2, parallel="sequential"), id="p"), plan(task(1, "q"), id="q"))
    assert built.clash("p/1", "p/2")
    assert built.clash("p/2", "q/1") is None


def test_a_checkpoint_waits_for_all_before_it_and_holds_back_all_after_it():
    gate = task(3, type="checkpoint:human-verify", depends_on=None)
    built = graph(plan(task(1), task(2), gate, task(4), task(5, depends_on=("4",))))
    assert built.all_before("p/3") == {"p/1", "p/2"}
    assert built.all_after("p/3") == {"p/4", "p/5"}


def test_a_checkpoint_with_depends_on_holds_back_only_who_asks_for_it():
    gate = task(2, type="checkpoint:human-verify", depends_on=("1",))
    built = graph(plan(task(1), gate, task(3, depends_on=("1",)), task(4, depends_on=("2",))))
    assert built.all_after("p/2") == {"p/4"}


def test_tasks_that_share_a_resource_never_meet():
    built = graph(plan(task(1, resources=("db",)), task(2, resources=("db", "x")), task(3)))
    assert built.clash("p/1", "p/2") == "both use db"
    assert built.clash("p/1", "p/3") is None


def test_a_task_without_files_is_alone_in_a_directory_and_free_in_worktrees():
    unknown = plan(task(1, files=None), task(2))
    assert graph(unknown).clash("p/1", "p/2")
    assert graph(unknown, isolated=True).clash("p/1", "p/2") is None


def test_a_number_is_the_label_where_all_tasks_have_one():
    second = task(2, label="1", depends_on=())
    third = task(3, label="3", depends_on=("1",))
    built, said = build([plan(task(1, label="2"), second, third)])
    assert built is not None
    assert built.before("p/3") == ["p/2"]
    assert [(one.code, one.severity) for one in said] == [("G504", Severity.WARNING)]


def test_a_number_is_the_place_where_labels_are_missing_or_repeated():
    for label in (None, "2"):
        built, _ = build(
            [plan(task(1, label="2"), task(2, label=label), task(3, depends_on=("1",)))]
        )
        assert built is not None
        assert built.before("p/3") == ["p/1"]


@pytest.mark.parametrize("reference", ["build", "Task 1", "task-1", "01", "p/1"])
def test_a_task_is_known_under_its_other_names(reference: str):
    built = graph(plan(task(1, alias="build"), task(2, depends_on=(reference,))))
    assert built.before("p/2") == ["p/1"]


def test_a_task_of_another_plan_is_reached_by_its_full_name():
    built = graph(plan(task(1)), plan(task(1, "q", depends_on=("p/1",)), id="q"))
    assert built.before("q/1") == ["p/1"]


def test_everything_wrong_is_said_at_once_and_located():
    bad = plan(
        task(1, depends_on=("9",)),
        task(2, depends_on=("2",), alias="x"),
        task(3, alias="x"),
        task(4, depends_on=("5",)),
        task(5, depends_on=("4",)),
    )
    built, said = build([bad])
    assert built is None
    assert sorted(one.code for one in said) == ["G501", "G502", "G503", "G505", "G507"]
    cycle = next(one for one in said if one.code == "G505")
    assert "p/4 -> p/5 -> p/4" in cycle.message or "p/5 -> p/4 -> p/5" in cycle.message
    assert (cycle.file, cycle.line) == ("plans/p-PLAN.md", 40)


def test_every_knot_is_named():
    bad = plan(*(task(n, depends_on=(str(n + 1 if n % 2 else n - 1),)) for n in (1, 2, 3, 4)))
    assert sorted(codes(bad)) == ["G505", "G505", "G507", "G507"]


def test_writers_of_one_file_take_turns_in_document_order():
    built = graph(plan(task(1, files=("a.py",)), task(2, files=("./a.py",)), task(3, files=("b",))))
    assert [(e.before, e.after, e.reason, e.note) for e in built.edges()] == [
        ("p/1", "p/2", Reason.CONFLICT, "a.py")
    ]


def test_a_conflict_edge_never_closes_a_cycle():
    built = graph(plan(task(1, files=("a",), depends_on=("2",)), task(2, files=("a",))))
    assert edges(built) == {("p/2", "p/1", "depends-on")}


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("src/a.py", "src", True),
        ("src/", "src/deep/a.py", True),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "lib/a.py", False),
        ("src/**/x", "src/a/b", True),
        ("src/a.py", "src/a.pyc", False),
        ("a/{b,c}.py", "a/b.py", True),
    ],
)
def test_folders_and_globs_count_as_what_they_cover(one: str, other: str, meet: bool):
    if one == "src/**/x":
        other = "src/**/y"  # two globs that start alike may mean the same file
    built = graph(plan(task(1, files=(one,)), task(2, files=(other,))))
    assert bool(built.edges()) is meet


def test_the_longest_remaining_path_counts_durations():
    from orchestrator.model import Estimate

    minute = Estimate(low=60, high=60)
    built = graph(
        plan(
            task(1, estimated_duration_s=minute),
            task(2, estimated_duration_s=minute, depends_on=("1",)),
            task(3, estimated_duration_s=minute),
        )
    )
    assert [built.remaining_s(t) for t in built] == [120, 60, 60]


def test_an_edge_that_others_imply_does_not_split_a_batch():
    built = graph(
        plan(
            task(1),
            task(2, depends_on=("1",)),
            task(3, depends_on=("2",)),
            task(4, depends_on=("1", "2")),
        )
    )
    assert built.batches() == [["p/1"], ["p/2"], ["p/3", "p/4"]]


def test_leaving_a_task_out_keeps_the_order_around_it():
    built = graph(plan(task(1), task(2, depends_on=("1",)), task(3, depends_on=("2",))))
    part = built.restricted({"p/1", "p/3"})
    assert list(part) == ["p/1", "p/3"]
    assert part.before("p/3") == ["p/1"]


def test_zero_padded_labels_are_their_numbers():
    built = graph(plan(task(1, label="01"), task(2, label="02", depends_on=("1",))))
    assert built.before("p/2") == ["p/1"]
    built = graph(plan(task(1, label="1"), task(2, label="2", depends_on=("01",))))
    assert built.before("p/2") == ["p/1"]


@pytest.mark.parametrize("words", [("none",), ("Task", "1")])
def test_words_around_a_number_mean_nothing(words: tuple[str, ...]):
    built = graph(plan(task(1), task(2, depends_on=words)))
    assert built.before("p/2") == (["p/1"] if "1" in words else [])


def test_a_checkpoint_writes_nothing():
    gate = task(1, "q", type="checkpoint:human-verify", files=None)
    first = plan(gate, id="q", path="x/01-01-PLAN.md", files_modified=("z.py",))
    second = plan(task(1), path="x/01-02-PLAN.md", files_modified=("z.py",))
    assert graph(first, second).edges() == []


def test_brackets_are_names_and_two_stars_cross_folders():
    assert not graph(
        plan(task(1, files=("app/[id]/p.ts",)), task(2, files=("app/i/p.ts",)))
    ).edges()
    assert graph(plan(task(1, files=("app/**/p.ts",)), task(2, files=("app/a/b/p.ts",)))).edges()
