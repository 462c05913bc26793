"""Our own agent over the providers' interfaces in the contract: real only, as there is no program that could be recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestrator.model import Tier
from orchestrator.settings import WorkerSettings
from orchestrator.workers.api import ApiWorker
from tests.workers.cases import CASES
from tests.workers.columns import Absent, Column

NO_PROGRAM = Absent("it is no program of its own: nobody can send it a signal")
SIGNALS = ("sigint", "sigterm", "sigkill", "resume-after-sigterm", "resume-after-sigkill")
BOUND = ("drop-then-ok", "drop-before", "drop-forever")  # what broke off may have been billed


@dataclass(frozen=True, kw_only=True)
class ApiColumn(Column):
    """Its worker drives no client."""

    def worker(self, url: str, *_: Any, **__: Any) -> Any:
        settings = WorkerSettings(**self.settings(url))
        return ApiWorker(settings, dict.fromkeys(Tier, self.model), self.own)


def waits(seconds: float) -> dict[str, Any]:
    return {
        f"retry-after-{seconds:.0f}": CASES[f"retry-after-{seconds:.0f}"].expecting(
            retry_after_s=seconds
        )
    }


client: Callable[[], Any] = lambda: ApiWorker(WorkerSettings(), {})  # noqa: E731 - only asked whose prices count
COLUMN = ApiColumn(
    name="api",  # type: ignore[arg-type]  # no client that is installed somewhere
    client=client,
    model="anthropic/claude-haiku-5-5",
    keys=("ANTHROPIC_API_KEY",),
    bytes=8_000,
    personal={".claude/CLAUDE.md": "PERSONAL INSTRUCTIONS\n"},
    differs={
        **waits(90.0),
        **waits(3600.0),
        **dict.fromkeys(SIGNALS, NO_PROGRAM),
        **{name: CASES[name].expecting(figures="lower bound") for name in BOUND},
        "denied": Absent("it denies no command"),
        "outside": Absent("its tools refuse such a path and tell the model: no denial is booked"),
    },
)
