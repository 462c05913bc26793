"""Before a run starts: what speaks against it, and a person's word where it may cost much. Refuses to hold up a run for what cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from orchestrator.views.text import NEXT, plain

Firsts = Mapping[TaskId, Route]


def check(
    root: Path, graph: TaskGraph, firsts: Firsts, settings: Settings, order: Order, *, as_json: bool
) -> None:
    """Notes, and a question at a terminal; ApprovalNeeded where nobody can be asked, or who was asked said no."""
    found = refusals(root, firsts, settings, order)
    large = [task for task, one in analysed(graph) if one.is_large]
    asks = admission.approve(found)
    for one in found:
        if one not in asks or order.yes:
            err().print(f"note: {plain(one.message, 300)}")
    if told := intake.summary(large):
        err().print(f"note: {told}")
    if not asks or order.yes:
        return
    words = "; ".join(one.message for one in asks)
    if as_json or not is_interactive():
        raise ApprovalNeeded(f"this run waits for a person's word: {words}{NEXT}{_steps(asks)}")
    err().print(f"{words}.")
    if not typer.confirm("start it?", err=True):
        raise ApprovalNeeded(f"nothing was started{NEXT}{_steps(asks)}")


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


def _steps(asks: Iterable[Refusal]) -> str:
    kinds = {one.by for one in asks}
    options = ["--ask-usd N (asks above that only)"] if "approval" in kinds else []
    options += ["--budget-usd N or --budget-tokens N"] if "budget" in kinds else []
    return f"give it {', '.join(options)} or --yes (which approves its checkpoints, too); or change [budget] in .orchestrator/config.toml"


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
    yield f"expected, the middle of all first tries: {expected.told}, up to {expected.tokens:,} new tokens"
    if not found:
        yield "may start: yes, within its limits"
    for one in found:
        words = {"approval": "asks before it starts", "budget": "asks before it starts"}
        yield f"{words.get(one.by, 'to know')}: {plain(one.message, 300)}"
    for task, text in analysed(graph):
        if told := intake.note(task, text):
            yield plain(told, 600)


def document(root: Path, graph: TaskGraph, firsts: Firsts, settings: Settings) -> dict[str, Any]:
    expected = admission.expect(firsts.values(), settings.budget.unknown_usd)
    found = refusals(root, firsts, settings, Order())
    return {
        "expected": expected_document(expected),
        "refusals": [{"by": one.by, "message": one.message} for one in found],
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
