"""Outcomes that other programs wrote down, as entries marked retroactive. Pure; refuses lines that it would have to make up."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from orchestrator.complexity import LABELS
from orchestrator.intelligence.exports import NINE
from orchestrator.intelligence.records import TaskComplexity
from orchestrator.ledger.amendment import KIND, Amendment, applied, changes, latest
from orchestrator.ledger.line import (
    VERSION,
    Entry,
    Execution,
    checksum,
    in_utc,
    is_sealed,
    normalise_id,
    seal,
)
from orchestrator.model import Noun, Tier
from orchestrator.model.learned import RETROACTIVE

Row = Mapping[str, Any]
Score = Callable[[str], int]  # of a description, 1 to 10
OUTCOMES = {"success": "success", "succeeded": "success", "completed": "success", "done": "success"}
OUTCOMES |= {"partial": "partial", "failed": "failed", "failure": "failed", "error": "failed"}
OUTCOMES |= {"timeout": "failed", "cancelled": "failed", "blocked": "failed"}
AS_TOLD = ("tokens_total", "model_version", "provider", "failure", "area", "execution")
IN_WORDS = {
    "run_id": "",
    "project": "",
    "worker": "unknown",
    "risk": "medium",
    "task_type": "other",
}
NOT_TOLD: dict[str, Any] = {
    "v": VERSION,
    "tokens": dict.fromkeys(("input", "output", "cache_read", "cache_write", "reasoning")),
    **dict.fromkeys(("verified", "verify_strength", "escalated_from")),
    "origin": RETROACTIVE,
    "checksum": "",
}
LABEL = re.compile(rf"\b({'|'.join(LABELS)})\b", re.IGNORECASE)


class Imported(Noun):
    """`refused` by 1-based line, with why. `known` were there already, `amended` are as an amendment in the same file says.

    `passed` are lines that are whole and no outcome.
    """

    entries: tuple[Entry, ...] = ()
    refused: tuple[tuple[int, str], ...] = ()
    known: int = 0
    amended: int = 0
    passed: int = 0


def take(lines: Iterable[bytes], there: Iterable[Entry], at: str, score: Score) -> Imported:
    """`at` is the time for rows that tell none, `score` the complexity of those that only describe their task."""
    told, refused = _read_all(lines, at, score)
    seen = {key for one in there for key in _keys(one)}
    found, known = list[Entry](), 0
    for one in told:
        if isinstance(one, Entry):
            keys = _keys(one)
            known += bool(keys & seen)
            found += [] if keys & seen else [one]
            seen |= keys
    now = latest(one for one in told if isinstance(one, Amendment))
    after = [_amended(one, now.get(one.identity)) for one in found]
    return Imported(
        entries=tuple(after),
        refused=tuple(refused),
        known=known,
        amended=sum(one is not other for one, other in zip(found, after, strict=True)),
        passed=told.count(None),
    )


def _read_all(
    lines: Iterable[bytes], at: str, score: Score
) -> tuple[list[Entry | Amendment | None], list[tuple[int, str]]]:
    told, refused = list[Entry | Amendment | None](), list[tuple[int, str]]()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            told.append(read(line, at, score))
        except ValidationError as error:
            first = error.errors()[0]
            refused.append((number, f"{'.'.join(map(str, first['loc']))}: {first['msg']}"))
        except (ValueError, RecursionError) as error:
            text = "is not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
            refused.append((number, text or "is nested too deeply"))
    return told, refused


def _amended(one: Entry, amendment: Amendment | None) -> Entry:
    if amendment is None or not changes(one.outcome, amendment):
        return one
    return seal(applied(one, amendment))


def _keys(one: Entry) -> set[object]:
    """Either of them there means that it is known."""
    return {one.identity, _outcome(one)}


def _outcome(one: Entry) -> str:
    """The same outcome told twice has the same: of an export of ours that comes back, too."""
    told = one.model_dump(mode="json", include=set(NINE))
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def read(line: bytes, at: str, score: Score) -> Entry | Amendment | None:
    """One line of any of the seeds' files, or of a ledger like ours; None: whole, and of a kind that is not known here."""
    row = json.loads(line.decode())
    if not isinstance(row, dict):
        raise ValueError("is not an object")
    if "kind" in row:
        _refuse_change(row, line)
        return Amendment.model_validate_json(line) if row["kind"] == KIND else None
    if "checksum" in row:
        return _ours(row, line)
    if "complexity_estimated" in row:
        return _entry(row, row["complexity_estimated"], row.get("timestamp"))
    if "implementer_model" in row:
        return _execution(row, at)
    if "strategy" in row and "model" in row:
        return _experiment(row, at, score)
    raise ValueError("has the keys of no file that is known here; docs/learning.md names them")


def _refuse_change(row: Row, line: bytes) -> None:
    whole = line if line.endswith(b"\n") else line + b"\n"
    if not is_sealed(whole) and checksum(dict(row)) != row.get("checksum"):
        raise ValueError("has a wrong checksum")


def _ours(row: Row, line: bytes) -> Entry:
    _refuse_change(row, line)
    return seal(Entry.model_validate_json(line).model_copy(update={"origin": RETROACTIVE}))


def _execution(row: Row, at: str) -> Entry:
    told = {name: row.get(name) for name in Execution.model_fields}
    words = {
        **row,
        "model_routed": row.get("implementer_model"),
        "model_version": row.get("implementer_model"),
        "cost_usd": row.get("total_cost_usd"),
        "failure": row.get("error_type"),
        "area": row.get("task_area"),
        "risk": row.get("task_risk"),
        "provider": row.get("implementer_provider"),
        "execution": told | {"num_retries": row.get("num_retries") or 0},
    }
    try:
        level = row.get("complexity") or TaskComplexity(str(row.get("task_complexity"))).score
    except ValueError:
        raise ValueError(f"task_complexity is none of {', '.join(TaskComplexity)}") from None
    return _entry(words, level, row.get("timestamp") or at)


def _experiment(row: Row, at: str, score: Score) -> Entry:
    label = LABEL.search(str(row["strategy"]))
    described = str(row.get("description") or "")
    level = row.get("complexity") or (LABELS[label[1].lower()] if label else score(described))
    words = {
        **row,
        "task_id": row.get("id"),
        "model_routed": row["model"],
        "cost_usd": row.get("cost"),
        "route": {"confidence": row.get("confidence"), "reason": str(row["strategy"])},
    }
    return _entry(words, level, row.get("timestamp") or at)


def _tier(model: object) -> Tier | None:
    return next((tier for tier in Tier if tier in str(model).lower()), None)


def _entry(row: Row, complexity: object, at: object) -> Entry:
    """What the row does not tell is unknown: None."""
    outcome = OUTCOMES.get(str(row.get("outcome")).lower())
    if outcome is None:
        raise ValueError(f"outcome {row.get('outcome')!r} is none that is known")
    if not isinstance(at, str):
        raise ValueError("has no timestamp")
    told = {name: row.get(name) for name in AS_TOLD}
    words = {name: str(row.get(name) or usual) for name, usual in IN_WORDS.items()}
    tier = _tier(row.get("model_routed"))
    one = NOT_TOLD | told | words
    one |= {
        "task_id": normalise_id(str(row.get("task_id") or "")),
        "complexity_estimated": complexity,
        "model_routed": tier,
        "outcome": outcome,
        "duration_seconds": _number(row.get("duration_seconds")),
        "cost_usd": _number(row.get("cost_usd")),
        "cost_basis": "unknown" if row.get("cost_usd") is None else "reported",
        "timestamp": in_utc(at),
        "attempt": row.get("attempt") or 1,
        "route": _route(row.get("route") or {}, tier),
    }
    entry = Entry.model_validate_json(json.dumps(one))
    if not entry.run_id:
        entry = entry.model_copy(update={"run_id": f"import-{_outcome(entry)}"})
    return seal(entry)


def _route(told: Row, tier: Tier | None) -> dict[str, Any]:
    """Nobody knows how sure the choice was: 0."""
    return {
        "tier": tier,
        "confidence": _number(told.get("confidence") or 0.0),
        "reason": str(told.get("reason") or "told by an import"),
        "propensity": None,
    }


def _number(value: object) -> object:
    """JSON has one kind of number; a line of ours has floats."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
