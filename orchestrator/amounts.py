"""Dollars as people read them, at every level. Refuses to call what is unknown 0, and a tenth of a cent nothing."""

from __future__ import annotations

import math

UNKNOWN = "?"


def cost(usd: float | None) -> str:
    return UNKNOWN if usd is None else f"${usd:.2f}" if usd >= 0.1 or not usd else f"${usd:.4f}"


def dollars(usd: float | None) -> str:
    """With as many digits as it takes to compare it, and to divide by it (C-04); cents always."""
    if usd is None:
        return UNKNOWN
    sign, size = "-" if usd < 0 else "", abs(usd)
    whole, _, part = f"{size:,.{places(usd)}f}".partition(".")
    return f"{sign}${whole}.{part[:2]}{part[2:].rstrip('0')}"


def places(usd: float) -> int:
    """Digits behind the point that people see of it: cents, and three that count of what is less than a dollar."""
    size = abs(usd)
    return 2 if size >= 1 or not size else 2 - math.floor(math.log10(size))
