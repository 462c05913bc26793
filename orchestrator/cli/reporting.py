"""report and stats: what the ledger of this user says about finished work. Refuses to start or write anything."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import Json
from orchestrator.model import Tier

if TYPE_CHECKING:
    from orchestrator.ledger import Entry
    from orchestrator.settings import Settings

SHOWN = 0.6  # how sure an opportunity must be to be shown (C-03)


class Kind(StrEnum):
    ROUTING = "routing"
    COST = "cost"
    MODELS = "models"
    VALIDATE = "validate"


Which = Annotated[Kind, typer.Argument(help="What about.", show_default=False)]
Days = Annotated[
    int | None,
    typer.Option(
        "--days",
        metavar="N",
        min=1,
        help="Of the last N days; else of learning.window_days.",
        show_default=False,
    ),
]
Against = Annotated[
    Tier, typer.Option("--against", help="The tier that savings are measured against.")
]


def report(
    kind: Which, days: Days = None, against: Against = Tier.SONNET, as_json: Json = False
) -> int:
    """Report on finished work: success, cost and savings, each with its n and interval.

    From the ledger of this user. Imported outcomes and scripts are left out, limits and outages are held
    against nobody, and where there is too little evidence the report says so.
    """
    from orchestrator import settings
    from orchestrator.cli import past, reporting_text
    from orchestrator.cli.terminal import out, show_json

    chosen = settings.load(past.here())
    days = days or chosen.learning.window_days
    entries, damaged = _entries(days)
    found = {"version": 1, "report": kind, "window_days": days, "damaged_lines": damaged}
    found |= _report(kind, entries, chosen, days, against)
    if as_json:
        show_json(found)
    else:
        out().print("\n".join(reporting_text.lines(kind, found)))
    return 0


def stats(days: Days = None, as_json: Json = False) -> int:
    """Show what tasks of each kind have used, and how good estimates were."""
    from dataclasses import asdict

    from orchestrator import settings
    from orchestrator.cli import past, reporting_text
    from orchestrator.cli.terminal import out, show_json
    from orchestrator.ledger import token_stats

    chosen = settings.load(past.here())
    days = days or chosen.learning.window_days
    entries, damaged = _entries(days)
    live = [one for one in entries if one.origin == "live"]
    found, calibration = token_stats.fold(live), _calibration(live)
    if as_json:
        kinds = [{**key._asdict(), **asdict(one)} for key, one in found.items()]
        document = {"version": 1, "window_days": days, "damaged_lines": damaged, "kinds": kinds}
        show_json(document | {"calibration": calibration})
        return 0
    if not found:
        out().print(f"no attempt of the last {days} days told its tokens")
        return 0
    out().print("\n".join([*token_stats.report(found), *reporting_text.calibration(calibration)]))
    return 0


def _entries(days: int) -> tuple[tuple[Entry, ...], int]:
    from datetime import UTC, datetime, timedelta

    from orchestrator import clock, ledger
    from orchestrator.settings import ledger_folder

    since = datetime.fromtimestamp(clock.wall(), UTC) - timedelta(days=days)
    window = ledger.read(ledger_folder(), since.isoformat())
    return window.entries, len(window.damaged)


def _report(
    kind: Kind, entries: tuple[Entry, ...], chosen: Settings, days: int, against: Tier
) -> dict[str, Any]:
    from orchestrator import reports

    work = reports.gather(entries)
    match kind:
        case Kind.ROUTING:
            return reports.routing(work, against, _opportunities(chosen, days))
        case Kind.COST:
            return reports.cost(work, against)
        case Kind.MODELS:
            return reports.models(work, _calibration(entries))
        case Kind.VALIDATE:
            return reports.validate(work, against, chosen.learning.margin)


def _calibration(entries: tuple[Entry, ...] | list[Entry]) -> Mapping[str, Any]:
    from orchestrator import estimates

    past = estimates.Past(map(estimates.used, entries))
    return {
        kind: {name: {"n": one.n, "ratio": round(one.ratio, 4)} for name, one in told.items()}
        for kind, told in estimates.calibration(past).items()
    }


def _opportunities(chosen: Settings, days: int) -> list[dict[str, Any]]:
    """What the learner would recommend, from a lower certainty on than it is used from."""
    from datetime import UTC, datetime, timedelta

    from orchestrator import clock, ledger
    from orchestrator.intelligence import learner
    from orchestrator.intelligence.comparison import Method, Policy
    from orchestrator.settings import ledger_folder

    words = chosen.learning
    haiku_max, sonnet_max = chosen.routing.ends
    policy = Policy(
        method=Method(words.confidence),
        min_confidence=min(SHOWN, words.min_confidence),
        adoption_confidence=words.adoption_confidence,
        cost_confidence=words.cost_confidence,
        margin=words.margin,
        min_samples=words.min_samples,
        haiku_max=haiku_max,
        sonnet_max=sonnet_max,
    )
    since = datetime.fromtimestamp(clock.wall(), UTC) - timedelta(days=days)
    samples = ledger.Samples(ledger_folder(), since.isoformat())
    return [
        one.model_dump(mode="json", exclude={"missing"})
        | {"used": one.confidence >= words.min_confidence}
        for one in learner.learn(samples, policy).rules
    ]
