"""routing_heuristics.json read at run time: learned rules by complexity, or none and why. Refuses to stop a run over a damaged file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.model import Noun
from orchestrator.model.learned import Rule

NAME = "routing_heuristics.json"


class Heuristics(Noun):
    """`rules` by complexity, weakest confidence included: who asks decides what is enough. `trouble` is one warning, or empty."""

    rules: Mapping[int, Rule] = {}
    evidence: Mapping[int, Mapping[str, Any]] = {}  # below each rule, as it is written
    trouble: str = ""


def read(folder: Path) -> Heuristics:
    """None there: no rules, which is no trouble. Damaged: no rules, and a warning."""
    path = folder / NAME
    try:
        found = json.loads(path.read_text("utf-8"))
        return parse(found)
    except FileNotFoundError:
        return Heuristics()
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    except ValidationError as error:
        first = error.errors()[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except KeyError as error:
        why = f"{error.args[0]} is missing"
    except (ValueError, TypeError, AttributeError, RecursionError):
        why = "is not such a file"
    text = f"{path}: {why}; the usual tiers are used. Next: orchestrator learn writes it anew"
    return Heuristics(trouble=text)


def parse(found: Mapping[str, Any]) -> Heuristics:
    """Of the seed's own file too, which has no `evidence`: its rules stand alone."""
    recommended = found["learned_recommendations"]
    rules = [_rule(int(level), one) for level, one in recommended.items()]
    evidence = {int(level): one.get("evidence", {}) for level, one in recommended.items()}
    return Heuristics(rules={rule.complexity: rule for rule in rules}, evidence=evidence)


def _rule(complexity: int, one: Mapping[str, Any]) -> Rule:
    metrics, evidence = one["metrics"], one.get("evidence", {})
    return Rule(
        complexity=complexity,
        tier=one["model"],
        confidence=one["confidence"],
        reason=one["reason"],
        success_rate=metrics["success_rate"],
        sample_size=metrics["sample_size"],
        adopt=evidence.get("adopt", True),
        model_id=evidence.get("model_id"),
        avg_cost_usd=metrics.get("avg_cost_usd"),
        avg_duration_s=metrics.get("avg_duration_sec"),
    )
