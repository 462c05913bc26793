"""Per provider: what its trouble means for all attempts at it, and for how long. Spends no try, and waits for nothing itself."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from orchestrator.clock import Moment
from orchestrator.model import Event, EventKind, Failure, Outcome, Route, TaskId, Tier

TRANSIENT = frozenset(
    {Failure.RATE_LIMIT, Failure.OVERLOADED, Failure.SERVER, Failure.NETWORK, Failure.QUOTA}
)
SILENT = frozenset(  # say nothing of the provider
    {
        Failure.INTERRUPTED,
        Failure.UNAVAILABLE,
        Failure.MISSING,
        Failure.TIMEOUT,
        Failure.STALLED,
        Failure.KILLED,
        Failure.NO_RESULT,
    }
)
QUOTA_S = (60.0, 120.0, 300.0, 900.0)  # a used up quota that does not say until when
MILLISECONDS = 1e11  # no time in seconds is that large
FARTHEST_S = 40 * 86400.0  # no quota is closed for longer than a month
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 120.0
SPREAD = 0.05  # of a known wait, so that not everybody comes back in the same moment
LONGEST_SPREAD_S = 30.0


@dataclass(slots=True)
class Trouble:
    """Since the gate's provider last answered well."""

    times: int = 0
    waited_s: float = 0.0
    until: float = 0.0  # Unix seconds

    def close(self, until: float, pause_s: float, known: bool) -> None:
        """What siblings meet while it is closed makes it longer, and no new trouble."""
        began = until - pause_s
        self.times += began >= self.until
        self.waited_s += 0.0 if known else max(0.0, until - max(began, self.until))
        self.until = max(self.until, until)


@dataclass(frozen=True, slots=True)
class Countdown:
    """Until a gate opens, by whichever clock gets there first.

    A clock that is set back must not keep the gate closed for longer than was asked for; one that stands still while the
    machine sleeps neither. Where a clock is set ahead the gate opens too soon, which costs one question and no try.
    """

    until: float  # by the clock on the wall
    ends: float  # by the steady one

    @classmethod
    def begin(cls, until: float, pause_s: float, now: Moment) -> Countdown:
        """`now` may be later than the closing, or on another boot: what is recorded is only the wall's time."""
        return cls(until, now.steady + left_s(until, pause_s, now.wall))

    def left_s(self, now: Moment) -> float:
        return max(0.0, min(self.until - now.wall, self.ends - now.steady))


def left_s(until: float, pause_s: float, wall: float) -> float:
    """Never longer than it was closed for, whatever the clock on the wall says."""
    return max(0.0, min(until - wall, pause_s))


class Gates:
    """A fold over the events of a run, so that a resumed run knows what was waited for."""

    def __init__(self, longest_s: float, *, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._longest_s = longest_s
        self._growing = wait_random_exponential(multiplier=first_pause_s, max=LONGEST_PAUSE_S)
        self._troubles: dict[str, Trouble] = {}
        self._routes: dict[TaskId, Route] = {}
        self.pauses_s: dict[str, float] = {}  # of the closed ones: the latest pause

    def apply(self, event: Event) -> None:
        match event.kind:
            case EventKind.GATE_CLOSED:
                trouble = self._troubles.setdefault(event.data["gate"], Trouble())
                trouble.close(event.data["until"], event.data["pause_s"], event.data["known"])
                self.pauses_s[event.data["gate"]] = event.data["pause_s"]
            case EventKind.GATE_OPENED:
                self._opened(event.data["gate"])
            case EventKind.ATTEMPT_STARTED if event.task is not None:
                self._routes[event.task] = Route.model_validate(event.data["route"])
            case EventKind.ATTEMPT_FINISHED if event.task in self._routes:
                failure = event.data["outcome"]["failure"]
                if failure not in TRANSIENT | SILENT:
                    self._answered(self._routes[event.task])

    def pause_s(self, gate: str, outcome: Outcome, now: float) -> float | None:
        """How long the gate is to be closed from `now` (Unix seconds); 0: it is closed for long enough already.

        None: longer than is waited for. A quota whose end is known is waited for however long it takes.
        """
        trouble = self._troubles.get(gate, Trouble())
        reset = reset_at(outcome, now)
        if reset is not None:
            return self._at_least(_spread(reset - now), trouble, now)
        asked = outcome.retry_after_s or 0.0
        if trouble.until > now + asked:
            return 0.0  # a sibling met the same trouble a moment ago
        floor = QUOTA_S[min(trouble.times, 3)] if outcome.failure is Failure.QUOTA else 0.0
        pause = max(self._jitter(trouble.times + 1), _spread(max(asked, floor)))
        return None if trouble.waited_s + pause > self._longest_s else pause

    def _at_least(self, pause: float, trouble: Trouble, now: float) -> float:
        return (
            0.0
            if trouble.until >= now + pause - LONGEST_SPREAD_S and trouble.until > now
            else pause
        )

    def _jitter(self, times: int) -> float:
        state = RetryCallState(AsyncRetrying(), None, (), {})
        state.attempt_number = times
        return self._growing(state)

    def _opened(self, gate: str) -> None:
        """Trouble that is met from now on closes it anew, also where the clock was set back meanwhile."""
        self.pauses_s.pop(gate, None)
        if gate in self._troubles:
            self._troubles[gate].until = 0.0

    def _answered(self, route: Route) -> None:
        for gate in route.gates:
            self._troubles.pop(gate, None)


def reset_at(outcome: Outcome, now: float) -> float | None:
    """When a used up quota opens, Unix seconds. A time that is past or absurd is no answer: trouble like any other.

    A long wait that it asks for tells the same; a short one is no end of a quota.
    """
    told, wait = outcome.reset_at, outcome.retry_after_s or 0.0
    if told is None and wait >= QUOTA_S[0]:
        told = now + wait
    if outcome.failure is not Failure.QUOTA or told is None:
        return None
    told = told / 1000 if told > MILLISECONDS else told
    return told if now < told < now + FARTHEST_S else None


def gate_of(route: Route, outcome: Outcome) -> str:
    """The provider, or one tier of it where the limit is that of a model (`seven_day_opus`)."""
    tier = next((one for one in Tier if (outcome.window or "").endswith(f"_{one}")), None)
    name = route.provider or route.worker
    return f"{name}/{tier}" if tier else name


def _spread(seconds: float) -> float:
    return seconds + random.uniform(0, min(SPREAD * seconds, LONGEST_SPREAD_S))  # noqa: S311 - no secret
