"""What `.orchestrator/intelligence.yaml` means for runs: their settings with its strategy in them. Refuses to map a strategy that runs do not have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator import settings
from orchestrator.intelligence import settings as own
from orchestrator.intelligence.learning import RoutingStrategy
from orchestrator.settings import NO_FLAGS, Settings

# Of each strategy that runs have: what it changes, by section. The 15% rule goes by learned costs, and by what the ledger says
# of the day: with it a route would depend on the ledger. Balanced is what a run does.
_Changes = Mapping[str, Mapping[str, Any]]
CHANGES: Mapping[RoutingStrategy, _Changes] = {
    RoutingStrategy.BASELINE: {
        "routing": {"cascade": False, "explore": False},
        "learning": {"use_rules": False},
        "budget": {"dear_share": 0.0},
    },
    RoutingStrategy.BALANCED: {},
    RoutingStrategy.LEARNING: {"routing": {"explore": True}},
}
TOLD = {
    RoutingStrategy.BASELINE: "so tasks start by plan, settings and complexity, whatever the ledger says",
    RoutingStrategy.LEARNING: "so routing.explore is on",
}


class Chosen(NamedTuple):
    """Of a run. `notes` say what the file has changed; nothing where it changed nothing."""

    settings: Settings
    notes: tuple[str, ...]


def load(root: Path, flags: Mapping[str, object] = NO_FLAGS) -> Chosen:
    """SettingsError where one of the files is wrong."""
    found = settings.load(root, flags)
    strategy = own.load(root).learning.strategy
    chosen = applied(found, strategy)
    if strategy in CHANGES and chosen == found:
        return Chosen(chosen, ())
    return Chosen(chosen, (note(strategy),))


def applied(found: Settings, strategy: RoutingStrategy) -> Settings:
    """Those of a run under this strategy."""
    changed = {
        name: getattr(found, name).model_copy(update=values)
        for name, values in CHANGES.get(strategy, {}).items()
    }
    return found.model_copy(update=changed)


def note(strategy: RoutingStrategy) -> str:
    """What it does, or that it does nothing here."""
    told = TOLD.get(strategy, "which only AdaptiveModelRouter has; runs go by balanced")
    return f"{own.FILE.as_posix()} says strategy: {strategy}, {told}"
