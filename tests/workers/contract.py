"""Plays a case with a worker, real or recorded, and compares what came out with what must; it knows no client by name."""

# ruff: noqa: ASYNC110 - what is looked at here are other processes

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import anyio

from orchestrator import prices
from orchestrator.engine.handing import resumed
from orchestrator.history import Tried
from orchestrator.model import Attempt, Outcome, Progress, Route, RunId, Score, TaskId, Usage
from orchestrator.process.fence import Fence
from orchestrator.workers.agent import AgentWorker
from orchestrator.workers.reading import Client
from tests.agents import clients
from tests.agents.canary import Canary
from tests.agents.script import Billed
from tests.agents.server import ModelServer
from tests.agents.steps import Call, Shell, Step, Write
from tests.workers.cases import FILE, RUNNING, TEXT, Case, Expected, Happens, Try
from tests.workers.columns import Column

SYSTEM = "You work on one task of a larger plan, alone, in the current directory.\n"
PROMPT = "Task 1 of plan contract: say hello\n"
BASICS = ("PATH", "HOME", "TMPDIR", "LANG", "TERM")
MARK = "CONTRACT_MARK"
PATIENCE_S = 30.0
SIGNALS = {Happens.INT: signal.SIGINT, Happens.TERM: signal.SIGTERM, Happens.KILL: signal.SIGKILL}


@dataclass(frozen=True)
class Place:
    """The folders of one play."""

    root: Path

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def make(self) -> Place:
        for folder in (self.work, self.home, self.bin, self.runs):
            folder.mkdir(parents=True, exist_ok=True)
        return self


@dataclass
class Played:
    """One attempt as it went. `left`: command lines that were still there afterwards."""

    attempt: Attempt
    tried: Tried
    progress: list[Progress] = field(default_factory=list)
    outcome: Outcome | None = None
    billed: Billed = field(default_factory=Billed)
    broken: Billed = field(default_factory=Billed)
    made: str | None = None
    left: list[str] = field(default_factory=list)

    def hear(self, progress: Progress) -> None:
        """As the journal keeps it."""
        self.progress.append(progress)
        for name in ("session", "model", "totals"):
            if getattr(progress, name) is not None:
                setattr(self.tried, name, getattr(progress, name))
        self.tried.so_far = progress.usage or self.tried.so_far

    @property
    def usage(self) -> Usage | None:
        return self.outcome.usage if self.outcome else self.tried.so_far

    @property
    def session(self) -> str | None:
        return (self.outcome.session if self.outcome else None) or self.tried.session


class Stage(Protocol):
    """Where a case is played. `set` comes before each attempt, `bill` after it: what it was billed since."""

    place: Place
    url: str
    env: Mapping[str, str]

    def set(self, number: int, try_: Try, attempt: Attempt) -> None: ...
    def begun(self, try_: Try) -> bool: ...
    def happened(self) -> None: ...
    def bill(self) -> tuple[Billed, Billed]: ...


class RealStage:
    """The real client, the scripted model server, and a canary where the world would be."""

    def __init__(
        self, place: Place, column: Column, case: Case, server: ModelServer, canary: Canary
    ) -> None:
        self.place, self.server, self.url = place, server, server.url
        clients.bin_folder(place.root, (column.name,))
        clients.prepare_home(place.home, server)
        env: dict[str, str | None] = {
            **clients.environment(place.home, server, place.bin, canary=canary),
            **column.env(server.url),
            **case.env,
        }
        if case.world == "no key":
            env |= dict.fromkeys(column.keys)
        if case.world == "refused":
            server.refuse()
        self.env = {name: value for name, value in env.items() if value is not None}
        self._before, self._asked = (Billed(), Billed()), 0

    def set(self, number: int, try_: Try, attempt: Attempt) -> None:
        steps = [placed(step, self.place.work) for step in try_.steps]
        self.server.load("default", steps)
        self._before, self._asked = self._bills(), len(self.server.requests)

    def begun(self, try_: Try) -> bool:
        """Whether it is where it shall be disturbed: in a tool, or waiting for the last answer."""
        if try_.at == "answer":
            return len(self.server.requests) - self._asked >= len(try_.steps)
        return (self.place.work / RUNNING).exists()

    def happened(self) -> None:
        return

    def bill(self) -> tuple[Billed, Billed]:
        now = self._bills()
        return minus(now[0], self._before[0]), minus(now[1], self._before[1])

    def _bills(self) -> tuple[Billed, Billed]:
        return self.server.total(), sum(self.server.broken.values(), Billed())


def minus(now: Billed, before: Billed) -> Billed:
    return Billed(**{name: value - vars(before)[name] for name, value in vars(now).items()})


def placed(step: Step, work: Path) -> Step:
    """With the workspace for `{work}`."""

    def put(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{work}", str(work))
        return (
            {key: put(one) for key, one in value.items()} if isinstance(value, Mapping) else value
        )

    fields = {"path", "content", "command", "arguments"} & vars(step).keys()
    known = isinstance(step, Write | Shell | Call)
    return replace(step, **{name: put(getattr(step, name)) for name in fields}) if known else step


@contextmanager
def only_environment(env: Mapping[str, str]) -> Iterator[None]:
    """Nothing of ours is to be seen: what a worker passes on is then known to be needed."""
    kept = dict(os.environ)
    mine = {name: value for name, value in kept.items() if name.startswith(("PYTEST", "COVERAGE"))}
    os.environ.clear()
    os.environ.update({**mine, **env})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


# --- playing -------------------------------------------------------------------------------------


async def play(
    column: Column,
    case: Case,
    stage: Stage,
    wrap: Callable[[Client], Client] = lambda c: c,
    fence: Fence | None = None,
    **more: Any,
) -> list[Played]:
    """All attempts of a case, one after the other, each with what its stage knows of it."""
    worker = column.worker(stage.url, case, wrap, **more)
    played: list[Played] = []
    with only_environment(stage.env):
        for number, try_ in enumerate(case.tries, 1):
            attempt = handed(number, try_, column, stage, played[-1] if played else None)
            if fence is not None:
                box = fence.around(stage.place.work)
                attempt = attempt.model_copy(update={"sandbox": box})
            stage.set(number, try_, attempt)
            played.append(await perform(worker, attempt, try_, stage))
            played[-1].billed, played[-1].broken = stage.bill()
    return played


def handed(number: int, try_: Try, column: Column, stage: Stage, last: Played | None) -> Attempt:
    route = Route(worker=column.name, model=column.model, confidence=1.0, reason="a test")
    basics = {name: stage.env[name] for name in BASICS if name in stage.env}
    session = None
    if try_.goes_on:
        assert last is not None
        session = resumed(last.tried, fork=try_.goes_on == "fork")
    given: dict[str, Any] = {
        "run": RunId("contract"),
        "task": TaskId("p/1"),
        "name": "say hello",
        "number": number,
        "action": PROMPT,
        "system": SYSTEM,
        "prompt": PROMPT,
        "route": route,
        "workspace": str(stage.place.work),
        "timeout_s": PATIENCE_S,
        "stall_s": PATIENCE_S,
        "session": session,
        "transcript": str(stage.place.runs / f"{number}.log"),
        "environment": {**basics, MARK: uuid.uuid4().hex},
    }
    return Attempt(**{**given, **try_.change})


async def perform(worker: AgentWorker, attempt: Attempt, try_: Try, stage: Stage) -> Played:
    booked = attempt.session.booked if attempt.session else None
    score = Score(value=1, reasons=())
    tried = Tried(attempt.number, attempt.route, score, started_at="", booked=booked)
    played, scope = Played(attempt, tried), anyio.CancelScope()
    async with anyio.create_task_group() as group:
        if try_.happens is not Happens.NOTHING:
            group.start_soon(disturb, try_, played, stage, scope)
        with scope:
            played.outcome = await worker.run(attempt, played.hear)
        group.cancel_scope.cancel()
    played.left = [words for _, words in marked(attempt)]
    made = stage.place.work / FILE
    played.made = made.read_text() if made.exists() else None
    return played


async def disturb(try_: Try, played: Played, stage: Stage, scope: anyio.CancelScope) -> None:
    attempt = played.attempt
    while not stage.begun(try_):
        await anyio.sleep(0.01)
    end = anyio.current_time() + 5
    # the server has answered before: a slow machine's client may still be about to tell of it
    while try_.expected.figures == "either" and not played.usage and anyio.current_time() < end:
        await anyio.sleep(0.01)
    (stage.place.work / RUNNING).unlink(missing_ok=True)
    stage.happened()
    if try_.happens is Happens.CANCEL:
        scope.cancel()
    else:
        os.kill(client_of(attempt), SIGNALS[try_.happens])


def marked(attempt: Attempt) -> list[tuple[int, str]]:
    """Processes with the mark of this attempt: pid and command line."""
    mark = f"{MARK}={attempt.environment[MARK]}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append((int(folder.name), words))
            except OSError:
                continue
    return found


def client_of(attempt: Attempt) -> int:
    """The one whose parent has no mark: the parent is the warden. A helper of it may end while we look."""
    above = dict[int, int]()
    for pid, _ in marked(attempt):
        with suppress(FileNotFoundError, ProcessLookupError):
            above[pid] = parent(pid)
    (pid,) = [pid for pid, its in above.items() if its not in above]
    return pid


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


# --- judging -------------------------------------------------------------------------------------


def judge(column: Column, case: Case, played: list[Played]) -> None:
    assert len(played) == len(case.tries)
    for number, (try_, one) in enumerate(zip(case.tries, played, strict=True), 1):
        told = f"try {number} of {case.name}: {one.outcome or one.tried}"
        check(try_.expected, one, told)
        check_figures(try_.expected, one, column, told)


def check(expected: Expected, played: Played, told: str) -> None:
    outcome = played.outcome
    assert (outcome is None) == expected.cancelled, told
    assert played.left == [], told
    assert (played.session is not None) or not expected.session, told
    if expected.makes:
        assert played.made is not None, told
        assert played.made.startswith(TEXT), told
    if outcome is None:
        return
    assert outcome.failure == expected.failure, told
    wanted = (expected.retry_after_s, expected.reset_at, expected.window)
    assert (outcome.retry_after_s, outcome.reset_at, outcome.window) == wanted, told
    assert len(outcome.denials) == len(expected.denials), told
    assert all(w in d for w, d in zip(expected.denials, outcome.denials, strict=True)), told
    assert expected.says in f"{outcome.detail}\n{outcome.text}", told
    assert outcome.ok or outcome.detail, told


GUESSED = 10  # tokens
COUNTS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
}


def check_figures(expected: Expected, played: Played, column: Column, told: str) -> None:
    usage, figures = played.usage, expected.figures
    told = f"billed {played.billed}, broken {played.broken}, {told}"
    known = {} if usage is None else {name: getattr(usage, name) for name in COUNTS}
    told_any = any(value is not None for value in known.values())
    if figures == "unknown":
        assert not told_any, told
        return
    assert usage is not None, told
    assert told_any, told
    kinds = ("lower bound", "either") if usage.lower_bound else ("exact", "either", "with broken")
    assert figures in kinds, told
    least, most = bounds(played, usage.lower_bound, figures == "with broken")
    for name, ours in COUNTS.items():
        assert vars(least)[ours] <= (known[name] or 0) <= vars(most)[ours], f"{name}: {told}"
    check_cost(usage, least, most, column, told)


def bounds(played: Played, is_bound: bool, with_broken: bool) -> tuple[Billed, Billed]:
    """Between these its figures must be. Of an answer that broke off it may guess some output."""
    guessed = Billed(output=GUESSED * played.broken.requests)
    every = played.billed + played.broken
    if is_bound:
        return Billed(), every
    return played.billed, every + guessed if with_broken else played.billed


def check_cost(usage: Usage, least: Billed, most: Billed, column: Column, told: str) -> None:
    """Against our own price of what was billed: the client's own is one more witness."""
    lowest, highest = price(least, column), price(most, column)
    if lowest is None or highest is None:
        assert usage.cost_usd is None, told
    elif not usage.lower_bound or usage.cost_usd is not None:
        assert usage.cost_usd is not None, told
        assert lowest - 1e-7 <= usage.cost_usd <= highest + 1e-7, told


def price(billed: Billed, column: Column) -> float | None:
    counts = {name: vars(billed)[ours] for name, ours in COUNTS.items()}
    priced = prices.price(
        Usage(**counts, requests=billed.requests or None),
        provider=column.client().provider(column.model),
        model=column.model,
        own=column.own,
    )
    return priced.cost_usd


@contextmanager
def real_stage(column: Column, case: Case, root: Path) -> Iterator[RealStage]:
    """It fails at the end if the client asked for a host that it is not known to ask for."""
    with ModelServer({}) as server, Canary() as canary:
        yield RealStage(Place(root).make(), column, case, server, canary)
    assert canary.other_than(column.leaves) == []
    assert canary.loops == []
