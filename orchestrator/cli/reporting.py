"""report and stats: what the ledger of this user says about finished work. Refuses to start or write anything."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from orchestrator.cli.options import Json
from orchestrator.model import Tier


class Kind(StrEnum):
    ROUTING = "routing"
    COST = "cost"
    MODELS = "models"
    VALIDATE = "validate"
    SAVINGS = "savings"


Which = Annotated[
    Kind,
    typer.Argument(metavar="KIND", help=f"One of {', '.join(Kind)}.", show_default=False),
]
Days = Annotated[
    int | None,
    typer.Option(
        "--days",
        metavar="N",
        min=1,
        help="Of the last N days; else of learning.window_days, and savings of all.",
        show_default=False,
    ),
]
Against = Annotated[
    Tier,
    typer.Option(
        "--against",
        metavar="TIER",
        help=f"What savings are measured against: {', '.join(Tier)}; sonnet without it.",
    ),
]


def report(
    kind: Which, days: Days = None, against: Against = Tier.SONNET, as_json: Json = False
) -> int:
    """Report on finished work: success, cost and savings, each with its n and interval.

    From the ledger of this user. Imported outcomes and scripts are left out, limits and outages are held
    against nobody, and where there is too little evidence the report says so. `savings` is of this project:
    what tools did in place of a model, against the measured tasks of before.
    """
    from orchestrator import settings
    from orchestrator.cli import past, reporting_text
    from orchestrator.cli.terminal import out, room, show_json
    from orchestrator.intelligence import reporting

    if kind is Kind.SAVINGS:
        from orchestrator.cli import reporting_savings

        return reporting_savings.show(past.here(), days, as_json=as_json)
    chosen = settings.load(past.here())
    days = days or chosen.learning.window_days
    found = reporting.report(kind.value, chosen, days, against)
    if as_json:
        show_json(found)
    else:
        told = reporting_text.shown(reporting_text.lines(kind, found), room())
        out().print("\n".join(told))
    return 0


def stats(days: Days = None, as_json: Json = False) -> int:
    """Show what tasks of each kind have used, and how good estimates were."""
    from dataclasses import asdict

    from orchestrator import settings
    from orchestrator.cli import past, reporting_text
    from orchestrator.cli.terminal import out, room, show_json
    from orchestrator.intelligence import reporting
    from orchestrator.ledger import token_stats

    chosen = settings.load(past.here())
    days = days or chosen.learning.window_days
    entries, damaged = reporting.entries(days)
    live = [one for one in entries if one.origin == "live"]
    found, calibration = token_stats.fold(live), reporting.calibration(live)
    if as_json:
        kinds = [{**key._asdict(), **asdict(one)} for key, one in found.items()]
        document = {"version": 1, "window_days": days, "damaged_lines": damaged, "kinds": kinds}
        show_json(document | {"calibration": calibration})
        return 0
    if not found:
        out().print(f"no attempt of the last {days} days told its tokens")
        return 0
    told = [*token_stats.report(found), *reporting_text.calibration(calibration)]
    out().print("\n".join(reporting_text.shown(told, room())))
    return 0
