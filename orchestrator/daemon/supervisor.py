"""The daemon: looks at its folder, runs what may run, goes on with what was interrupted, ends when it is told to. Refuses to lose a run because of another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import anyio.abc
from anyio import to_thread

from orchestrator import clock, engine, inbox
from orchestrator.daemon import lasting, launch, records, runs, systemd, trust, watching
from orchestrator.daemon.asked import Asked
from orchestrator.daemon.bell import Bell
from orchestrator.daemon.folder import Folder, sources
from orchestrator.daemon.lasting import Beside, told, trace
from orchestrator.daemon.letters import Letters, take_cancels
from orchestrator.daemon.notices import Notices
from orchestrator.daemon.queue import Decision, Found, Group, Known, Refusal, Revision, decide
from orchestrator.daemon.runs import Runs
from orchestrator.daemon.schedule import Duty, Holder, Schedule
from orchestrator.daemon.stopping import Stopping
from orchestrator.daemon.telling import Telling
from orchestrator.daemon.thrift import Thrift
from orchestrator.daemon.witness import Witness
from orchestrator.engine import Engine, Given, Hub, Slots
from orchestrator.errors import UsageError
from orchestrator.inbox import Letter
from orchestrator.model import Event, RunId
from orchestrator.settings import Settings
from orchestrator.views.text import command

TICK_S = 1.0  # how often letters, and plans that are being written, are looked at


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
    page: Callable[[], str | None] = lambda: None  # where its pages are, for people


class Supervisor:
    """`keep` it; the rest answers while it is kept."""

    def __init__(self, words: Words) -> None:
        self.words, self.root = words, words.root
        self.settings = words.load()
        self.began = clock.wall()
        self.bell = Bell()
        self.runs = Runs()
        self.stopping = Stopping(words.say, lambda: bool(self.runs.going))
        self.notices = Notices(self.settings.notify, self.root, words.say, words.page)
        daemon = self.settings.daemon
        times = {"learn": daemon.learn, "clean": daemon.clean, "patterns": daemon.patterns}
        self._going_on = anyio.Lock()  # whoever takes a run up, drops it, or tidies up
        holder = Holder(self._busy, self._going_on)
        self.schedule = Schedule(times, words.duties(holder), words.say)
        go_on = partial(self.go_on, changes={})
        self._letters = Letters(self.root, words.say, self.runs, go_on, self.cancel)
        self.trouble: str | None = None  # with looking at the folder
        self.decision = Decision((), ())
        self.found: list[Found] = []
        self.slots = Slots(self.settings.run.workers)
        self._folder = Folder(self.root, words.top, self.settings.reader, words.say)
        self._thrift = Thrift(self.root, words.load)
        self._revisions: dict[str, list[Revision]] = {}
        self.asked = Asked(self.root, self._revisions)
        self._refused: dict[str, Refusal] = {}
        self._queued: dict[str, float] = {}
        self._telling = Telling(self.root, words.say, words.trusts_all)
        self._trusted: frozenset[str] = frozenset()
        self._trust_stamp: object = None
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
                self.asked.restore()
                self._list_interrupted()
                self._telling.begin(self.words.top, self.settings.run.workers)
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
            self._complain(trouble)
        else:
            self.trouble = None
        self.bell.ring()

    def _complain(self, trouble: Exception) -> None:
        before, self.trouble = self.trouble, f"the folder cannot be looked at now: {told(trouble)}"
        if self.trouble != before:
            trace(trouble, self.words.say)
            self.words.say(f"warning: {self.trouble}")

    async def _look(self) -> None:
        now = clock.wall()
        await self._pick_up_due(now)
        self.found = await to_thread.run_sync(self._folder.look, now)
        self._trusted = await to_thread.run_sync(trust.trusted, self.root)
        await self._thrift.look(self.found)
        here = {one.path for one in self.found}
        self._refused = {path: one for path, one in self._refused.items() if path in here}
        self.decision = self._decide(now)
        tried = set[Group]()  # whatever becomes of one, its next turn is at the next look
        while new := [one for one in self.decision.starts if one not in tried]:
            for group in new:
                tried.add(group)
                if not self.stopping.began:
                    await self._begin(group)
            self.decision = self._decide(now)
        self._queued = self.decision.queued(self._queued, now)
        self._tell_renamed()
        self._telling.tell(self.decision.waiting, self._refused)
        await self._answer_letters()

    def _tell_renamed(self) -> None:
        """Once: from then on it is a plan that had its run."""
        for path, last in self.decision.renamed:
            self._note(path, last)
            step = command("run", "--again", path)
            self.words.say(f"{path} does not run: run {last.run} has had this text; {step} runs it")

    def _decide(self, now: float) -> Decision:
        live = self.engine.live
        known = Known(
            revisions=self._revisions,
            live=set(live) | set(self.runs.going),
            trusted=self._trusted,
            trusts_all=self.words.trusts_all,
            asked=self.asked,
            refused=self._refused,
            approved=self._thrift.approved,
            throttled=self._thrift.waits,
            queued=self._queued,
        )
        places = self.settings.daemon.runs - len(self.runs.going)
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
        return self.runs.busy | set(live)

    # --- runs -------------------------------------------------------------------------------------

    def _read_past(self) -> None:
        """Which texts of which plans have had a run."""
        for row in reversed(self.engine.book.runs()):
            for plan in self.engine.book.plans(row.id):
                self._note(plan.path, Revision(row.id, plan.sha256))

    def _note(self, path: str, revision: Revision) -> None:
        self._revisions.setdefault(path, []).append(revision)
        self.asked.settle(path)
        self._refused.pop(path, None)

    def _list_interrupted(self) -> None:
        take_cancels(self.root, self.engine.book)
        self.runs.waiting = dict.fromkeys(runs.interrupted(self.engine.book), 0.0)

    async def _pick_up_due(self, now: float) -> None:
        """One that cannot go on now (no agent, no room, a branch in use) is tried again later, and told of till then."""
        for run in self.runs.due(now):
            async with self._going_on:
                if self.stopping.began or run not in self.runs.waiting:
                    continue  # a person has taken it up or cancelled it meanwhile
                try:
                    await self._take_up(run, {})
                except Exception as trouble:  # of this run alone
                    self._break_off(run, trouble)
                    self._try_later(run)

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
                self.root, given, self.words.load(), group.priority, self._past_of(paths)
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
        for run, witness in self.runs.going.items():
            if not witness.isolated:
                raise UsageError(
                    f"run {run} works in the project's folder itself, and this would, too; it starts after it"
                )

    def _past_of(self, paths: Sequence[str]) -> dict[str, RunId]:
        """Of revised plans the run that had the text before: its tasks need not be done again."""
        past = ((path, self._revisions.get(path)) for path in paths if path not in self.asked)
        return {path: every[-1].run for path, every in past if every}

    def _pass_over(self, paths: Sequence[str], hashes: Mapping[str, str], why: str) -> None:
        """A new text that asks for nothing new: it stands for what its last run has done."""
        for path in paths:
            self._note(path, Revision(self._revisions[path][-1].run, hashes[path]))
            self.words.say(f"{path} does not run again: {why}")

    def _refuse(self, paths: Sequence[str], hashes: Mapping[str, str], error: Exception) -> None:
        until = clock.wall() + self.settings.daemon.retry_s
        trace(error, self.words.say)
        for path, one in launch.refusals(paths, error).items():
            before = self._refused.get(path)
            self._refused[path] = one._replace(until=until, sha256=hashes.get(path, ""))
            if before is None or before.why != one.why:
                self.words.say(f"{path} does not run: {one.why}")

    def _witness(self) -> Witness:
        return Witness(self.root, self.words.say, self._heard)

    def _heard(self, event: Event) -> None:
        self.bell.ring()
        witness = self.runs.going.get(event.run)
        self.notices.heard(event, witness.watched if witness else None)

    async def go_on(self, run: RunId, changes: Mapping[str, object]) -> None:
        """With a run of the journal; what is wrong with it is raised, and nothing has begun."""
        async with self._going_on:
            await self._take_up(run, changes)

    async def _take_up(self, run: RunId, changes: Mapping[str, object]) -> None:
        self._refuse_while_ending(run)
        if run in self.runs.going:
            raise UsageError(f"run {run} goes on already")
        witness = self._witness()
        words = {"wait": True, "unattended": True, **changes}
        given, events = await self.engine.old(run, self.words.load(), witness, words)
        if not given.order.isolated:
            self._refuse_company()
        self._refuse_while_ending(run)
        self._start(given, events, witness)

    def _refuse_while_ending(self, run: RunId) -> None:
        if self.stopping.began:
            raise UsageError(f"the daemon ends; ask for run {run} again once it is there again")

    def _start(self, given: Given, events: Sequence[Event], witness: Witness) -> None:
        assert self._group is not None
        witness.meet(given, events)
        self.runs.goes_on(given.run, witness)
        self._group.start_soon(self._play, given, events)

    async def _play(self, given: Given, events: Sequence[Event]) -> None:
        witness = self.runs.going[given.run]
        try:
            async with self.words.around(given.run):
                code = await self.engine.play(given, events)
        except Exception as trouble:  # a run that falls must not take the others with it
            self._break_off(given.run, trouble)
            if not witness.has_begun:  # nothing was done that could be done again and again
                self._try_later(given.run)
        else:
            self.notices.ended(given.run, code, witness.watched)
        finally:
            del self.runs.going[given.run]
            for path, one in self._refused.items():
                if one.waits:  # for this run, it may be
                    self._refused[path] = one._replace(until=0.0)
            self.rouse()

    def _break_off(self, run: RunId, trouble: Exception) -> None:
        if self.runs.breaks_off(run, why := told(trouble)):
            trace(trouble, self.words.say)
            self.words.say(f"{run}  broke off: {why}")
            self.notices.broke_off(run, why)

    def _try_later(self, run: RunId) -> None:
        self.runs.waiting[run] = clock.wall() + self.settings.daemon.retry_s

    async def _answer_letters(self) -> None:
        """People write to runs that have ended, too: such a run goes on with the answer."""
        now, book = clock.wall(), self.engine.book
        for path, letter in self._letters.due(self._busy(), now):
            if self.stopping.began:
                return  # it is there at the next start
            if letter.run not in self.runs.going:  # by the letter before this one, it may be
                again = now + self.settings.daemon.retry_s
                await self._letters.answer(path, letter, book, again)

    async def cancel(self, letter: Letter) -> bool:
        """A run that would go on by itself does not any more. True: it goes on, and is being stopped."""
        async with self._going_on:
            if letter.run in self.runs.going:
                inbox.post(self.root, letter)
                return True
            runs.cancel(self.engine.book, letter)
            self.runs.forget(letter.run)
        self.words.say(
            f"{letter.run}  is not taken up again: {letter.by or 'a person'} cancelled it"
        )
        self.bell.ring()
        return False

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
