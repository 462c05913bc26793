"""Annotations keep what a plan means, whatever is written in it already; inference only ever takes edges away."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator import complexity, settings
from orchestrator.cli import annotate
from orchestrator.graph import build
from orchestrator.graph.inferred import infer
from orchestrator.model import Element, PlanId, Position
from orchestrator.project import Source
from tests.build import plan, task

SPECS = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["auto", "auto", "auto", "tracer", "checkpoint:human-verify"]),
            "label": st.sampled_from(["Task {n}: ", "Task {m}: ", "Task 7: ", "Task {n}a: ", ""]),
            "depends-on": st.none() | st.sets(st.integers(1, 6), max_size=2),
            "parallel": st.sampled_from([None, None, "sequential", "can-parallelize"]),
            "context-mode": st.sampled_from([None, "fresh", "inherited"]),
            "id": st.sampled_from([None, None, "a{n}", "{m}"]),
            "files": st.sampled_from(["a.txt", "b.txt", "c/d.txt", None]),
        }
    ),
    min_size=1,
    max_size=6,
)


def text_of(specs: list[dict[str, object]]) -> str:
    rows = []
    for n, spec in enumerate(specs, 1):
        told = {
            "type": spec["kind"],
            "parallel": spec["parallel"],
            "context-mode": spec["context-mode"],
        }
        told["id"] = str(spec["id"]).format(n=n, m=n + 1) if spec["id"] else None
        before = spec["depends-on"]
        if isinstance(before, set):
            told["depends-on"] = ",".join(
                str(one) for one in sorted(before) if one != n and one <= len(specs)
            )
        attributes = "".join(
            f' {name}="{value}"' for name, value in told.items() if value is not None
        )
        files = f"<files>{spec['files']}</files>\n" if spec["files"] else ""
        name = str(spec["label"]).format(n=n, m=n + 1)
        rows.append(
            f"<task{attributes}>\n<name>{name}do it</name>\n{files}<action>do it</action>\n</task>\n"
        )
    return f"<tasks>\n{''.join(rows)}</tasks>\n"


@given(SPECS)
@hypothesis_settings(max_examples=300, deadline=None)
def test_any_plan_is_annotated_without_a_change_of_its_meaning(specs: list[dict[str, object]]):
    """The command refuses what would mean something else: here it must never have to."""
    root = Path("/nowhere")
    chosen = settings.load(root)
    source = Source(PlanId("p"), "p-PLAN.md", text_of(specs).encode())
    made = annotate.draft(root, source, chosen, models=False, infer=False)
    assert made.failed or made.refused is None, made.refused
    if made.failed:
        return
    again = annotate.draft(
        root, Source(PlanId("p"), "p-PLAN.md", made.new.encode()), chosen, models=False, infer=False
    )
    assert again.new == made.new


TEXTS = st.sampled_from(
    ["do it", "use a1.txt", "as in task 1", "see the previous task", "take c3", "x"]
)


@given(
    st.lists(
        st.tuples(TEXTS, st.sampled_from(["a{n}.txt", "b.txt", "package.json", None])),
        min_size=1,
        max_size=6,
    )
)
def test_inferred_edges_are_some_of_those_of_the_plain_order(parts: list[tuple[str, str | None]]):
    tasks = [
        task(
            n,
            depends_on=None,
            files=(file.format(n=n),) if file else None,
            action=text,
            elements=(Element(tag="action", text=text, position=Position(line=n, column=1)),),
        )
        for n, (text, file) in enumerate(parts, 1)
    ]
    waits = infer(plan(*tasks))
    assert waits is not None
    assert all(one.before < number for number, found in waits.items() for one in found)
    above: dict[int, set[int]] = {}
    for number, found in waits.items():
        above[number] = {one.before for one in found}.union(*(above[one.before] for one in found))
    for a, b in combinations(tasks, 2):
        if (
            a.files is None
            or b.files is None
            or a.files == b.files
            or a.files == ("package.json",)
            or a.files[0] in b.action
        ):
            assert a.ordinal in above[b.ordinal]


def test_a_plan_whose_author_has_said_something_is_not_inferred():
    assert infer(plan(task(1), task(2, attributes={"parallel": "sequential"}))) is None


@pytest.mark.parametrize("kind", ["tracer", "checkpoint:decision"])
def test_nothing_passes_a_tracer_or_a_person(kind: str):
    tasks = (task(1, type=kind, attributes={}), task(2, attributes={}))
    waits = infer(plan(*tasks))
    assert waits is not None
    assert [one.before for one in waits[2]] == [1]
    built, _ = build([plan(*tasks)])
    assert built is not None


def test_the_settings_ship_the_weights_that_the_code_has(tmp_path: Path):
    shipped = settings.load(tmp_path).complexity.model_dump()
    usual = {each.key: each.weight for each in complexity.INDICATORS}
    assert shipped == {"start": complexity.START, **usual}


def test_another_weight_moves_the_score():
    hard = task(1, action="Redesign the architecture.")
    assert complexity.score(hard).value == 8
    assert complexity.score(hard, {"architecture": 5, "start": 2}).value == 7
    assert complexity.score(hard, {"architecture": 1}).reasons == ("architecture decision (+1)",)
