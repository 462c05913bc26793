"""One attempt as a conversation: ask, do what is asked for, until it is done or a cap is reached; refuses to carry out half an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from pydantic_ai.messages import ModelMessage, ModelRequestPart, ModelResponse
from pydantic_ai.models import Model

from orchestrator import redact
from orchestrator.model import Attempt, Failure, Outcome, Progress, Usage
from orchestrator.process.output import Transcript
from orchestrator.workers import Report, booking
from orchestrator.workers.api import vendors
from orchestrator.workers.api.access import Access
from orchestrator.workers.api.history import History
from orchestrator.workers.api.tools import ASKED, Answer, Tools
from orchestrator.workers.api.vendors import Call, Trouble
from orchestrator.workers.reading import LONGEST_WORDS, step

LONGEST_TEXT = 30_000  # in the transcript
CUT = "your answer reached its cap of tokens, so this was not done: do it in smaller pieces"
UNREADABLE = "the arguments are no JSON object"
INTERRUPTED = "interrupted: it may have been done in part"
ZERO = Usage.nothing().model_copy(update={"cost_basis": "priced"})
Pricing = Callable[[Usage, Sequence[Usage]], Usage]


@dataclass(slots=True)
class Talk:
    """`stall_s`: how long one answer may take. `unsure`: the provider may have billed what it did not deliver."""

    attempt: Attempt
    access: Access
    system: str
    history: History
    transcript: Transcript
    report: Report
    price: Pricing
    stall_s: float
    messages: list[ModelMessage] = field(default_factory=list)
    requests: list[Usage] = field(default_factory=list)
    model: str | None = None
    text: str = ""
    unsure: bool = False
    waiting: bool = False  # for an answer

    async def hold(self, model: Model) -> Outcome:
        """Until it is over."""
        tools = Tools(self.attempt)
        open_calls = vendors.calls(self.messages[-1] if self.messages else None)
        first = [vendors.result(call, INTERRUPTED, False) for call in open_calls]
        self._tell([*first, vendors.prompt(self.attempt.prompt)])
        while True:
            answer = await self._ask(model)
            if isinstance(answer, Trouble):
                return self._failed(answer.failure, answer.words, answer.retry_after_s)
            asked = vendors.calls(answer)
            if not asked:
                return self._finish(answer)
            self._tell([await self._use(tools, call, answer) for call in asked])
            if capped := self._capped():
                return self._failed(*capped)

    def notice(self, words: str, billed: bool) -> None:
        """A request is tried again."""
        self.unsure |= billed
        self._note("again", why=words)
        self.report(Progress(doing=redact.text(words)[:LONGEST_WORDS]))

    async def _ask(self, model: Model) -> ModelResponse | Trouble:
        self.waiting = True
        so_far = self.usage() if self.requests else None  # the first figures mean: it has spoken
        self.report(Progress(doing="thinking", usage=so_far))
        with anyio.move_on_after(self.stall_s):
            answer = await vendors.ask(model, self.messages, ASKED)
            self.waiting = False
            if isinstance(answer, Trouble):
                self.unsure |= answer.billed
            else:
                self._take(answer)
            return answer
        return Trouble(Failure.STALLED, f"no answer for {self.stall_s:g} s")

    def _take(self, answer: ModelResponse) -> None:
        self._keep(answer)
        self.requests.append(vendors.usage_of(answer.usage))
        self.model = f"{self.access.provider}/{answer.model_name or self.access.model}"
        self.text = answer.text or self.text
        self._note(
            "answer",
            model=self.model,
            text=answer.text,
            calls=[call._asdict() for call in vendors.calls(answer)],
            finish=answer.finish_reason,
            usage=self.requests[-1].model_dump(exclude_none=True),
        )
        words = " ".join(redact.text(answer.text or "").split())[:LONGEST_WORDS]
        self.report(Progress(doing=words, usage=self.usage(), model=self.model))

    async def _use(self, tools: Tools, call: Call, answer: ModelResponse) -> ModelRequestPart:
        seen = step(call.name, call.arguments or {})
        self.report(
            Progress(
                doing=" ".join(redact.text(f"{seen.tool}: {seen.target}").split())[:LONGEST_WORDS]
            )
        )
        if answer.finish_reason == "length":  # what looks whole may be half a file
            got = Answer(CUT, ok=False)
        elif call.arguments is None:
            got = Answer(UNREADABLE, ok=False)
        else:
            got = await tools.use(call.name, call.arguments)
        self._note("result", tool=call.name, ok=got.ok, exit_code=got.exit_code, text=got.text)
        done = seen.model_copy(update={"ok": got.ok, "exit_code": got.exit_code})
        self.report(Progress(step=done))
        return vendors.result(call, got.text, got.ok)

    def _capped(self) -> tuple[Failure, str] | None:
        """Whether the next request would be one too many, or one of the mean size would cost too much."""
        count, cap = len(self.requests), self.attempt.max_turns
        if cap is not None and count >= cap:
            return Failure.MAX_TURNS, f"it reached its cap of {cap} turns"
        spent, most = self.usage().cost_usd, self.attempt.max_usd
        if most is not None and spent is not None and spent * (count + 1) / count > most:
            told = f"${most:.{2 if most >= 0.1 else 4}f}"
            return Failure.BUDGET, f"it spent ${spent:.4f}, and the next turn may exceed {told}"
        tokens, limit = self.usage().fresh_tokens, self.attempt.max_tokens
        if limit is not None and tokens is not None and tokens * (count + 1) / count > limit:
            told = f"it used {tokens} tokens, and the next turn may exceed {limit}"
            return Failure.BUDGET, told
        return None

    def _finish(self, answer: ModelResponse) -> Outcome:
        match answer.finish_reason:
            case "length":
                return self._failed(Failure.EXIT, "its answer reached the cap of tokens")
            case "content_filter":
                return self._failed(Failure.REFUSED, self.text or "the model would not do it")
            case "error":
                return self._failed(Failure.EXIT, self.text or "the model ended with an error")
        return self.outcome()

    def _failed(self, failure: Failure, words: str, retry_after_s: float | None = None) -> Outcome:
        self._note("trouble", failure=failure, words=words)
        return self.outcome(failure, self.access.clean(words), retry_after_s)

    def outcome(
        self,
        failure: Failure | None = None,
        detail: str = "",
        retry_after_s: float | None = None,
    ) -> Outcome:
        return Outcome(
            failure=failure,
            detail=detail,
            usage=self.usage(),
            model=self.model,
            session=self.history.session,
            turns=len(self.requests),
            text=self.text,
            retry_after_s=retry_after_s,
        )

    def usage(self) -> Usage:
        """Of all answers so far; the least that it can be, where one broke off."""
        total = booking.add(self.requests) or ZERO
        least = total.lower_bound or self.unsure or self.waiting
        total = total.model_copy(update={"lower_bound": least})
        return self.price(total, self.requests)

    # --- what is kept ------------------------------------------------------------------------------

    def _tell(self, parts: Sequence[ModelRequestPart]) -> None:
        self._keep(vendors.told(self.system, parts))

    def _keep(self, message: ModelMessage) -> None:
        self.messages.append(message)
        self.history.add(redact.raw(self.access.clean(vendors.dump(message).decode()).encode()))

    def _note(self, event: str, **words: Any) -> None:
        line = redact.text(json.dumps({"event": event, **words}, default=str))
        if len(line) > LONGEST_TEXT:
            line = json.dumps({"event": event, "cut": len(line), "head": line[:LONGEST_TEXT]})
        self.transcript.add(self.access.clean(line).encode("utf-8", "replace") + b"\n")
