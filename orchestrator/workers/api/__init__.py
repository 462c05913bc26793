"""An agent of our own over the providers' interfaces: no program is started for it; refuses to load its libraries before it is asked."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import anyio

from orchestrator import prices
from orchestrator.model import Attempt, Failure, Outcome, Price, Progress, Task, Tier, Usage
from orchestrator.process.output import Transcript
from orchestrator.settings import WorkerSettings
from orchestrator.workers import Condition, Report
from orchestrator.workers.api import access, history, instructions
from orchestrator.workers.api.access import Access, NoAccess
from orchestrator.workers.api.confined import Refused

if TYPE_CHECKING:
    from orchestrator.workers.api import talk

NO_PRICES: Mapping[str, Price] = MappingProxyType({})
INSTRUCTIONS = ("AGENTS.md", "CLAUDE.md")
CLOSING_S = 2.0
ABSENT = "its libraries are not installed: install them with pip install 'plan-orchestrator[api]'"


class ApiWorker:
    """Anthropic, OpenAI, Google and whatever speaks OpenAI's Chat Completions at [workers.api] base_url."""

    name = "api"
    asks_a_model = True
    tiers: tuple[Tier, ...] = tuple(Tier)
    sessions: Collection[str] = ("resume", "fork")

    def __init__(
        self,
        settings: WorkerSettings,
        models: Mapping[Tier, str],
        own: Mapping[str, Price] = NO_PRICES,
    ) -> None:
        self.models, self._settings, self._own = models, settings, own

    def provider(self, model: str | None) -> str | None:
        return self._settings.provider or access.provider_of(model)

    def refuses(self, task: Task) -> str | None:
        return None

    def missing(self) -> str | None:
        return None if find_spec("pydantic_ai") else ABSENT

    def has_no_login(self) -> bool:
        return access.has_no_key(os.environ, self._settings.base_url)

    async def examine(self) -> Condition:
        absent = self.missing()
        if absent:
            return Condition(None, absent)
        told = tuple(access.notes(os.environ, self._settings.base_url))
        return Condition(f"pydantic-ai {version('pydantic-ai-slim')}", None, told)

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        absent = self.missing()
        if absent:
            return Outcome(failure=Failure.MISSING, detail=absent, usage=Usage.nothing())
        began = time.monotonic()
        try:
            found = access.find(attempt.route.model, os.environ, self._settings.base_url)
            outcome = await self._run(attempt, found, report)
        except NoAccess as error:
            outcome = Outcome(failure=error.failure, detail=str(error), usage=Usage.nothing())
        except (Refused, OSError) as error:
            outcome = Outcome(failure=Failure.NO_RESULT, detail=str(error))
        return outcome.model_copy(update={"duration_s": time.monotonic() - began})

    async def _run(self, attempt: Attempt, found: Access, report: Report) -> Outcome:
        from orchestrator.workers.api import talk, vendors  # 1 to 2 s, and 100 MB

        kept = history.resumed(attempt)
        messages = vendors.load(kept.lines) if kept else None
        if kept is None or messages is None:
            kept, messages = history.new(attempt), []
            if attempt.session:
                report(Progress(doing="its session is gone: it begins anew"))
        kept.begin()
        report(Progress(doing="thinking", session=kept.session))
        transcript = Transcript(Path(attempt.transcript))
        held = talk.Talk(
            attempt=attempt,
            access=found,
            system=instructions.joined(attempt.system, attempt.workspace, INSTRUCTIONS),
            history=kept,
            transcript=transcript,
            report=report,
            price=self._pricing(attempt),
            stall_s=self._settings.stall_s or attempt.stall_s,
            messages=messages,
        )
        client = vendors.open_client(held.stall_s, held.notice)
        try:
            with anyio.move_on_after(attempt.timeout_s):
                return await held.hold(vendors.open_model(found, client))
            late = f"not done within {attempt.timeout_s:g} s"
            return held.outcome(Failure.TIMEOUT, late)
        finally:
            transcript.close()
            with anyio.move_on_after(CLOSING_S, shield=True):
                await client.aclose()

    def _pricing(self, attempt: Attempt) -> talk.Pricing:
        model = attempt.route.model

        def price(usage: Usage, requests: Sequence[Usage]) -> Usage:
            return prices.price(
                usage, provider=self.provider(model), model=model, own=self._own, requests=requests
            )

        return price
