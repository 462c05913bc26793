"""A run as the JSON documents of docs/json.md. Refuses to leave a key out: what is unknown or does not apply is null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator import answers, context
from orchestrator.history import Expiry
from orchestrator.journal import RunRow
from orchestrator.model import Check, RunId, TaskId, TaskState
from orchestrator.model.outloop import Context
from orchestrator.views import asking, handover, money, waiting
from orchestrator.views.past import Past
from orchestrator.views.watched import Watched, seconds

if TYPE_CHECKING:
    from orchestrator.model import Outcome

REVIEW = 4000  # characters of a reviewer's words
NOTHING: dict[str, Any] = {
    "version": 1,
    "run": None,
    "exit_code": 0,
    "summaries": [],
    "budget": None,
    "result": None,
    "tasks": [],
}


def document(
    watched: Watched, run: RunId, code: int | None, summaries: Sequence[str]
) -> dict[str, Any]:
    return {
        "version": 1,
        "run": run,
        "exit_code": code,
        "summaries": list(summaries),
        "budget": money.document(watched),
        "result": handover.document(watched),
        "tasks": [task_document(watched, task) for task in watched.graph],
    }


def task_document(watched: Watched, task: TaskId) -> dict[str, Any]:
    past, spent = watched.of(task), watched.spent(task)
    last = past.last
    route = past.tried[-1].route if past.tried else None
    times = [taken for one in past.tried if (taken := seconds(one)) is not None]
    return {
        "id": task,
        "name": watched.graph.tasks[task].title,
        "state": watched.states[task],
        "attempts": spent.attempts,
        "worker": route.worker if route else None,
        "model": last.model if last and last.model else route.model if route else None,
        "route": route.model_dump(mode="json") if route else None,
        "failure": last.failure if last else None,
        "detail": last.detail if last else "",
        "budget": money.waits(watched, task),
        "tokens": spent.tokens if past.tried else None,
        "cost_usd": spent.cost_usd if past.tried else None,
        "lower_bound": bool(past.tried) and not spent.whole,
        "duration_s": round(sum(times), 3) if times else None,
        **_verdict(last),
        "review": _review(last),
        "commit": past.commit,
        "work": last.work.ref if last and last.work else None,
        "asks": _asks(watched, task),
        "answer": past.answer.model_dump(mode="json") if past.answer else None,
    }


def _verdict(last: Outcome | None) -> dict[str, Any]:
    verdict = last.verdict if last else None
    return {
        "verified": verdict.verified if verdict else None,
        "verify_strength": verdict.strength if verdict else None,
    }


def _review(last: Outcome | None) -> dict[str, Any] | None:
    """Of a second worker; its cost is a part of the task's."""
    review = last.review if last else None
    if review is None:
        return None
    return {
        "approved": review.approved,
        "worker": review.worker,
        "model": review.model,
        "text": review.text[:REVIEW],
        "tokens": review.usage.tokens if review.usage else None,
        "cost_usd": review.usage.cost_usd if review.usage else None,
    }


def _asks(watched: Watched, task: TaskId) -> dict[str, Any] | None:
    """The open question, and what can be answered."""
    if watched.states[task] is not TaskState.PAUSED:
        return None
    past = watched.of(task)
    asked = answers.asked(watched.graph.tasks[task], past)
    return {
        "type": asked.type,
        "text": "\n".join(asking.matter(asked)),
        "options": [{"id": option.id, "name": option.name} for option in asked.options],
        "gate": asked.gate,
        "asked_at": past.asked_at,
        "expires_at": waiting.iso(past.expiry.at) if past.expiry else None,
    }


# --- of the journal


def run_document(row: RunRow, expiry: Expiry | None) -> dict[str, Any]:
    return {
        "run": row.id,
        "started_at": row.started_at,
        "exit_code": row.exit_code,
        "expires_at": waiting.iso(expiry.at) if expiry else None,
        "plans": list(row.paths),
        "asked": dict(row.asked),
    }


def past_document(found: Past) -> dict[str, Any]:
    watched = found.watched
    total = watched.total()
    return {
        "version": 1,
        "run": found.row.id,
        "exit_code": found.row.exit_code,
        "started_at": found.row.started_at,
        "ended_at": watched.history.ended_at,
        "plans": [one.path for one in found.stored],
        "attempts": total.attempts,
        "tokens": total.tokens,
        "cost_usd": total.cost_usd,
        "lower_bound": not total.whole,
        "budget": money.document(watched),
        "result": handover.document(watched),
        "closed": waiting.documents(watched),
        "tasks": [past_task(found, task) for task in found.graph],
    }


def past_task(found: Past, task: TaskId) -> dict[str, Any]:
    last = found.watched.outcome(task)
    told = task_document(found.watched, task)
    return {
        **told,
        "state": found.state(task),
        "checks": _checks(last),
        "context": _context(found, task),
    }


def _context(found: Past, task: TaskId) -> dict[str, Any] | None:
    """None where no agent read a file, as far as its client tells."""
    read = context.measure(found.graph.tasks[task], found.watched.of(task).tried)
    return read_document(read) if read.loaded else None


def read_document(read: Context) -> dict[str, Any]:
    return {
        "files_loaded": len(read.loaded),
        "files_accessed": len(read.used),
        "efficiency": read.efficiency,
        "waste_bytes": read.waste_bytes,
    }


def _checks(last: Any) -> list[dict[str, Any]]:
    checks: tuple[Check, ...] = last.verdict.checks if last and last.verdict else ()
    return [check.model_dump(mode="json") for check in checks]
