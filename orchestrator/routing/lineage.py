"""Which model id took the place of which, by when each was seen in its seat. Pure; two that were used side by side replace nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple, TypeVar

Seat = TypeVar("Seat", bound=Hashable)  # what an id is replaced in: a tier of a provider


class Span(NamedTuple):
    """When an id was seen; times as text in UTC, which sorts."""

    last: str
    first: str
    model: str


def ages(seen: Iterable[tuple[Seat, str, str, str]]) -> dict[Seat, list[Span]]:
    """Of (seat, id, first seen, last seen): the ids of each seat, the newest at the end. An id has the seat that it had first."""
    seats, spans = dict[str, Seat](), dict[str, Span]()
    for seat, model, first, last in seen:
        seats.setdefault(model, seat)
        span = spans.get(model, Span(last, first, model))
        spans[model] = Span(max(span.last, last), min(span.first, first), model)
    found: dict[Seat, list[Span]] = defaultdict(list)
    for model, seat in seats.items():
        found[seat].append(spans[model])
    return {seat: sorted(those) for seat, those in found.items()}


def gone(spans: Iterable[Span], first: str) -> list[str]:
    """Ids that nobody used any more when another was first seen, the newest at the end."""
    return [span.model for span in spans if span.last < first]


def predecessors(known: Mapping[Seat, list[Span]]) -> dict[str, str]:
    """Of each id that replaced another: the newest that was gone by then."""
    return {
        span.model: older[-1]
        for spans in known.values()
        for span in spans
        if (older := gone(spans, span.first))
    }
