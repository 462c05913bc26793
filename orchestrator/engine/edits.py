"""Plans that a person edits while they run: the run keeps to its own copy, and says so at its end. Refuses to read the new text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.engine.screen import Screen
from orchestrator.journal import StoredPlan


class Edits:
    """Of the plans of one run, while this is entered."""

    def __init__(self, root: Path, stored: Sequence[StoredPlan], screen: Screen) -> None:
        self._root, self._stored, self._screen = root, stored, screen

    def __enter__(self) -> None:
        self._before = [self._now(one) for one in self._stored]

    def __exit__(self, *_: object) -> None:
        for plan, before in zip(self._stored, self._before, strict=True):
            now = self._now(plan)
            if now == before:
                continue
            what = "is gone" if now is None else "has changed"
            step = "" if now is None else f". Next: orchestrator run --again {plan.path}"
            self._screen.warn(
                f"{plan.path} {what} while it was run; what was done is what it said when the run began{step}"
            )

    def _now(self, plan: StoredPlan) -> bytes | None:
        try:
            return (self._root / plan.path).read_bytes()
        except OSError:
            return None
