"""Figures for Prometheus, in its text format. Refuses to count a run twice: gauges are of what is now, counters of the whole journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from orchestrator.model import TaskState
from orchestrator.views.house import Health, State, Waiting
from orchestrator.web.book import Book, Glance

Kind = Literal["gauge", "counter"]
STATES: tuple[State, ...] = get_args(State)
RECENT = 50  # runs whose tasks and costs are told; a query over the journal has the others


Rows = Sequence[tuple[Mapping[str, str], float]]


class Family(NamedTuple):
    """`rows`: labels -> value. A label is a name of ours, so nothing in it needs to be escaped."""

    name: str
    kind: Kind
    says: str
    rows: Rows


def render(told: Health, waits: Iterable[Waiting], viewers: int, book: Book) -> str:
    return text((*_of_the_daemon(told, waits, viewers), *_of_runs(book)))


def text(families: Iterable[Family]) -> str:
    return "".join(f"{line}\n" for family in families for line in _lines(family))


def _of_the_daemon(told: Health, waits: Iterable[Waiting], viewers: int) -> Iterator[Family]:
    plans = Counter(one.state for one in waits)
    yield _one("orchestrator_healthy", "1 if all is well", float(not told.reasons))
    yield _one("orchestrator_attempts_running", "Attempts that run, over all runs", told.busy)
    yield _one("orchestrator_attempt_slots", "Attempts that may run at once", told.slots)
    yield _one("orchestrator_runs_live", "Runs that go on now", len(told.runs))
    yield _one("orchestrator_stream_viewers", "Open event streams", viewers)
    rows = [({"state": state}, float(plans[state])) for state in STATES]
    yield Family(
        "orchestrator_plans", "gauge", "Plans of the watched folder that are not done", rows
    )


def _of_runs(book: Book) -> Iterator[Family]:
    rows = book.runs()
    ends = Counter(str(row.exit_code) for row in rows if row.exit_code is not None)
    by_code = [({"exit_code": code}, float(count)) for code, count in sorted(ends.items())]
    yield Family("orchestrator_runs", "gauge", "Runs that have ended, as they ended last", by_code)
    seq = float(book.latest())
    yield Family("orchestrator_events_total", "counter", "Events in the journal", [({}, seq)])
    live = [one for one in map(book.glance, [row.id for row in rows[:RECENT]]) if one.live]
    yield from _of_live(live)


def _of_live(live: Sequence[Glance]) -> Iterator[Family]:
    states = [
        ({"run": one.row.id, "state": str(state)}, float(one.states.get(state, 0)))
        for one in live
        for state in TaskState
    ]
    yield Family("orchestrator_tasks", "gauge", "Tasks of the runs that go on", states)
    spent = [({"run": one.row.id}, one.spent) for one in live]
    tokens = [(run, float(told.tokens)) for run, told in spent if told.tokens is not None]
    yield Family(
        "orchestrator_run_tokens", "gauge", "Tokens that they have used, as far as known", tokens
    )
    costs = [(run, told.cost_usd) for run, told in spent if told.cost_usd is not None]
    yield Family(
        "orchestrator_run_cost_usd", "gauge", "Dollars that they have cost, as far as known", costs
    )


def _one(name: str, says: str, value: float) -> Family:
    return Family(name, "gauge", says, [({}, float(value))])


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.says}"
    yield f"# TYPE {family.name} {family.kind}"
    for labels, value in family.rows:
        told = ",".join(f'{key}="{label}"' for key, label in labels.items())
        yield (
            f"{family.name}{{{told}}} {_number(value)}"
            if told
            else f"{family.name} {_number(value)}"
        )


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
