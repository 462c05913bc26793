"""Tasks that need not be done again: an earlier run has done them with the same text. Refuses work that the person does not have."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator import project
from orchestrator.history import fold
from orchestrator.journal import Journal
from orchestrator.model import DoneBefore, Plan, RunId, Task, TaskState, Work
from orchestrator.order import Order
from orchestrator.project import Source
from orchestrator.summary import front
from orchestrator.summary.account import Account
from orchestrator.summary.figures import count_escalations, spend, worked
from orchestrator.views.watched import Watched


def done_before(book: Journal, run: RunId, plan: Plan) -> list[DoneBefore]:
    """Of this plan, by that run, or by those before it whose work it began with; in the order in which it landed."""
    row, events = book.find(run), book.events(run)
    sources = [Source(one.id, one.path, one.content) for one in book.plans(run)]
    order = Order.model_validate(row.asked)
    loaded = project.reload(book.path.parent.parent, sources, order.beside, isolated=False)
    old = next((one for one in loaded.plans if one.path == plan.path), None)
    if old is None or loaded.graph is None:
        return []
    texts = {task.id: _text(task) for task in plan.tasks}
    same = {task.id for task in old.tasks if texts.get(task.id) == _text(task)}
    kept = [one for one in order.done_before if one.task in same]
    history = fold(events)
    if history.ground is not None and (history.delivery or {"why": "none"})["why"] is not None:
        return kept  # what it did lies on a branch of its own
    graph = project.chosen(loaded.graph, order.only, order.start, order.left_out)
    watched = Watched(graph, order)
    for event in events:
        watched.apply(event)
    account = Account(old, run, graph, watched.states, watched.history, {})
    return kept + [one for one in _done(account) if one.task in same]


def _done(account: Account) -> Iterator[DoneBefore]:
    places = {commit: place for place, commit in enumerate(account.history.landed)}
    for task in sorted(
        account.having(TaskState.SUCCEEDED),
        key=lambda task: places.get(account.past(task).commit or "", -1),
    ):
        past, last, tries = account.past(task), account.last(task), account.past(task).tried
        used, verdict = spend(tries), last.verdict if last else None
        yield DoneBefore(
            task=task.id,
            run=account.run,
            worker=tries[-1].route.worker if tries else None,
            model=front.model(account, task),
            attempts=len(tries),
            escalations=count_escalations(tries),
            tokens=used.tokens,
            cost_usd=used.cost_usd,
            duration_s=worked(account.spans(task)),
            result=front.worst(verdict.checks if verdict else ()),
            verified=front.verified(account, task),
            strength=verdict.strength if verdict else None,
            answer=past.answer if task.is_checkpoint else None,
            work=_landed(last.work) if last and last.work else None,
        )


def _landed(work: Work) -> Work:
    """Without what was only of use until it had landed."""
    keys = ("base", "commit", "landed", "created", "modified", "deleted")
    return Work.model_validate({key: getattr(work, key) for key in keys})


def _text(task: Task) -> object:
    """All that it says, wherever it stands."""
    return _unplaced(task.model_dump(mode="json"))


def _unplaced(value: object) -> object:
    if isinstance(value, dict):
        return {key: _unplaced(one) for key, one in value.items() if key != "position"}
    return [_unplaced(one) for one in value] if isinstance(value, list) else value
