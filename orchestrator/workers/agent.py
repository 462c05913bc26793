"""Any agent that is a program: starts it, ends it, believes none of it, and makes one Outcome of what it printed."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from orchestrator import prices, process
from orchestrator.model import (
    Access,
    Attempt,
    Failure,
    Outcome,
    Price,
    Progress,
    Sandbox,
    Task,
    Tier,
    Usage,
)
from orchestrator.process import Command, Ended, Leash, NotStarted, ProgramMissing
from orchestrator.settings import WorkerSettings
from orchestrator.workers import Condition, Report, booking, keys
from orchestrator.workers.api import instructions
from orchestrator.workers.reading import Call, Client, Reading

NO_PRICES: Mapping[str, Price] = MappingProxyType({})
GRACE_S = 5.0  # for the end after the terminal event, and after each signal
LOOK_S = 20.0  # for a client to tell its version
RAW_TAIL = 2000  # characters
TAIL = 20  # lines of raw output in the detail of a failure
SESSION = re.compile(r"[A-Za-z0-9][\w.:/-]{0,199}", re.ASCII)  # it becomes an argument
SIGNALLED = {
    128 + number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
}
EVERYBODY = (  # how to reach the world, from wherever this machine stands
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "XDG_*",
)  # fmt: skip


@dataclass(slots=True)
class Watched:
    """What the driver itself knows of an attempt: its last figures as told, the same with their price, and the cap that ended it."""

    told: Usage | None = None
    priced: Usage | None = None
    capped: tuple[Failure, str] | None = None

    def insist(self, reading: Reading) -> None:
        """What it said of its end after its cap is only that we ended it."""
        if self.capped:
            reading.fail(*self.capped)


class AgentWorker:
    """One client as a worker. `models` is its id for each tier, `own` are the user's prices by model id."""

    def __init__(
        self,
        client: Client,
        settings: WorkerSettings,
        models: Mapping[Tier, str],
        own: Mapping[str, Price] = NO_PRICES,
        grace_s: float = GRACE_S,
    ) -> None:
        self._client, self._settings, self._own, self._grace_s = client, settings, own, grace_s
        self.name: str = client.name
        self.asks_a_model = True
        self.tiers: tuple[Tier, ...] = client.tiers
        self.models, self.sessions = models, client.sessions

    def provider(self, model: str | None) -> str | None:
        return self._settings.provider or self._client.provider(model)

    def refuses(self, task: Task) -> str | None:
        return None

    def missing(self) -> str | None:
        if shutil.which(self._program):
            return None
        if os.sep in self._program:
            return f"there is no program {self._program}"
        return f"{self._program} is not on the PATH"

    def has_no_login(self) -> bool:
        notes = self._client.examine("", self._basics(), Path.home())
        return any(note.startswith("no login found") for note in notes)

    async def examine(self) -> Condition:
        absent = self.missing()
        if absent or not self._client.tells_version:
            return Condition(shutil.which(self._program), absent)
        try:
            ended = await self._try("--version")
            broken = self._client.probe and (await self._try(*self._client.probe)).exit_code != 0
        except NotStarted as error:
            return Condition(None, str(error))
        told = (ended.stdout.strip() or ended.stderr.strip()).partition("\n")[0]
        if ended.exit_code != 0:
            return Condition(None, f"{self._program} --version failed: {told}; install it again")
        if is_older(told, self._client.oldest):
            wanted = ".".join(map(str, self._client.oldest))
            return Condition(told, f"{told} is too old; install {wanted} or newer")
        notes = self._client.examine(told, self._basics(), Path.home())
        return Condition(told, None, (*notes, *([self._client.probe_fails] if broken else [])))

    def _basics(self) -> dict[str, str]:
        return process.environment((*BASICS, *self._passes(self._client.passes)), {})

    async def _try(self, *words: str) -> Ended:
        argv = (self._program, *words)
        return await process.run(
            Command(argv=argv, cwd=Path.cwd(), env=self._basics(), timeout_s=LOOK_S)
        )

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        """Where its session is lost, it begins anew: the prompt says all that it must know. What has cost something is never done twice."""
        reading = Reading()
        outcome = await self._run(attempt, report, reading)
        nothing_used = not (outcome.usage and outcome.usage.tokens)
        if not (reading.lost and attempt.session and nothing_used) or outcome.ok:
            return outcome
        report(Progress(doing="its session is gone: it begins anew"))
        return await self._run(attempt.model_copy(update={"session": None}), report, Reading())

    async def _run(self, attempt: Attempt, report: Report, reading: Reading) -> Outcome:
        leash, watched = Leash(), Watched()
        attempt = instructed(attempt, self._client.told)
        call = self._client.call(attempt, folder(attempt))

        def take(every: Iterable[Progress]) -> None:
            for progress in every:
                report(self._booked(progress, reading, attempt, watched))
            self._watch_caps(reading, attempt, watched)
            if reading.finished:
                leash.pull(self._grace_s)
            elif reading.hopeless:
                leash.pull()

        def hear(line: bytes) -> None:
            take(self._client.read(line.decode("utf-8", "replace"), reading))

        def overhear(line: bytes) -> None:
            take(self._client.read_error(line.decode("utf-8", "replace"), reading))

        try:
            write(call, folder(attempt))
            ended = await process.run(self._order(call, attempt), hear, overhear, leash)
        except ProgramMissing as error:
            return Outcome(failure=Failure.MISSING, detail=f"{error}: {self.missing() or ''}")
        except (NotStarted, OSError) as error:
            return Outcome(failure=Failure.NO_RESULT, detail=str(error))
        for step in reading.open_steps.values():
            report(Progress(step=step))
        self._client.conclude(ended, reading)
        watched.insist(reading)
        return self._outcome(reading, ended, attempt)

    @property
    def _program(self) -> str:
        return self._settings.program or self._client.program

    def _passes(self, needed: Iterable[str]) -> tuple[str, ...]:
        return (*EVERYBODY, *needed, *self._settings.env_pass)

    def _order(self, call: Call, attempt: Attempt) -> Command:
        passes = self._passes(self._client.needs(attempt.route.model, os.environ))
        env = {**attempt.environment, **process.environment(passes, call.env)}
        return Command(
            argv=(self._program, *call.argv[1:], *self._settings.arguments),
            cwd=Path(attempt.workspace),
            env=env,
            stdin=call.stdin.encode(),
            timeout_s=attempt.timeout_s,
            stall_s=self._settings.stall_s or attempt.stall_s,
            silent_s=attempt.silent_s,
            stop=self._client.stop,
            grace_s=self._grace_s,
            transcript=Path(attempt.transcript),
            sandbox=attempt.sandbox and self._let_in(attempt.sandbox, env),
        )

    def _let_in(self, sandbox: Sandbox, env: Mapping[str, str]) -> Sandbox:
        """Its own places and its provider: without them it could not work. What it would make at its first start is made."""
        home = Path(env.get("HOME") or Path.home())
        homes = list(self._client.homes(env, home))
        for place in homes:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = (*homes, *self._client.own_files(env, home))
        keys_at = map(os.path.realpath, keys.places(env, home))
        sandbox = sandbox.allow(Access.READ, keys_at, network=True)
        return sandbox.allow(Access.WRITE, map(os.path.realpath, own))

    def _watch_caps(self, reading: Reading, attempt: Attempt, watched: Watched) -> None:
        """For clients that cannot be told to stop by themselves: they are stopped one request too late."""
        if reading.finished or reading.hopeless:
            return
        caps = self._client.caps
        turns = len(reading.requests or reading.by_message) or reading.turns or 0
        cost = watched.priced.cost_usd if watched.priced else None
        if "turns" not in caps and attempt.max_turns is not None and turns > attempt.max_turns:
            watched.capped = Failure.MAX_TURNS, f"stopped after {attempt.max_turns} turns"
        most = None if "usd" in caps else attempt.max_usd
        if most is not None and cost is not None and cost > most:
            watched.capped = (
                Failure.BUDGET,
                f"stopped at ${cost:.4f} of ${most:.{2 if most >= 0.1 else 4}f}",
            )
        tokens = watched.priced.fresh_tokens if watched.priced else None
        if attempt.max_tokens is not None and tokens is not None and tokens > attempt.max_tokens:
            detail = f"stopped at {tokens} of {attempt.max_tokens} tokens that are not from a cache"
            watched.capped = Failure.BUDGET, detail
        reading.hopeless = watched.capped is not None
        watched.insist(reading)

    def _booked(
        self, progress: Progress, reading: Reading, attempt: Attempt, watched: Watched
    ) -> Progress:
        """With what is not told otherwise before the end: it may never come to that."""
        usage = progress.usage
        if progress.totals is not None:
            usage = _difference(progress.totals, attempt)
        if usage is not None and usage != watched.told:
            watched.told, watched.priced = usage, self._price(usage, reading, attempt)
        priced = None if usage is None else watched.priced
        return progress.model_copy(update={"usage": priced, "session": _safe(progress.session)})

    def _outcome(self, reading: Reading, ended: Ended, attempt: Attempt) -> Outcome:
        failure, detail = judge(reading, ended, attempt)
        return Outcome(
            failure=failure,
            detail=detail,
            exit_code=ended.exit_code,
            signal=ended.signal,
            usage=self._usage(reading, attempt),
            totals=reading.totals,
            model=reading.model,
            session=_safe(reading.session),
            turns=reading.turns,
            text=reading.text,
            denials=tuple(reading.denials),
            tail=(ended.stdout + ended.stderr)[-RAW_TAIL:] if failure else "",
            retry_after_s=reading.retry_after_s,
            reset_at=reading.reset_at,
            window=reading.window,
            warnings=ended.left_running,
            duration_s=ended.duration_s,
        )

    def _usage(self, reading: Reading, attempt: Attempt) -> Usage:
        """What it reported; else the sum of what was seen, as the least that it can be."""
        usage = reading.usage
        if reading.totals is not None:
            usage = _difference(reading.totals, attempt)
        if usage is None:
            usage = booking.add(reading.by_message.values()) or Usage(lower_bound=True)
        if usage.requests is None:
            usage = usage.model_copy(update={"requests": len(reading.by_message) or None})
        return self._price(usage, reading, attempt)

    def _price(self, usage: Usage, reading: Reading, attempt: Attempt) -> Usage:
        model = reading.model or attempt.route.model
        return prices.price(
            usage,
            provider=self.provider(attempt.route.model),
            model=model,
            own=self._own,
            requests=reading.requests,
        )


def is_older(told: str, oldest: tuple[int, ...]) -> bool:
    """Whether the first version number in these words is below; words without one are believed."""
    found = re.search(r"\d+(?:\.\d+)+", told)
    return found is not None and tuple(map(int, found[0].split("."))) < oldest


BASICS = ("PATH", "HOME", "LANG", "LC_*", "USER", "TMPDIR", "TERM")


def folder(attempt: Attempt) -> Path:
    """Where files that only this attempt's client needs are put."""
    return Path(attempt.transcript).with_suffix(".files")


def instructed(attempt: Attempt, names: Sequence[str]) -> Attempt:
    """With the project's own instructions, for a client that does not read them by itself."""
    system = instructions.joined(attempt.system, attempt.workspace, names, most=1)
    return attempt.model_copy(update={"system": system})


def write(call: Call, place: Path) -> None:
    for name, text in call.files.items():
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(
            os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            "w",
            encoding="utf-8",
        ) as file:
            file.write(text)


def judge(reading: Reading, ended: Ended, attempt: Attempt) -> tuple[Failure | None, str]:
    """Success is a terminal event that says so, and nothing else: not an exit code, not the end of the output."""
    tail = _tail(ended)
    if ended.timed_out:
        return Failure.TIMEOUT, f"not done within {attempt.timeout_s:g} s\n{tail}".strip()
    if ended.stalled:
        return Failure.STALLED, f"{ended.stalled}\n{tail}"
    if reading.failure is not None:
        return reading.failure, reading.detail or tail
    if reading.finished:
        return None, ""
    if ended.signal is not None:
        return Failure.KILLED, f"ended by {ended.signal_name}, not by us\n{tail}"
    if ended.exit_code in SIGNALLED:
        return Failure.KILLED, f"ended with exit {ended.exit_code}, as on a signal\n{tail}"
    how = "was lost" if ended.exit_code is None else f"ended with exit {ended.exit_code}"
    return Failure.NO_RESULT, f"it {how} and did not say that it was done\n{tail}"


def _tail(ended: Ended) -> str:
    """For a person, and for the next try: its events are neither, they stand in the transcript."""
    said = [line for line in ended.stdout.splitlines() if line and not line.startswith("{")]
    lines = (ended.stderr.strip().splitlines() or said)[-TAIL:]
    return "\n".join(line[:500] for line in lines)


def _safe(session: str | None) -> str | None:
    """Whatever it printed: what is no plain name is no session that can be gone on with."""
    return session if session and SESSION.fullmatch(session) else None


def _difference(totals: Usage, attempt: Attempt) -> Usage:
    return booking.book(totals, attempt.session.booked if attempt.session else None)
