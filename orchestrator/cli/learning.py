"""learn: outcomes of this user -> routing rules beside the ledger. Refuses to change the ledger, and to ask anything of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import Json
from orchestrator.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.intelligence.comparison import Policy
    from orchestrator.intelligence.learner import Learned
    from orchestrator.settings import Settings

DAY_S = 86_400


def learn(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be learned, and write nothing.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Learn from outcomes which tier does for which complexity.

    From the ledger of this user, the last [learning] window_days, without network, key or project. A
    rule says: this tier is no worse than the usual one, and costs less. Rules go to
    routing_heuristics.json beside the ledger; docs/learning.md has the method.
    """
    from orchestrator import settings
    from orchestrator.cli import ledgering_look, past, schedules
    from orchestrator.ledger import heuristics

    chosen, folder = settings.load(past.here()), settings.ledger_folder()
    learned, policy, document, damaged = _learn(folder, chosen)
    path = folder / heuristics.NAME
    if not dry_run:
        _write(path, document)
    next_run = schedules.next_run()
    if as_json:
        _show_json(document, learned, None if dry_run else path, next_run, damaged)
    else:
        saving = f"{path} stays as it is (--dry-run)"
        _show(
            learned,
            policy,
            chosen,
            saving if dry_run else f"Saving recommendations to {path}",
            next_run,
        )
        ledgering_look.tell_damage(damaged)
    return 0


def relearn(chosen: Settings) -> int:
    """As `learn` does, without a word. How many rules there are now."""
    from orchestrator import settings
    from orchestrator.ledger import heuristics

    folder = settings.ledger_folder()
    learned, _, document, _ = _learn(folder, chosen)
    _write(folder / heuristics.NAME, document)
    return len(learned.rules)


def _write(path: Path, document: Mapping[str, object]) -> None:
    import json

    from orchestrator.disk import write_whole

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as refused:
        raise RecordError(
            f"cannot make {path.parent}: {refused.strerror}; make it writable, or set ORCHESTRATOR_INTELLIGENCE_DIR"
        ) from refused
    write_whole(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def _show(learned: Learned, policy: Policy, chosen: Settings, saving: str, next_run: str) -> None:
    from orchestrator.cli.terminal import out
    from orchestrator.intelligence import lessons

    for line in lessons.report(learned, policy, chosen.learning.window_days, saving, next_run):
        out().print(line)


def _learn(folder: Path, chosen: Settings) -> tuple[Learned, Policy, dict[str, object], int]:
    from orchestrator import clock, ledger
    from orchestrator.intelligence import learner, lessons, reporting
    from orchestrator.ledger import heuristics

    words, policy = chosen.learning, reporting.policy(chosen)
    now = clock.wall()
    samples = ledger.Samples(folder, _stamp(now - words.window_days * DAY_S, "microseconds"))
    learned = learner.learn(samples, policy, heuristics.read(folder).evidence)
    document = lessons.document(learned, _stamp(now, "seconds"), words.window_days)
    return learned, policy, document, samples.damaged


def _stamp(wall: float, exact_to: str) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(wall, UTC).isoformat(timespec=exact_to).replace("+00:00", "Z")


def _show_json(
    document: dict[str, object],
    learned: Learned,
    path: Path | None,
    next_run: str,
    damaged: int,
) -> None:
    from orchestrator.cli.terminal import show_json

    show_json(
        {
            "version": 1,
            "written": None if path is None else str(path),
            **document,
            "loaded": learned.loaded,
            "analyzed": learned.analysed,
            "passed_over": learned.passed,
            "damaged_lines": damaged,
            "not_learned": [one.model_dump(mode="json") for one in learned.others],
            "not_compared": list(learned.alone),
            "next_run": next_run,
        }
    )
