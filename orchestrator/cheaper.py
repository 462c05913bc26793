"""Something cheaper, where money is short. Pure; refuses to replace what nobody can price, and to save what is not worth a worse model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.budget import Money, Room
from orchestrator.model import Route


class Offer(NamedTuple):
    """A route with what it may cost; `cost_usd` None: nobody knows."""

    route: Route
    cost_usd: float | None
    tokens: float


def choose(
    primary: Offer, cheaper: Sequence[Offer], rooms: Sequence[Room], share: float
) -> tuple[Offer, str]:
    """Where the first choice costs more than this `share` of what is left: the first of the others that costs less and fits.

    `cheaper` are asked in their order. The reason is empty where nothing changes.
    """
    left = min((room.left.usd for room in rooms), default=math.inf)
    if primary.cost_usd is None or primary.cost_usd <= share * left or not share:
        return primary, ""
    for offer in cheaper:
        if offer.cost_usd is None or offer.cost_usd >= primary.cost_usd:
            continue
        if all(Money(offer.cost_usd, offer.tokens).fits(room.left) for room in rooms):
            reason = (
                f"{primary.route.model or primary.route.worker} may cost ${primary.cost_usd:.2f}, more than {share:.0%} of "
                f"the ${max(0.0, left):.2f} that are left, and {offer.route.model} ${offer.cost_usd:.2f}"
            )
            return offer, reason
    return primary, ""
