"""quota: whether the month's tokens will last, and how full the windows are that clients have told of. Refuses to start or write anything."""

from __future__ import annotations

from orchestrator.cli.options import Json


def quota(as_json: Json = False) -> int:
    """Forecast the month's tokens, with the quotas that agents have told of.

    The month so far and the days left at the mean of the last seven, of all runs that were made here as the ledger
    has them; what was imported counts for nothing.
    At high risk a daemon keeps plans with a priority below 0 waiting (quota.throttle).
    """
    from orchestrator import clock, settings
    from orchestrator.cli import past
    from orchestrator.cli.terminal import out, room, show_json
    from orchestrator.outloop import forecast, quota
    from orchestrator.views.text import duration, wrapped

    root, now = past.here(), clock.wall()
    chosen = settings.load(root).quota
    found = quota.look(root, chosen, now)
    if as_json:
        show_json({"version": 1, **forecast.document(found, throttles=chosen.throttle)})
        return 0
    rows = forecast.rows(
        found,
        throttles=chosen.throttle,
        at=clock.at,
        ago=lambda then: duration(max(0.0, now - then)),
    )
    for row in wrapped(rows, room()):
        out().print(row)
    for one in found.recommendations:
        out().print(f"- {one}")
    return 0
