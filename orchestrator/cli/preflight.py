"""Before a run starts: what speaks against it, and a person's word where it may cost much. Refuses to hold up a run for what cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from orchestrator import clock
from orchestrator.cli.terminal import err, is_interactive
from orchestrator.errors import ApprovalNeeded, RecordError
from orchestrator.graph import TaskGraph
from orchestrator.model import Route, TaskId
from orchestrator.order import Order
from orchestrator.outloop import admission, intake, quota
from orchestrator.outloop.admission import Expected, Limits, Refusal
from orchestrator.outloop.forecast import Forecast, throttle
from orchestrator.settings import Settings
from orchestrator.views.text import NEXT, plain, tokens

Firsts = Mapping[TaskId, Route]
LIFTS = {  # the option that is a person's word on a setting
    "budget.ask_usd": "--ask-usd",
    "budget.run_usd": "--budget-usd",
    "budget.run_tokens": "--budget-tokens",
}
STARTS = {  # what a person starts is not kept waiting
    "forecast": "; it starts all the same, as a person starts it: only plans of a daemon wait",
    "gate": "; it starts all the same, and what needs that provider waits until then",
}
SAID = "; --yes says that it may"


def check(
    root: Path, graph: TaskGraph, firsts: Firsts, settings: Settings, order: Order, *, as_json: bool
) -> None:
    """Notes, and a question at a terminal; ApprovalNeeded where nobody can be asked, or who was asked said no."""
    found = refusals(root, firsts, settings, order)
    large = [task for task, one in analysed(graph) if one.is_large]
    asks = admission.approve(found)
    starts = order.yes or not asks
    for one in found:
        if one not in asks or order.yes:
            more = (SAID if one in asks else STARTS[one.by]) if starts else ""
            err().print(f"note: {plain(one.message, 300)}{more}")
    if told := intake.summary(large):
        err().print(f"note: {told}")
    if starts:
        return
    words = "; ".join(one.message for one in asks)
    steps, needs = f"{NEXT}{_steps(asks)}", _needs(firsts, settings, asks)
    if as_json or not is_interactive():
        raise ApprovalNeeded(f"this run waits for a person's word: {words}{steps}", needs)
    err().print(f"{words}.")
    if not typer.confirm("start it?", err=True):
        raise ApprovalNeeded(f"nothing was started{steps}", needs)


def foretell(root: Path, firsts: Firsts, settings: Settings, order: Order) -> Iterator[str]:
    """Of a run that is only rehearsed: what would be said, and whether it would ask."""
    found = refusals(root, firsts, settings, order)
    asks = admission.approve(found)
    starts = order.yes or not asks
    for one in found:
        if one in asks and not order.yes:
            yield f"a run would ask first: {plain(one.message, 300)}; {_steps([one])}"
        else:
            more = (SAID if one in asks else STARTS[one.by]) if starts else ""
            yield f"{plain(one.message, 300)}{more}"


def refusals(root: Path, firsts: Firsts, settings: Settings, order: Order) -> list[Refusal]:
    """Budgets that stand on the command line are a person's word already."""
    expected = admission.expect(firsts.values(), settings.budget.unknown_usd)
    budget, told = settings.budget, (order.budget_usd, order.budget_tokens)
    limits = Limits(
        run_tokens=budget.run_tokens if told[1] is None else 0,
        run_usd=budget.run_usd if told[0] is None else 0.0,
        ask_usd=budget.ask_usd,
    )
    forecast = _forecast(root, settings) if expected.tries else None
    gate = waits = None
    if forecast is not None:
        gate = admission.closed(forecast, _providers(firsts.values()), clock.at)
        waits = throttle(forecast, on=settings.quota.throttle)
    return list(admission.refusals(expected, limits, gate, waits))


def _forecast(root: Path, settings: Settings) -> Forecast | None:
    """None: it is off, or what it is made of cannot be read, which `orchestrator quota` tells."""
    if not settings.quota.throttle:
        return None
    try:
        return quota.risk(root, settings.quota, clock.wall())
    except (OSError, RecordError):
        return None


def _providers(firsts: Iterable[Route]) -> set[str]:
    return {one.provider or one.worker for one in firsts if one.asks_a_model}


def _steps(asks: Sequence[Refusal]) -> str:
    above = {"budget.ask_usd": " (asks above that only)"}
    options = [f"{LIFTS[one.setting]} N{above.get(one.setting, '')}" for one in asks]
    names = " and ".join(one.setting for one in asks)
    return (
        f"give it {' and '.join(options)}, or --yes (which approves its checkpoints, too); "
        f"or raise {names} in .orchestrator/config.toml"
    )


def _needs(firsts: Firsts, settings: Settings, asks: Iterable[Refusal]) -> dict[str, Any]:
    """Of a run that nobody has approved, for programs."""
    expected = admission.expect(firsts.values(), settings.budget.unknown_usd)
    return {
        "expected": expected_document(expected),
        "refusals": [_refusal(one) for one in asks],
    }


def _refusal(one: Refusal) -> dict[str, Any]:
    """`option` takes a figure; --yes lifts those that have one, too."""
    figures = {"limit": one.limit, "expected": one.expected}
    return {
        "by": one.by,
        "message": one.message,
        "setting": one.setting or None,
        **{key: None if value is None else round(value, 6) for key, value in figures.items()},
        "option": LIFTS.get(one.setting),
    }


# --- of an estimate -----------------------------------------------------------------------------------


def analysed(graph: TaskGraph) -> list[tuple[TaskId, intake.Intake]]:
    return [
        (task.id, intake.analyse(task.action))
        for task in graph.tasks.values()
        if not task.is_checkpoint
    ]


def rows(root: Path, graph: TaskGraph, firsts: Firsts, settings: Settings) -> Iterable[str]:
    """The block of `estimate`: whether it would start, and what asks for too much at once."""
    expected = admission.expect(firsts.values(), settings.budget.unknown_usd)
    found = refusals(root, firsts, settings, Order())
    yield f"expected, the middle of all first tries: {expected.told}, up to {tokens(expected.tokens)} new tokens"
    if not found:
        yield "may start: yes, within its limits"
    for one in found:
        words = {"approval": "asks before it starts", "budget": "asks before it starts"}
        yield f"{words.get(one.by, 'to know')}: {plain(one.message, 300)}"
    for task, text in analysed(graph):
        if told := intake.note(task, text):
            yield plain(told)
        for part in text.parts if len(text.parts) > 1 else ():
            yield f"  - {plain(part.name)}"
            yield from (f"    - {plain(step)}" for step in part.others)


def document(
    root: Path, graph: TaskGraph, firsts: Firsts, settings: Settings, order: Order | None = None
) -> dict[str, Any]:
    expected = admission.expect(firsts.values(), settings.budget.unknown_usd)
    found = refusals(root, firsts, settings, order or Order())
    return {
        "expected": expected_document(expected),
        "refusals": [_refusal(one) for one in found],
        "large_tasks": {
            task: intake.document(one) for task, one in analysed(graph) if one.is_large
        },
    }


def expected_document(expected: Expected) -> dict[str, Any]:
    return {
        "cost_usd": round(expected.usd, 6),
        "new_tokens": expected.tokens,
        "unpriced_tries": expected.unpriced,
    }
