"""The daemon: looks at its folder, runs what may run, goes on with what was interrupted, ends when it is told to. Refuses to lose a run because of another."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import anyio.abc
from anyio import to_thread

from orchestrator import clock, engine, inbox
from orchestrator.daemon import lasting, launch, records, systemd, trust, watching
from orchestrator.daemon.bell import Bell
from orchestrator.daemon.folder import Folder, sources
from orchestrator.daemon.lasting import Beside, told
from orchestrator.daemon.letters import INTERRUPTED, Letters, take_cancels
from orchestrator.daemon.notices import Notices
from orchestrator.daemon.queue import Decision, Found, Group, Known, Refusal, Revision, decide
from orchestrator.daemon.schedule import Duty, Holder, Schedule
from orchestrator.daemon.stopping import Stopping
from orchestrator.daemon.thrift import Thrift
from orchestrator.daemon.witness import Witness
from orchestrator.engine import Engine, Given, Hub, Slots
from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.history import fold
from orchestrator.inbox import Letter
from orchestrator.model import Event, Plan, RunId
from orchestrator.settings import Settings

TICK_S = 1.0  # how often letters, and plans that are being written, are looked at
Stand = tuple[str, str | None, str]  # path, hash, state
TOLD = ("broken", "untrusted", "later")


@dataclass(frozen=True, slots=True)
class Words:
    """What a daemon is asked for, and who hears what it says. `load` reads the settings, each time anew."""

    root: Path
    top: Path
    load: Callable[[], Settings]
    say: Callable[[str], None]
    trusts_all: bool = False
    duties: Callable[[Holder], Mapping[str, Duty]] = field(default=lambda _: {})
    around: Callable[[RunId], AbstractAsyncContextManager[object]] = nullcontext  # of each run


class Supervisor:
    """`keep` it; the rest answers while it is kept."""

    def __init__(self, words: Words) -> None:
        self.words, self.root = words, words.root
        self.settings = words.load()
        self.began = clock.wall()
        self.bell = Bell()
        self.stopping = Stopping(words.say)
        self.notices = Notices(self.settings.notify, self.root, words.say)
        daemon = self.settings.daemon
        times = {"learn": daemon.learn, "clean": daemon.clean, "patterns": daemon.patterns}
        self.witnesses: dict[RunId, Witness] = {}
        self.crashed: dict[RunId, str] = {}
        self._going_on = anyio.Lock()
        holder = Holder(self._busy, self._going_on)
        self.schedule = Schedule(times, words.duties(holder), words.say)
        self._own = set[RunId]()  # runs that it was asked to go on with
        self._letters = Letters(self.root, words.say, self._own, self.crashed)
        self.trouble: str | None = None  # with looking at the folder
        self.asked: set[str] = set()  # plans that a person wants once more
        self.decision = Decision((), ())
        self.found: list[Found] = []
        self.slots = Slots(self.settings.run.workers)
        self._folder = Folder(self.root, words.top, self.settings.reader)
        self._thrift = Thrift(self.root, words.load)
        self._revisions: dict[str, list[Revision]] = {}
        self._refused: dict[str, Refusal] = {}
        self._queued: dict[str, float] = {}
        self._interrupted: dict[RunId, float] = {}  # when each is tried next, Unix seconds
        self._stands: dict[Stand, str] = {}  # what was told of plans that wait
        self._trusted: frozenset[str] = frozenset()
        self._trust_stamp: object = None
        self._progress = 0  # plans that were begun, refused or passed over
        self._wake = anyio.Event()
        self._engine: Engine | None = None
        self._group: anyio.abc.TaskGroup | None = None

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "it is not kept"
        return self._engine

    async def keep(self, *beside: Beside) -> None:
        """Until it is told to end. `beside` runs as long, from when the project is held; what it refuses then ends the daemon."""
        held = engine.held(self.root, self.settings, self.words.say, self.slots, self._heed)
        async with held as self._engine, anyio.create_task_group() as around:
            await around.start(self.stopping.hear, self._end, self.settings.daemon.drain_s)
            for one in beside:
                around.start_soon(partial(lasting.keep, one, self.words.say, may_refuse=True))
            for one in (self.schedule.keep, self.notices.keep, systemd.keep):
                around.start_soon(lasting.keep, one, self.words.say)
            rescan_s = self.settings.daemon.rescan_s
            around.start_soon(watching.watch, self.words.top, self.rouse, rescan_s)
            async with anyio.create_task_group() as self._group:
                self._read_past()
                self._list_interrupted()
                systemd.tell("READY=1", f"STATUS=watching {self.words.top}")
                while not self.stopping.began:
                    await self._turn()
                    await self._rest()
                systemd.tell("STOPPING=1")
            await self.notices.flush()
            around.cancel_scope.cancel()

    def rouse(self) -> None:
        """Something is to be looked at now."""
        self._wake.set()

    # --- looking ----------------------------------------------------------------------------------

    async def _turn(self) -> None:
        """What goes wrong in one is said once, and the next is as if it were the first."""
        try:
            await records.try_again(self.engine)
            await self._look()
        except Exception as trouble:  # the runs go on, and so must who looks after them
            self._complain(f"the folder cannot be looked at now: {told(trouble)}")
        else:
            self.trouble = None
        self.bell.ring()

    def _complain(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.words.say(f"warning: {trouble}")
        self.trouble = trouble

    async def _look(self) -> None:
        now = clock.wall()
        await self._pick_up_due(now)
        self.found = await to_thread.run_sync(self._folder.look, now)
        self._trusted = await to_thread.run_sync(trust.trusted, self.root)
        await self._thrift.look(self.found)
        here = {one.path for one in self.found}
        self._refused = {path: one for path, one in self._refused.items() if path in here}
        self.decision = self._decide(now)
        while self.decision.starts and not self.stopping.began:
            before = self._progress
            for group in self.decision.starts:
                if not self.stopping.began:
                    await self._begin(group)
            self.decision = self._decide(now)
            if self._progress == before:
                break  # files changed under our hands: they have the next turn
        self._queued = self.decision.queued(self._queued, now)
        self._tell_waiting()
        await self._answer_letters()

    def _tell_waiting(self) -> None:
        """Once of each text, what only a person or the clock can bring forward."""
        stands: dict[Stand, str] = {
            (one.found.path, one.found.sha256, one.state): one.why
            for one in self.decision.waiting
            if one.state in TOLD and one.found.path not in self._refused
        }
        for (path, _, _), why in (
            (key, why) for key, why in stands.items() if key not in self._stands
        ):
            self.words.say(f"{path} waits: {why}")
        self._stands = stands

    def _decide(self, now: float) -> Decision:
        live = self.engine.live
        known = Known(
            revisions=self._revisions,
            live=set(live) | set(self.witnesses),
            trusted=self._trusted,
            trusts_all=self.words.trusts_all,
            asked=self.asked,
            refused=self._refused,
            approved=self._thrift.approved,
            throttled=self._thrift.waits,
            queued=self._queued,
        )
        places = self.settings.daemon.runs - len(self.witnesses)
        return decide(
            self.found, known, now=now, settle_s=self.settings.daemon.settle_s, places=places
        )

    async def _rest(self) -> None:
        """Until something is told of, or soon where something is being written, or for rescan_s."""
        busy = any(one.state == "arriving" for one in self.decision.waiting)
        limit = anyio.current_time() + self.settings.daemon.rescan_s
        while anyio.current_time() < limit and not self.stopping.began:
            with anyio.move_on_after(TICK_S):
                await self._wake.wait()
            if self._wake.is_set() or busy or self._has_news():
                break
        self._wake = anyio.Event()

    def _has_news(self) -> bool:
        """What other processes have told by files."""
        with suppress(Exception):  # what cannot be looked at now, the next look complains of
            if trust.stamp(self.root) != self._trust_stamp:
                self._trust_stamp = trust.stamp(self.root)
                return True
            return bool(self._letters.due(self._busy(), clock.wall()))
        return False

    def _busy(self) -> set[RunId]:
        """Runs that go on, or are about to."""
        live = self._engine.live if self._engine else ()
        return {*self.witnesses, *self._interrupted, *live}

    # --- runs -------------------------------------------------------------------------------------

    def _read_past(self) -> None:
        """Which texts of which plans have had a run."""
        for row in reversed(self.engine.book.runs()):
            for plan in self.engine.book.plans(row.id):
                self._note(plan.path, Revision(row.id, plan.sha256))

    def _note(self, path: str, revision: Revision) -> None:
        self._progress += 1
        self._revisions.setdefault(path, []).append(revision)
        self.asked.discard(path)
        self._refused.pop(path, None)

    def _list_interrupted(self) -> None:
        """What a daemon began and nobody ended or cancelled."""
        book = self.engine.book
        take_cancels(self.root, book)
        for row in reversed(book.runs()):
            ours = row.asked.get("unattended") and row.exit_code in INTERRUPTED
            if ours and fold(book.events(row.id)).cancelled is None:
                self._interrupted[row.id] = 0.0

    async def _pick_up_due(self, now: float) -> None:
        """One that cannot go on now (no agent, no room, a branch in use) is tried again later, and told of till then."""
        for run, at in list(self._interrupted.items()):
            if at > now or self.stopping.began:
                continue
            del self._interrupted[run]
            if run in self.witnesses:
                continue
            try:
                await self.go_on(run, {})
            except Exception as trouble:  # of this run alone
                self._interrupted[run] = now + self.settings.daemon.retry_s
                self._break_off(run, trouble)

    async def _begin(self, group: Group) -> None:
        hashes = {one.path: one.sha256 or "" for one in self.found}
        paths: Sequence[str] = group.paths
        try:
            most = self.settings.reader.max_bytes
            given = await to_thread.run_sync(sources, self.root, group.paths, hashes, most)
            paths = [one.path for one in given]
            if not given:
                return
            ready = await launch.prepare(
                self.root, given, self.words.load(), group.priority, self._done_before
            )
            if not ready.order.isolated:
                self._refuse_company()
            witness = self._witness()
            run = self.engine.new(ready.sources, ready.loaded, ready.order, ready.crew, witness)
        except launch.NothingLeft as told:
            self._pass_over(paths, hashes, str(told))
        except Exception as error:  # of these plans alone
            self._refuse(paths, hashes, error)
        else:
            for one in run.stored:
                self._note(one.path, Revision(run.run, one.sha256))
            self._start(run, [], witness)

    def _refuse_company(self) -> None:
        """Who works in the plain directory is alone in it: what another changes there would be taken for its own doing."""
        for run, witness in self.witnesses.items():
            if not witness.isolated:
                raise UsageError(
                    f"run {run} works in the project's folder itself, and this would, too; it starts after it"
                )

    def _done_before(self, plan: Plan) -> Sequence[str]:
        """Of a revised plan: its tasks that need not be done again."""
        past = self._revisions.get(plan.path)
        if not past or plan.path in self.asked:
            return ()
        return tuple(launch.done_before(self.engine.book, past[-1].run, plan.path, plan))

    def _pass_over(self, paths: Sequence[str], hashes: Mapping[str, str], why: str) -> None:
        """A new text that asks for nothing new: it stands for what its last run has done."""
        for path in paths:
            self._note(path, Revision(self._revisions[path][-1].run, hashes[path]))
            self.words.say(f"{path} does not run again: {why}")

    def _refuse(self, paths: Sequence[str], hashes: Mapping[str, str], error: Exception) -> None:
        self._progress += 1
        until = clock.wall() + self.settings.daemon.retry_s
        if not isinstance(error, OrchestratorError | OSError):
            self.words.say("".join(traceback.format_exception(error)))
        for path, one in launch.refusals(paths, error).items():
            before = self._refused.get(path)
            self._refused[path] = one._replace(until=until, sha256=hashes.get(path, ""))
            if before is None or before.why != one.why:
                self.words.say(f"{path} does not run: {one.why}")

    def _witness(self) -> Witness:
        return Witness(self.root, self.words.say, self._heard)

    def _heard(self, event: Event) -> None:
        self.bell.ring()
        self.notices.heard(event)

    async def go_on(self, run: RunId, changes: Mapping[str, object]) -> None:
        """With a run of the journal; what is wrong with it is raised, and nothing has begun."""
        async with self._going_on:  # two who ask for the same at once, and who tidies up
            self._refuse_while_ending(run)
            if run in self.witnesses:
                raise UsageError(f"run {run} goes on already")
            witness = self._witness()
            words = {"wait": True, "unattended": True, **changes}
            given, events = await self.engine.old(run, self.words.load(), witness, words)
            if not given.order.isolated:
                self._refuse_company()
            self._refuse_while_ending(run)
            self._own.add(run)
            self._start(given, events, witness)

    def _refuse_while_ending(self, run: RunId) -> None:
        if self.stopping.began:
            raise UsageError(f"the daemon ends; ask for run {run} again once it is there again")

    def _start(self, given: Given, events: Sequence[Event], witness: Witness) -> None:
        assert self._group is not None
        witness.meet(given, events)
        self.witnesses[given.run] = witness
        self._group.start_soon(self._play, given, events)

    async def _play(self, given: Given, events: Sequence[Event]) -> None:
        witness = self.witnesses[given.run]
        try:
            async with self.words.around(given.run):
                code = await self.engine.play(given, events)
        except Exception as trouble:  # a run that falls must not take the others with it
            self._break_off(given.run, trouble)
            if not witness.has_begun:  # nothing was done that could be done again and again
                self._interrupted[given.run] = clock.wall() + self.settings.daemon.retry_s
        else:
            self.crashed.pop(given.run, None)
            self.notices.ended(given.run, code, witness.watched)
        finally:
            del self.witnesses[given.run]
            for path, one in self._refused.items():
                if one.waits:  # for this run, it may be
                    self._refused[path] = one._replace(until=0.0)
            self.rouse()

    def _break_off(self, run: RunId, trouble: Exception) -> None:
        before, self.crashed[run] = self.crashed.get(run), told(trouble)
        if self.crashed[run] == before:
            return  # it was tried once more, and is as it was
        if not isinstance(trouble, OrchestratorError):
            self.words.say("".join(traceback.format_exception(trouble)))
        self.words.say(f"{run}  broke off: {self.crashed[run]}")
        self.notices.broke_off(run, self.crashed[run])

    async def _answer_letters(self) -> None:
        """People write to runs that have ended, too: such a run goes on with the answer."""
        now, book = clock.wall(), self.engine.book
        for path, letter in self._letters.due(self._busy(), now):
            if self.stopping.began:
                return  # it is there at the next start
            if letter.run not in self.witnesses:  # by the letter before this one, it may be
                go_on = partial(self.go_on, changes={})
                again = now + self.settings.daemon.retry_s
                await self._letters.answer(path, letter, book, go_on, again)

    def cancel(self, letter: Letter) -> None:
        if letter.run not in self.witnesses:
            raise UsageError(f"run {letter.run} does not go on now")
        inbox.post(self.root, letter)

    # --- the end ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def _heed(self, hub: Hub) -> AsyncIterator[None]:
        """One that begins while all end, ends with them."""
        self.stopping.catch_up(hub)
        yield

    def _end(self) -> None:
        """Called at each step of ending."""
        for hub in list(self.engine.live.values()):
            self.stopping.catch_up(hub)
        self.rouse()
