"""How long something took, in the words of a SUMMARY. Refuses to call what is unknown 0."""

from __future__ import annotations


def duration(seconds: float | None) -> str:
    """As upstream writes it: 45s, 12min, 2h 5min."""
    if seconds is None:
        return "unknown"
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    if round(seconds) < 60:
        return f"{seconds:.0f}s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}h {minutes}min" if hours else f"{minutes}min"
