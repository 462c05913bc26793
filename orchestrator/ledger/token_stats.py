"""What tasks of one kind, complexity and tier have used: seed 002's .token-stats.json, with keys that JSON can hold. Pure; refuses to guess without outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

from orchestrator.ledger.line import Entry

NAME = ".token-stats.json"


class Key(NamedTuple):
    """In the file `api-impl/6/sonnet`."""

    task_type: str
    complexity: int
    model: str

    @classmethod
    def parse(cls, text: str) -> Key:
        task_type, complexity, model = text.rsplit("/", 2)
        return cls(task_type, int(complexity), model)

    def __str__(self) -> str:
        return f"{self.task_type}/{self.complexity}/{self.model}"


@dataclass(frozen=True)
class Stats:
    count: int
    total_tokens: int
    min_tokens: int
    max_tokens: int
    avg_duration: float | None
    success_rate: float


def fold(entries: Iterable[Entry]) -> dict[Key, Stats]:
    """Of attempts that told their tokens, failed ones too, without those of reviews; partial is no success."""
    groups: dict[Key, list[Entry]] = {}
    for one in entries:
        if one.model_routed is not None and one.tokens_total is not None and not one.lower_bound:
            key = Key(one.task_type, one.complexity_estimated, str(one.model_routed))
            groups.setdefault(key, []).append(one)
    return {key: _stats(groups[key]) for key in sorted(groups)}


def _stats(group: list[Entry]) -> Stats:
    tokens = [one.own_tokens for one in group if one.own_tokens is not None]
    times = [one.duration_seconds for one in group if one.duration_seconds is not None]
    return Stats(
        count=len(group),
        total_tokens=sum(tokens),
        min_tokens=min(tokens),
        max_tokens=max(tokens),
        avg_duration=sum(times) / len(times) if times else None,
        success_rate=sum(one.outcome == "success" for one in group) / len(group),
    )


def dumps(stats: Mapping[Key, Stats]) -> str:
    document = {str(key): asdict(one) for key, one in stats.items()}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def loads(text: str) -> dict[Key, Stats]:
    """What `dumps` wrote. ValueError, KeyError and TypeError say that it did not."""
    return {Key.parse(key): Stats(**one) for key, one in json.loads(text).items()}


def report(stats: Mapping[Key, Stats]) -> Iterator[str]:
    """Seed 002's `generate_report`, line by line."""
    yield "=== Token Cost Analysis ==="
    for key, one in sorted(stats.items()):
        yield ""
        yield f"{key.task_type} (complexity {key.complexity}, {key.model}):"
        yield f"  Executions: {one.count}"
        yield f"  Avg tokens: {one.total_tokens // one.count}"
        yield f"  Range: {one.min_tokens} - {one.max_tokens}"
        yield f"  Success rate: {one.success_rate * 100:.1f}%"
        yield f"  Avg duration: {'unknown' if one.avg_duration is None else f'{one.avg_duration:.1f}s'}"
