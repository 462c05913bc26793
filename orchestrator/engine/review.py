"""A second worker judges what the first has made, by the plan's own words. Refuses to pass what it has not plainly approved.

It is told what was asked and what was changed, in a conversation of its own, and answers in words that end with a verdict.
Nobody parses what the first worker says; of the second only that last line counts, and whatever else it says, or fails to
say, is no approval. What it costs is the try's own: it is in its usage, and a try that was reviewed and did not pass has
paid for it, too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from orchestrator import prompt, redact
from orchestrator.engine.calling import call
from orchestrator.engine.chronicle import Record
from orchestrator.model import (
    Attempt,
    EventKind,
    Failure,
    Outcome,
    Plan,
    Progress,
    Review,
    Route,
    Task,
    Usage,
)
from orchestrator.reactions import REACTIONS, Reaction
from orchestrator.verify import move_root
from orchestrator.workers import Worker, booking

Number = TypeVar("Number", int, float)

VERDICT = re.compile(
    r"^[\s*_#>`]*VERDICT[\s*_`]*:[\s*_`]*(PASS|FAIL)\b", re.IGNORECASE | re.MULTILINE
)
STRENGTH = 0.5  # a prior: models find about half of what is wrong in each other's work
DIFF_CHARACTERS = 100_000
FILES = 8  # are named
OF_OTHERS = (Reaction.SAME_TRY, Reaction.STOP)


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who looks at the tries of one task."""

    worker: Worker
    route: Route
    plan: Plan
    task: Task

    async def look(
        self, asked: Attempt, show: Callable[[str], None], record: Record
    ) -> tuple[Review, Outcome]:
        """Its verdict, and how its own attempt ended: one that failed says nothing of the work."""
        began = time.monotonic()
        outcome = await call(self.worker, asked, _tell(show, record))
        review = Review(
            approved=outcome.ok and is_approved(outcome.text),
            worker=self.route.worker,
            model=outcome.model or self.route.model,
            text=outcome.text or outcome.detail,
            usage=outcome.usage or Usage(lower_bound=True),
            duration_s=time.monotonic() - began,
            failure=outcome.failure,
        )
        return review, outcome

    def ask(self, attempt: Attempt, root: Path, diff: str, spent: Usage | None) -> Attempt:
        """Its own attempt, where that one has worked, in the same sandbox, with what it has left of its money."""
        transcript, is_cut = Path(attempt.transcript), len(diff) > DIFF_CHARACTERS
        asked = prompt.ask_for_review(self.plan, self.task, diff[:DIFF_CHARACTERS], cut=is_cut)
        told = redact.text(move_root(asked, str(root), attempt.workspace))
        update = {
            "name": f"review: {attempt.name}",
            "system": prompt.REVIEWER,
            "prompt": told,
            "action": told,
            "route": self.route,
            "session": None,
            "max_usd": _left(attempt.max_usd, spent.cost_usd if spent else None, 0.01),
            "max_tokens": _left(attempt.max_tokens, spent.fresh_tokens if spent else None, 1000),
            "transcript": str(transcript.with_suffix(f".review{transcript.suffix}")),
        }
        return attempt.model_copy(update=update)


def _left(most: Number | None, spent: Number | None, least: Number) -> Number | None:
    """None: no limit. A client that gets nothing at all would take it for no limit."""
    return None if most is None else max(least, most - (spent or 0))


def _tell(show: Callable[[str], None], record: Record) -> Callable[[Progress], None]:
    """What it has used by now is recorded at once: an engine that dies in a review knows it."""
    known: Usage | None = None

    def tell(progress: Progress) -> None:
        nonlocal known
        if progress.doing:
            show(f"review: {progress.doing}")
        if progress.usage is not None and progress.usage != known:
            known = progress.usage
            record(EventKind.WORKER_REPORTED, {"review": known.model_dump(mode="json")})

    return tell


def is_approved(text: str) -> bool:
    """Its last verdict counts; one that was quoted before is none."""
    found = VERDICT.findall(text)
    return bool(found) and found[-1].upper() == "PASS"


def with_touched(review: Review, files: Sequence[str], *, undone: bool) -> Review:
    """It was to change nothing. Where that could not be undone, nobody knows what its word is about."""
    if not files:
        return review
    update: dict[str, object] = {"touched": tuple(files)}
    if not undone:
        update["approved"] = False
    return review.model_copy(update=update)


def both(worked: Usage | None, review: Usage) -> Usage:
    """What the try has used with its review. Of a reviewer that told nothing, the work alone is the least that it cost."""
    spent = booking.add(one for one in (worked, review) if one is not None) or review
    if worked is None or review.cost_usd is not None or not review.lower_bound:
        return spent
    update = {"cost_usd": worked.cost_usd, "cost_basis": worked.cost_basis}
    return spent.model_copy(update=update)


def cut_off(asked: Route | None, told: Usage | None, why: str) -> Review:
    """Of one that was stopped, or whose engine died."""
    return Review(
        approved=False,
        worker=asked.worker if asked else "",
        model=asked.model if asked else None,
        text=why,
        usage=(told or Usage()).model_copy(update={"lower_bound": True}),
        failure=Failure.INTERRUPTED,
    )


def warning(review: Review) -> str | None:
    """Of one that counts."""
    if not review.touched:
        return None
    return (
        f"its reviewer changed {named(review.touched)}: that was undone, and is no part of the work"
    )


def judged(outcome: Outcome, review: Review, ended: Outcome) -> Outcome:
    """The try with its review. Trouble of the reviewer's own provider or program is not the work's fault, and not its praise."""
    if ended.ok and review.approved:
        return outcome.model_copy(update={"review": review})
    if not ended.ok:
        return _unjudged(outcome, review, ended)
    detail = f"A reviewer did not accept it:\n{review.text}"
    if review.touched and is_approved(review.text):
        detail = f"Its reviewer changed {named(review.touched)}, so its word does not count. Look at them.\n{review.text}"
    update = {"review": review, "failure": Failure.VERIFY, "detail": detail}
    return outcome.model_copy(update=update)


def _unjudged(outcome: Outcome, review: Review, ended: Outcome) -> Outcome:
    """What a provider or an operator must put right is that; all else says nothing of the work."""
    assert ended.failure is not None
    kept = ended.failure is Failure.WORKSPACE or REACTIONS[ended.failure] in OF_OTHERS
    update = {
        "review": review,
        "failure": ended.failure if kept else Failure.INCONCLUSIVE,
        "detail": f"it could not be reviewed ({ended.failure}): {ended.detail}",
        "retry_after_s": ended.retry_after_s,
        "reset_at": ended.reset_at,
        "window": ended.window,
    }
    return outcome.model_copy(update=update)


def named(files: Sequence[str]) -> str:
    more = f" and {len(files) - FILES} more" if len(files) > FILES else ""
    return ", ".join(files[:FILES]) + more
