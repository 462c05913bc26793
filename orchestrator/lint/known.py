"""What the rules may know of the settings and the machine, as values."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.model import Noun, Tier


class Known(Noun):
    """`tiers` are those that the settings map to a model, for each worker that has tiers at all."""

    root: str = "/"  # of the project, absolute
    workers: frozenset[str] = frozenset()
    tiers: Mapping[str, frozenset[Tier]] = {}
