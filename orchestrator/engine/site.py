"""The worktree of one attempt: opened, kept, landed, each step in the journal before its effect. Refuses to land what is not checked there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from orchestrator.engine.chronicle import Record
from orchestrator.history import Landing
from orchestrator.model import (
    Check,
    EventKind,
    Failure,
    Outcome,
    Plan,
    Route,
    RunId,
    Task,
    Work,
)
from orchestrator.verify import failure
from orchestrator.workspace import Clash, GitRefused, Ground, Place, Rebased, message
from orchestrator.workspace.worktrees import Standing, Tree

Look = Callable[[], Awaitable[tuple[Check, ...]]]  # the task's checks, in its worktree


@dataclass(slots=True)
class Site:
    """Of one attempt. `ref` is where its work is kept until it has landed."""

    ground: Ground
    place: Place
    plan: Plan
    task: Task
    run: RunId
    number: int
    route: Route
    ref: str
    needs: Sequence[str]  # commits that its base must contain
    context: Sequence[str]
    begin: str | None = None  # the tree that an earlier try in it began with
    seen: str | None = None  # the tree when that try's work was kept
    landed: Landing | None = None  # how far its landing had come

    async def open(self) -> None:
        self.begin = await self.ground.open(
            self.place, self.needs, self.context, self.begin, self.seen
        )

    async def settle(self, record: Record) -> None:
        """Behind the look whether the check is red: what that has left there is found, too."""
        if self.begin is None:
            self.begin = await self.ground.found(self.place.path)
        record(EventKind.WORKSPACE_READY, {"begin": self.begin})

    async def keep(self, record: Record) -> Work:
        """All that was made since the task began, by this try and those whose worktree it went on in."""
        path, base = self.place.path, self.place.base
        work = await self.ground.keep(path, base, self.begin, self.task.files, self._message(None))
        work = work.model_copy(update={"ref": self.ref if work.commit else None})
        record(EventKind.WORK_KEPT, {"work": work.model_dump(mode="json")})
        if work.commit is not None:
            await self.ground.repository.keep(self.ref, work.commit)
        return work

    async def keep_aside(self) -> str:
        """As it is, under a ref of its own, before something in it is put back."""
        work = await self.ground.keep(
            self.place.path, self.place.base, self.begin, None, self._message(None)
        )
        ref = f"{self.ref}-whole"
        if work.commit is not None:
            await self.ground.repository.keep(ref, work.commit)
        return ref

    async def diff(self, work: Work) -> str:
        """What it has made, for a person or an agent to read."""
        if work.commit is None:
            return ""
        return await self.ground.repository.git.do(
            "diff", "--no-color", "--no-ext-diff", work.base, work.commit
        )

    @asynccontextmanager
    async def untouched(self) -> AsyncIterator[list[str]]:
        """Whatever is done in it meanwhile is undone; at the end the list has the files. Its work must be kept by now."""
        tree, touched = self._tree(), list[str]()
        was = await tree.stand()
        try:
            yield touched
        finally:
            with anyio.CancelScope(shield=True):
                touched += await tree.put_back(was)

    async def undo(self) -> None:
        """As if nobody had worked in it. Only while it is `untouched`."""
        tree = self._tree()
        _, head = await tree.stand()
        assert self.begin
        await tree.put_back(Standing(self.begin, head))

    def _tree(self) -> Tree:
        tree = self.ground.trees.at(self.place.path)
        if tree is None:
            raise GitRefused(("status",), f"the worktree {self.place.path} is gone")
        return tree

    def leave(self) -> str:
        """git could not keep the work: nobody may put its worktree away. What to say of that."""
        if not self.place.path.is_dir():
            return "; its worktree is gone, and what it had made with it"
        self.ground.unkept.add(self.place.path)
        return f"; what it made is still in {self.place.path}"

    async def land(self, outcome: Outcome, record: Record, look: Look) -> Outcome:
        """What was verified goes to the result branch, one at a time; verified again where that has moved meanwhile."""
        work = outcome.work
        assert work is not None
        if work.commit is None:
            return outcome
        async with self.ground.landing:
            if await self._has_landed():
                assert self.landed is not None
                await self.ground.repository.drop(self.ref)
                return self.landed.outcome
            rebased = await self.ground.rebase(work, self._message(outcome.model))
            if isinstance(rebased, Clash):
                return _clashed(outcome, work, rebased)
            if rebased.moved(work):
                outcome = await self._look_again(outcome, rebased, look)
            if rebased.commit is None:
                await self.ground.repository.drop(self.ref)
                return outcome.model_copy(update={"work": work.model_copy(update={"ref": None})})
            if not outcome.ok:
                return outcome
            landed = work.model_copy(update={"landed": rebased.commit, "ref": None})
            outcome = outcome.model_copy(update={"work": landed})
            data = {"commit": rebased.commit, "tip": rebased.tip}
            with anyio.CancelScope(shield=True):
                record(EventKind.LANDING, data | {"outcome": outcome.model_dump(mode="json")})
                await self.ground.advance(rebased.commit, rebased.tip)
                await self.ground.repository.drop(self.ref)
        return outcome

    def _message(self, model: str | None) -> str:
        return message.of_task(
            self.plan,
            self.task,
            run=self.run,
            attempt=self.number,
            worker=self.route.worker,
            model=model or self.route.model,
        )

    async def _has_landed(self) -> bool:
        """An engine that is gone had come so far."""
        repository, landed = self.ground.repository, self.landed
        return landed is not None and await repository.contains(self.ground.tip, landed.commit)

    async def _look_again(self, outcome: Outcome, rebased: Rebased, look: Look) -> Outcome:
        """If it is red there, that is where the next try goes on."""
        assert rebased.commit is not None
        assert outcome.work
        await self.ground.show(self.place.path, rebased.commit, rebased.tip)
        seen = await self.ground.found(self.place.path)
        checks = await look()
        failed = failure(checks)
        if failed is None:
            return outcome
        kind, detail = failed
        told = f"It was green on its own base, and is not together with what has landed meanwhile.\n{detail}"
        await self.ground.repository.keep(self.ref, rebased.commit)
        assert self.begin
        begin = await self.ground.begin_at(rebased.tip, outcome.work.base, self.begin)
        moved = {"base": rebased.tip, "commit": rebased.commit, "begin": begin, "tree": seen}
        work = outcome.work.model_copy(update=moved)
        verdict = outcome.verdict and outcome.verdict.model_copy(update={"checks": checks})
        update = {"failure": kind, "detail": told, "verdict": verdict, "work": work}
        return outcome.model_copy(update=update)


def _clashed(outcome: Outcome, work: Work, clash: Clash) -> Outcome:
    files = ", ".join(clash.files)
    detail = (
        f"its work does not fit to what has landed meanwhile, in {files}\n"
        f"That work is kept: git show {work.ref}"
    )
    update = {"failure": Failure.CONFLICT, "detail": detail, "conflicts": clash.files}
    return outcome.model_copy(update=update)
