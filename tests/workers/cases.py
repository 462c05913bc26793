"""What can happen to a worker, once for all clients: the steps of the model, the disturbance, and what must come out.

A column (`columns/NAME.py`) says where a client differs, and which cells it has not. `{work}` in a step is the workspace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from orchestrator.model import Failure, Session
from tests.agents.steps import Step, Used, call, drop, fail, hang, say, shell, sse_error, write

# either: exact or a lower bound, as it happens to get the time; with broken: an answer that broke off may be counted.
Figures = Literal["exact", "lower bound", "either", "with broken", "unknown"]
World = Literal["no key", "refused"]
USED = Used(input=12_000, output=300, cache_read=5_000, cache_write=700, reasoning=40)
MORE = Used(input=800, output=120, cache_read=17_000, cache_write=300)
FAR = 4_102_444_800  # Unix seconds: a reset that is still to come whenever this runs
FILE, TEXT = "made/hello.txt", "it's done\n"
RUNNING = "running"  # a tool makes this file when it has begun


class Happens(StrEnum):
    """What somebody does to the client while its tool runs."""

    NOTHING = "nothing"
    CANCEL = "we cancel it"
    INT = "somebody sends SIGINT"
    TERM = "somebody sends SIGTERM"
    KILL = "somebody sends SIGKILL"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What one attempt must come to. `denials` are words that must be found in them; `says` in the detail or text."""

    failure: Failure | None = None
    cancelled: bool = False  # run() raised: there is no Outcome
    figures: Figures = "exact"
    denials: tuple[str, ...] = ()
    retry_after_s: float | None = None
    reset_at: float | None = None
    window: str | None = None
    says: str = ""
    makes: bool = False  # the file of the case, with its text
    session: bool = True  # one can go on with it

    def but(self, **changes: Any) -> Expected:
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Try:
    """One attempt. `goes_on`: with the session of the one before; `change` are fields of the Attempt.

    `at`: what it does when something happens to it; `leaves`: its tool leaves a process in a session of its own.
    """

    steps: Sequence[Step] = ()
    change: Mapping[str, Any] = field(default_factory=dict)
    happens: Happens = Happens.NOTHING
    at: Literal["tool", "answer"] = "tool"
    leaves: bool = False
    goes_on: Literal["", "resume", "fork"] = ""
    expected: Expected = Expected()


@dataclass(frozen=True, kw_only=True)
class Case:
    """`env` is added to the environment, None takes a name away. `arguments`: added to the client's command line."""

    name: str
    says: str
    tries: tuple[Try, ...]
    world: World | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    @property
    def last(self) -> Try:
        return self.tries[-1]

    def but(self, **changes: Any) -> Case:
        return replace(self, **changes)

    def expecting(self, **changes: Any) -> Case:
        """The same case, with another end of its last try."""
        last = replace(self.last, expected=self.last.expected.but(**changes))
        return replace(self, tries=(*self.tries[:-1], last))


def one(
    name: str,
    says: str,
    *steps: Step,
    happens: Happens = Happens.NOTHING,
    world: World | None = None,
    change: Mapping[str, Any] | None = None,
    at: Literal["tool", "answer"] = "tool",
    leaves: bool = False,
    **expected: Any,
) -> Case:
    """A case of one attempt."""
    only = Try(
        steps=steps,
        change=change or {},
        happens=happens,
        at=at,
        leaves=leaves,
        expected=Expected(**expected),
    )
    return Case(name=name, says=says, tries=(only,), world=world)


def several(name: str, says: str, *tries: Try) -> Case:
    return Case(name=name, says=says, tries=tries)


MAKE = write(FILE, TEXT, usage=USED)
DONE = say("All done.", usage=MORE)
WORK = (MAKE, DONE)
BUSY = shell("touch running; tail -f /dev/null", usage=USED)
BUSY_AND_FREE = shell(
    "setsid sleep 600 >/dev/null 2>&1 & touch running; tail -f /dev/null", usage=USED
)
LEAVES = shell("setsid sleep 600 >/dev/null 2>&1 & echo left", usage=USED)
FOREVER = 40  # more answers than any client asks for

WELL = (
    one("success", "it writes a file and says so", *WORK, makes=True),
    one("orphan", "a tool leaves a process in a session of its own", LEAVES, DONE, leaves=True),
    one(
        "unknown-tool",
        "the model asks for a tool that is not there",
        call("NoSuchTool", {"x": 1}, usage=USED),
        *WORK,
        makes=True,
    ),
)
TROUBLE_THAT_PASSES = (
    one(
        "429-then-ok",
        "429 with retry-after 1, then an answer",
        fail(429, headers={"retry-after": "1"}),
        *WORK,
        makes=True,
    ),
    one("529-then-ok", "overloaded once, then an answer", fail(529), *WORK, makes=True),
    one(
        "drop-then-ok",
        "an answer breaks off in its middle, the next does not",
        drop("middle", usage=USED),
        *WORK,
        makes=True,
    ),
    one(
        "stream-error-then-ok",
        "a stream tells of an error, the next does not",
        sse_error(usage=USED),
        *WORK,
        makes=True,
    ),
)
TROUBLE_THAT_STAYS = (
    one("429", "429 for ever", fail(429, times=FOREVER), failure=Failure.RATE_LIMIT),
    one(
        "retry-after-90",
        "429 with retry-after 90",
        fail(429, headers={"retry-after": "90"}, times=FOREVER),
        failure=Failure.RATE_LIMIT,
    ),
    one(
        "retry-after-3600",
        "429 with retry-after 3600",
        fail(429, headers={"retry-after": "3600"}, times=FOREVER),
        failure=Failure.RATE_LIMIT,
    ),
    one(
        "quota",
        "the quota is used up",
        fail(
            429,
            message="You exceeded your current quota, please check your plan and billing details.",
            type="insufficient_quota",
            code="insufficient_quota",
            times=FOREVER,
        ),
        failure=Failure.QUOTA,
    ),
    one("529", "overloaded (529) for ever", fail(529, times=FOREVER), failure=Failure.OVERLOADED),
    one("503", "unavailable (503) for ever", fail(503, times=FOREVER), failure=Failure.OVERLOADED),
    one(
        "500", "the provider's own error for ever", fail(500, times=FOREVER), failure=Failure.SERVER
    ),
    one("401", "the key is refused", fail(401, times=FOREVER), failure=Failure.AUTH),
    one("403", "it is forbidden", fail(403, times=FOREVER), failure=Failure.AUTH),
    one(
        "404",
        "there is no such model",
        fail(404, message="model: nonesuch", times=FOREVER),
        failure=Failure.UNKNOWN_MODEL,
    ),
    one(
        "400-context",
        "the prompt is too long for the model",
        fail(
            400,
            message="prompt is too long: 250000 tokens > 200000 maximum",
            times=FOREVER,
        ),
        failure=Failure.CONTEXT,
    ),
    one(
        "400-credit",
        "there is no money left",
        fail(
            400,
            message="Your credit balance is too low to access the API. Please go to Plans & Billing.",
            times=FOREVER,
        ),
        failure=Failure.AUTH,
    ),
    one("no-key", "there is no key", world="no key", failure=Failure.AUTH, session=False),
    one("refused", "nobody listens", world="refused", failure=Failure.NETWORK),
    one(
        "drop-before",
        "connections end before an answer",
        drop("before", times=FOREVER),
        failure=Failure.NETWORK,
    ),
    one(
        "drop-forever",
        "answers break off in their middle",
        drop("middle", usage=USED, times=FOREVER),
        failure=Failure.NETWORK,
    ),
    one(
        "hang",
        "the provider is silent",
        MAKE,
        hang(600),
        change={"stall_s": 2.0},
        failure=Failure.STALLED,
        figures="either",
        makes=True,
    ),
)
ENDS = (
    one(
        "max-turns",
        "it reaches its cap of turns",
        *(write(f"made/{n}.txt", TEXT, usage=USED) for n in range(5)),
        change={"max_turns": 2},
        failure=Failure.MAX_TURNS,
    ),
    one(
        "max-budget",
        "it reaches its cap of money",
        *(write(f"made/{n}.txt", TEXT, usage=USED) for n in range(5)),
        change={"max_usd": 0.002},
        failure=Failure.BUDGET,
    ),
    one(
        "max-tokens",
        "an answer reaches its own cap, again and again",
        say("half a", "length", usage=USED, times=FOREVER),
        failure=Failure.EXIT,
    ),
    one(
        "refusal",
        "the model would not do it",
        say("I will not", "refusal", usage=USED, times=FOREVER),
        failure=Failure.REFUSED,
    ),
    one(
        "denied",
        "a tool is denied, and it says that it is done",
        shell("rm -rf made", usage=USED),
        DONE,
        denials=("rm -rf made",),
    ),
    one(
        "outside",
        "its tool for files is asked to write outside of the workspace: denied, and nothing is there",
        write("{work}/../outside.txt", TEXT, usage=USED),
        DONE,
        denials=("outside.txt",),
    ),
)
SIGNALS = (
    one("cancel", "we cancel it while a tool runs", BUSY, happens=Happens.CANCEL, cancelled=True),
    one(
        "cancel-waiting",
        "we cancel it while it waits for an answer",
        MAKE,
        hang(600),
        at="answer",
        happens=Happens.CANCEL,
        cancelled=True,
        figures="either",
    ),
    one(
        "sigint",
        "somebody sends SIGINT while a tool runs",
        BUSY,
        happens=Happens.INT,
        failure=Failure.KILLED,
    ),
    one(
        "sigterm",
        "somebody sends SIGTERM while a tool runs",
        BUSY,
        happens=Happens.TERM,
        failure=Failure.KILLED,
        figures="lower bound",
    ),
    one(
        "sigkill",
        "somebody sends SIGKILL while a tool runs",
        MAKE,
        BUSY,
        happens=Happens.KILL,
        failure=Failure.KILLED,
        figures="lower bound",
    ),
    one(
        "cancel-orphan",
        "we cancel it, and its tool has left a process in a session of its own",
        BUSY_AND_FREE,
        leaves=True,
        happens=Happens.CANCEL,
        cancelled=True,
    ),
)
BEGUN = Try(steps=WORK, expected=Expected(makes=True))
ON = Try(steps=(shell("echo on >> made/hello.txt", usage=USED), DONE), goes_on="resume")
COPIED = replace(ON, goes_on="fork")


CUT = {case.name: case.last for case in (*SIGNALS, *ENDS)}
SESSIONS = (
    several("resume", "it goes on with its own session", BEGUN, ON),
    several("resume-twice", "it goes on, and on", BEGUN, ON, ON),
    several("fork", "it goes on with a copy, and the copy is gone on with", BEGUN, COPIED, ON),
    several("resume-after-cancel", "it goes on after we cancelled it", CUT["cancel"], ON),
    several(
        "resume-after-cancel-waiting",
        "it goes on after we cancelled it while it waited for an answer",
        CUT["cancel-waiting"],
        ON,
    ),
    several("resume-after-sigterm", "it goes on after SIGTERM", CUT["sigterm"], ON),
    several("resume-after-sigkill", "it goes on after SIGKILL", CUT["sigkill"], ON),
    several(
        "resume-lost",
        "its session is not there any more: it begins anew",
        Try(
            steps=WORK,
            change={"session": Session(id="5f0d8c1e-7c55-4f0e-9d3b-5f6b6c0f8a11", fork=False)},
            expected=Expected(makes=True),
        ),
    ),
    several(
        "resume-after-failure",
        "it goes on after the provider failed in the middle",
        Try(
            steps=(MAKE, fail(500, times=FOREVER)),
            expected=Expected(failure=Failure.SERVER, makes=True),
        ),
        ON,
    ),
    several(
        "resume-after-budget",
        "it goes on after its cap of money, with a new cap",
        CUT["max-budget"],
        replace(ON, change={"max_usd": 0.01}),
    ),
    several(
        "resume-after-turns",
        "it goes on after its cap of turns, with the same cap",
        CUT["max-turns"],
        replace(ON, change={"max_turns": 2}),
    ),
)
CASES = {
    case.name: case
    for case in (*WELL, *TROUBLE_THAT_PASSES, *TROUBLE_THAT_STAYS, *ENDS, *SIGNALS, *SESSIONS)
}
