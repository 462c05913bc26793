"""One attempt up to its verdict: workspace -> red? -> worker -> keep -> guard -> check. Believes only the check; starts no second try."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from orchestrator import disk, redact, verify
from orchestrator.engine import offloading, siblings
from orchestrator.engine.calling import call
from orchestrator.engine.chronicle import Chronicle, Record
from orchestrator.engine.fencing import Barrier, explained
from orchestrator.engine.proof import is_all_of_it
from orchestrator.engine.review import STRENGTH, Reviewer, both, judged, warning, with_touched
from orchestrator.engine.siblings import Siblings
from orchestrator.engine.site import Site
from orchestrator.model import (
    Attempt,
    Check,
    EventKind,
    Failure,
    Outcome,
    Progress,
    Review,
    Sandbox,
    Task,
    Usage,
    Work,
)
from orchestrator.settings import Settings
from orchestrator.verify import guard
from orchestrator.workers import Worker
from orchestrator.workspace import GitRefused, Ground, Unprepared, leaks
from orchestrator.workspace.scope import undeclared

# The same follows from them as from a secret, and they say less.
BY_ITS_WORK = (Failure.EXIT, Failure.DENIED)
TOLD = 2000  # characters of what else there is to say: the next try must not lose the first line
DOING = {
    "before": "looking whether the check is red",
    "probe": "looking whether the check is red without the work",
}


@dataclass(frozen=True, slots=True)
class Means:
    """What all attempts of a run share. No `ground`: they work in the plain directory."""

    root: Path
    settings: Settings
    siblings: Siblings
    ground: Ground | None
    barrier: Barrier

    def sandbox(self, place: Path) -> Sandbox | None:
        """Of what works there."""
        tree = self.ground.trees.at(place) if self.ground else None
        fence = self.barrier.fence
        return fence.around(place, tree.admin if tree else None) if fence else None

    @property
    def told(self) -> Mapping[str, Any]:
        """Of an engine that begins, for its first event."""
        return {"sandbox": self.barrier.boundary.model_dump(mode="json")}


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt with all that it needs. Cancelled, it leaves no process behind."""

    attempt: Attempt
    task: Task
    worker: Worker
    means: Means
    base: tuple[Check, ...]  # how the checks stood before this task's first try; () = nobody looked
    is_first: bool  # no try before it can have written anything
    exempt: Collection[str]  # files that belong to other tasks; grows while it runs
    record: Record
    show: Callable[[str], None]
    site: Site | None = None  # its worktree
    reviewer: Reviewer | None = None  # who looks at what the checks let pass

    async def carry_out(self) -> Outcome:
        began = time.monotonic()
        try:
            before = await self._prepare()
        except (GitRefused, Unprepared) as trouble:
            outcome = Outcome(failure=Failure.WORKSPACE, detail=str(trouble), usage=Usage.nothing())
        else:
            outcome = await self._try(before)
        outcome = explained(outcome, self.means.barrier)
        return outcome.model_copy(update={"duration_s": time.monotonic() - began})

    async def _prepare(self) -> tuple[Check, ...]:
        """The workspace, and how the checks stand before anybody has worked in it."""
        if self.site is not None:
            self.show("making its workspace")
            await self.site.open()
        commands, _ = self._commands()
        before = self.base
        is_the_check = offloading.is_the_check(self.worker, self.task)
        if self.means.settings.verify.red_first and not before and not is_the_check:
            before = await self.check(commands, "before")
        if self.site is not None:
            await self.site.settle(self.record)
        return before

    async def _try(self, before: tuple[Check, ...]) -> Outcome:
        commands, strays = self._commands()
        place = Path(self.attempt.workspace)
        kept = guard.remember(commands, place, self.task.files, self.exempt)
        prints = disk.fingerprint(place, self.task.files or ())
        declared = () if self.site else self.task.files or ()
        secrets = await to_thread.run_sync(leaks.on_disk, place, declared)
        try:
            outcome = await self._work()
        # stopped: no next try may start from its forgery, nor its work be lost
        except BaseException:
            await self._put_back(kept)
            await self._keep(Outcome())
            raise
        restored = await self._put_back(kept)
        self.record(EventKind.WORKER_FINISHED, {"outcome": outcome.model_dump(mode="json")})
        outcome = await self._refuse_tool(_refuse_secrets(await self._keep(outcome)))
        outcome = self._refuse_undeclared(outcome)
        if outcome.ok:
            unchanged = self.is_first and prints == disk.fingerprint(place, prints)
            doubts = self._doubts(outcome, unchanged)
            after = await self.check(commands, "after")
            written = await to_thread.run_sync(leaks.warnings, place, secrets)
            warnings = (*outcome.warnings, *restored, *doubts, *_odd(outcome.work), *written)
            probed = await self._probe(outcome.work, before, after)
            outcome = self._judge(outcome, before, after, probed, strays, warnings)
            outcome = _refuse_unproven(_tell_restored(outcome, restored), doubts)
        return await self._review(outcome)

    async def _probe(
        self, work: Work | None, before: tuple[Check, ...], after: tuple[Check, ...]
    ) -> tuple[Check, ...]:
        """The checks without the work, where nobody knows that they were red before it. It is kept by now."""
        commands = verify.unproven(before, after)
        asked = self.means.settings.verify.probe and commands
        if not asked or self.site is None or work is None or work.commit is None:
            return ()
        try:
            async with self.site.untouched():
                await self.site.undo()
                return await self.check(commands, "probe")
        except (GitRefused, OSError) as trouble:
            self.show(f"the probe could not be made: {trouble}")
            return ()

    async def _review(self, outcome: Outcome) -> Outcome:
        """Of what passed. Its cost is known to be spent from the moment in which it begins."""
        if self.reviewer is None or not outcome.ok or outcome.verdict is None:
            return outcome
        self.show("a second worker looks at it")
        route = self.reviewer.route.model_dump(mode="json")
        self.record(EventKind.REVIEWING, {"route": route})
        try:
            review, ended = await self._look(self.reviewer, outcome)
        except (GitRefused, OSError) as trouble:
            update = {
                "failure": Failure.WORKSPACE,
                "detail": f"it could not be reviewed: {trouble}",
            }
            return outcome.model_copy(update={**update, "usage": _least(outcome.usage)})
        self.record(EventKind.REVIEWED, {"review": review.model_dump(mode="json")})
        spent = both(outcome.usage, review.usage or Usage(lower_bound=True))
        outcome = judged(outcome.model_copy(update={"usage": spent}), review, ended)
        if not outcome.ok or outcome.verdict is None:
            return outcome
        verdict = verify.with_review(outcome.verdict, STRENGTH, warning(review))
        return outcome.model_copy(update={"verdict": verdict})

    async def _look(self, reviewer: Reviewer, outcome: Outcome) -> tuple[Review, Outcome]:
        """Whatever it changes does not count: in a worktree it is undone, in the plain directory its word is void."""
        diff = await self._diff(outcome.work)
        asked = reviewer.ask(self._fenced, self.means.root, diff, outcome.usage)
        if self.site is not None:
            async with self.site.untouched() as touched:
                review, ended = await reviewer.look(asked, self.show, self.record)
            return with_touched(review, touched, undone=True), ended
        place, files = Path(self.attempt.workspace), self.task.files or ()
        prints = disk.fingerprint(place, files)
        review, ended = await reviewer.look(asked, self.show, self.record)
        now = disk.fingerprint(place, files)
        touched = [file for file in files if prints[file] != now[file]]
        return with_touched(review, touched, undone=False), ended

    async def _diff(self, work: Work | None) -> str:
        return await self.site.diff(work) if self.site and work else ""

    async def _put_back(self, kept: guard.Guard) -> tuple[str, ...]:
        """Files that its check names and that are not its own; with them, all of its work is kept first."""
        told: tuple[str, ...] = ()
        if self.site is not None and guard.is_touched(kept, self.exempt):
            with anyio.CancelScope(shield=True), suppress(GitRefused, OSError):
                told = (f"as it was before that: git show {await self.site.keep_aside()}",)
        aside = Path(self.attempt.transcript).with_suffix(".changed")
        return (*guard.restore(kept, aside, self.exempt), *told)

    async def _keep(self, outcome: Outcome) -> Outcome:
        """Also of a try that failed or is stopped: what it has made is work of somebody."""
        if self.site is None:
            return outcome
        with anyio.CancelScope(shield=True):
            try:
                work = await self.site.keep(self.record)
            except (GitRefused, OSError) as trouble:
                detail = f"{trouble}{self.site.leave()}"
                return outcome.model_copy(update={"failure": Failure.WORKSPACE, "detail": detail})
        return outcome.model_copy(update={"work": work})

    async def _refuse_tool(self, outcome: Outcome) -> Outcome:
        """What a tool's try that failed has left is undone: a model's would keep it as its own, and it would land."""
        attempt = self.attempt
        outcome = offloading.within_manifest(self.worker, attempt.route, attempt.task, outcome)
        if outcome.ok or not attempt.route.tool or self.site is None or outcome.work is None:
            return outcome
        with anyio.CancelScope(shield=True):
            try:
                await self.site.undo()
            except (GitRefused, OSError) as trouble:
                update = {"failure": Failure.WORKSPACE, "detail": f"{trouble}{self.site.leave()}"}
                return outcome.model_copy(update=update)
        return outcome

    def _refuse_undeclared(self, outcome: Outcome) -> Outcome:
        outside = outcome.work.undeclared if outcome.work else ()
        if not (outcome.ok and outside and self.means.settings.workspace.scope == "refuse"):
            return outcome
        detail = f"it wrote outside of its <files>: {', '.join(outside)}; leave these as they were"
        return outcome.model_copy(update={"failure": Failure.SCOPE, "detail": detail})

    async def land(self, outcome: Outcome) -> Outcome:
        """Of a verified one: to the result branch, as one commit."""
        assert self.site is not None
        commands, _ = self._commands()
        try:
            landed = await self.site.land(
                outcome, self.record, lambda: self.check(commands, "landing")
            )
            return explained(landed, self.means.barrier)
        except (GitRefused, Unprepared, OSError) as trouble:
            update = {"failure": Failure.WORKSPACE, "detail": f"it could not land: {trouble}"}
            return outcome.model_copy(update=update)

    def _commands(self) -> tuple[list[str], list[str]]:
        """The checks as they are run here, and what is wrong with where they go."""
        root, place = str(self.means.root), self.attempt.workspace
        pairs = [verify.rewrite(command, root, place) for command in self.task.commands]
        return [command for command, _ in pairs], [text for _, texts in pairs for text in texts]

    async def check(self, commands: list[str], stage: str) -> tuple[Check, ...]:
        """Before and without the work every command is run, after it up to the first that is not green."""
        if commands:
            self.show(DOING.get(stage, "checking"))
        checks = await verify.run_checks(
            commands,
            cwd=Path(self.attempt.workspace),
            env=self.attempt.environment,
            timeout_s=self.means.settings.verify.timeout_s,
            keep_bytes=self.means.settings.verify.output_bytes,
            transcript=Path(self.attempt.transcript).with_suffix(f".{stage}.log"),
            all_of_them=stage in DOING,
            sandbox=self.means.sandbox(Path(self.attempt.workspace)),
        )
        for check in checks:
            data = {"stage": stage, "check": check.model_dump(mode="json")}
            self.record(EventKind.CHECK_FINISHED, data)
        return checks

    async def _work(self) -> Outcome:
        mine = siblings.prefix(self.attempt)
        if self.means.siblings.must_wait(mine):
            self.show("waits for the first answer of another one, to share the provider's cache")
        chronicle = Chronicle(
            self.record,
            self.show,
            lambda: self.means.siblings.spoke(mine),
            self.attempt.workspace,
        )
        await self.means.siblings.wait(mine)
        self.show("at work")  # until it says more: a script may say nothing for hours
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(chronicle.keep_flushing)
                outcome = await self._call_worker(chronicle)
                group.cancel_scope.cancel()
            return outcome
        finally:
            self.means.siblings.ended(mine)
            chronicle.flush()

    async def _call_worker(self, report: Callable[[Progress], None]) -> Outcome:
        return await call(self.worker, self._fenced, report)

    @property
    def _fenced(self) -> Attempt:
        sandbox = self.means.sandbox(Path(self.attempt.workspace))
        return self.attempt.model_copy(update={"sandbox": sandbox})

    def _doubts(self, outcome: Outcome, unchanged: bool) -> tuple[str, ...]:
        """Why a success that an agent reports is suspect."""
        doubts = [f"it was not allowed: {one}" for one in outcome.denials]
        files = self.task.files or ()
        if not self.attempt.route.asks_a_model or not files:
            return tuple(doubts)
        place = Path(self.attempt.workspace)
        if absent := disk.absent(place, files):
            doubts.append(f"it was to write what is not there: {', '.join(absent)}")
        elif unchanged if outcome.work is None else _changed_none(outcome.work, files):
            doubts.append(f"it changed none of its files: {', '.join(files)}")
        return tuple(doubts)

    def _judge(
        self,
        outcome: Outcome,
        before: tuple[Check, ...],
        after: tuple[Check, ...],
        probed: tuple[Check, ...],
        strays: list[str],
        warnings: tuple[str, ...],
    ) -> Outcome:
        warnings = (*strays, *warnings)
        is_all, strayed = is_all_of_it(self.attempt.route), bool(strays)
        verdict = verify.weigh(
            before, after, self.task, warnings, elsewhere=strayed, is_all=is_all, probed=probed
        )
        failed = verify.failure(after)
        failure, detail = failed or (None, outcome.detail)
        return outcome.model_copy(update={"verdict": verdict, "failure": failure, "detail": detail})


def _least(usage: Usage | None) -> Usage:
    """A reviewer may have been asked, and nobody knows what it used."""
    return (usage or Usage()).model_copy(update={"lower_bound": True})


def _changed_none(work: Work, files: Collection[str]) -> bool:
    return not set(work.files) - set(undeclared(work.files, files))


def _odd(work: Work | None) -> tuple[str, ...]:
    if work is None:
        return ()
    outside = ", ".join(work.undeclared)
    return (*([f"it wrote outside of its <files>: {outside}"] if outside else []), *work.notes)


def _refuse_secrets(outcome: Outcome) -> Outcome:
    """Whatever else became of it: who tries next must know why the file is not as it was left."""
    found = outcome.work.secrets if outcome.work else ()
    if not found:
        return outcome
    told = (
        f"it wrote a secret into {', '.join(found)}\n"
        "git would keep it for ever, so this is not committed. Take it out, and read the variable where the value is "
        "needed. If it is no secret, a person can say so in workspace.public_env"
    )
    kind = outcome.failure if outcome.failure not in (None, *BY_ITS_WORK) else Failure.SECRET
    rest = redact.text(outcome.detail)[-TOLD:]
    detail = f"{told}\n{rest}" if rest else told
    return outcome.model_copy(update={"failure": kind, "detail": detail})


def _tell_restored(outcome: Outcome, restored: tuple[str, ...]) -> Outcome:
    """Who sees the check fail must know that a part of the work was not there."""
    if outcome.ok or not restored:
        return outcome
    hint = "name such a file in <files> if it is the task's own"
    return outcome.model_copy(update={"detail": "\n".join((outcome.detail, *restored, hint))})


def _refuse_unproven(outcome: Outcome, doubts: tuple[str, ...]) -> Outcome:
    """A suspect success stands only where a check of ours is green and was not green before."""
    if not (outcome.ok and doubts and outcome.verdict) or outcome.verdict.strength > 0:
        return outcome
    failure = Failure.DENIED if outcome.denials else Failure.NO_RESULT
    return outcome.model_copy(update={"failure": failure, "detail": "; ".join(doubts)})
