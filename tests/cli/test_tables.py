"""Tables on narrow screens, and in files: names are cut only where a person looks, and nothing where they cannot fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.views.text import LEAST_CELL, UNKNOWN, columns, cost, dollars
from tests.cli.projects import Project, task
from tests.cli.test_routing import remember
from tests.reports.lines import line


def test_s3_38_a_cost_has_four_digits_where_two_would_say_nothing():
    told = {0.0123: "$0.0123", 0.09999: "$0.1000", 0.1: "$0.10", 1.239: "$1.24", 0: "$0.00"}
    assert {usd: cost(usd) for usd in told} == told
    assert cost(None) == UNKNOWN


def test_a_figure_to_compare_has_three_digits_and_at_least_its_cents():
    told = {0.8: "$0.80", 0.325: "$0.325", 0.026: "$0.026", 0.00001: "$0.00001", 1.5: "$1.50"}
    assert {usd: dollars(usd) for usd in told} == told
    assert (dollars(0), dollars(-0.1), dollars(1234.567)) == ("$0.00", "-$0.10", "$1,234.57")
    assert dollars(None) == UNKNOWN


ROWS = (("a-model-with-a-long-name-of-its-own", "$1.00"), ("short", "$20.00"))
CELL = st.text("abc ", min_size=1, max_size=60)


def test_a_name_is_cut_to_the_width_and_a_figure_never():
    assert columns(ROWS) == [
        "a-model-with-a-long-name-of-its-own  $1.00",
        "short                                $20.00",
    ]
    assert columns(ROWS, width=28, names=(0,)) == [
        "a-model-with-a-long…  $1.00",
        "short                 $20.00",
    ]


def test_what_cannot_fit_goes_on_below_itself_with_all_its_words():
    [first, _] = columns(ROWS, width=16, names=(0,))
    assert "".join(first.split()) == "a-model-with-a-long-name-of-its-own$1.00"
    assert first.splitlines()[1].startswith("    ")


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=4), st.integers(LEAST_CELL, 120))
def test_no_line_is_wider_than_the_screen(rows: list[tuple[str, str, str]], width: int):
    told = columns(rows, width=width, names=(0, 2))
    assert all(len(part) <= width for row in told for part in row.splitlines())


LONG = "Add a great many endpoints to the users service of the shop"


@pytest.mark.parametrize(
    "words",
    [
        ("report", "routing"),
        ("estimate", "demo-PLAN.md"),
        ("ledger", "tail"),
        ("route", "demo-PLAN.md"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("wide", [40, 80])
def test_tables_fit_the_screen(project: Project, words: tuple[str, ...], wide: int):
    project.write(task(LONG, "true"))
    remember(project, *(line(n, name=LONG) for n in range(1, 4)))
    with project.terminal(*words, size=(60, wide)) as screen:
        assert screen.end() == 0
        rows = [row for row in screen.rows if row.strip().count("  ") > 1]
    assert max(map(len, rows)) <= wide


def test_in_a_file_nothing_is_cut(project: Project):
    project.write(task(LONG, "true"))
    assert LONG in project.told("route", "demo-PLAN.md")
    assert LONG in project.told("estimate", "demo-PLAN.md")
    dear = [line(100 + n, "sonnet", cost=0.01 + n / 1e4, ok=n > 0) for n in range(10)]
    remember(project, *dear, *(line(n, "haiku", cost=0.001 + n / 1e5) for n in range(1, 17)))
    told = project.told("report", "routing")
    assert "…" not in told
    assert "sonnet: 90%, $0.0105 avg cost (10 samples)" in told


def test_a_report_without_its_kind_is_one_error_and_one_next_step(project: Project):
    done = project.call("report")
    assert done.returncode == 64
    assert done.stderr.splitlines() == [
        "error: Missing argument 'KIND'. Choose from: routing, cost, models, validate, savings",
        "  next: orchestrator report --help",
    ]
