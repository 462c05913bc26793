"""The end of plans and of the run: their own checks, every check once more on the result, SUMMARYs, the hand-over, the exit code."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import anyio

from orchestrator.engine import closing, crediting, hindsight, observing
from orchestrator.engine.attempt import Means
from orchestrator.engine.books import Books
from orchestrator.engine.crew import Crew
from orchestrator.engine.gatekeeper import Gatekeeper
from orchestrator.engine.screen import Screen
from orchestrator.engine.space import Space
from orchestrator.errors import RecordError
from orchestrator.graph import TaskGraph
from orchestrator.history import History, are_green
from orchestrator.model import (
    Check,
    CheckResult,
    DoneBefore,
    Event,
    EventKind,
    Plan,
    PlanId,
    RunId,
    Task,
    TaskId,
    TaskState,
)
from orchestrator.reactions import REACTIONS, Reaction
from orchestrator.tracker import Tracker
from orchestrator.workspace import GitRefused, Ground, message
from orchestrator.workspace.repository import Clash
from orchestrator.workspace.result import Start, join

INTERRUPTED = 130


class Turn(NamedTuple):
    """Of handing over: one run at a time. `joins`: also where the person's branch has moved since the run began."""

    lock: anyio.Lock
    joins: bool


class Finale:
    """Of one run. `record` writes an event of the run; the folder of `books` gets what checks say."""

    def __init__(
        self,
        *,
        run: RunId,
        plans: Mapping[PlanId, Plan],
        graph: TaskGraph,
        tracker: Tracker,
        history: History,
        means: Means,
        crew: Crew,
        books: Books,
        screen: Screen,
        gatekeeper: Gatekeeper,
        space: Space,
        turn: Turn,
        before: Sequence[DoneBefore],
        record: Callable[..., Event],
    ) -> None:
        self._run, self._plans, self._graph = run, plans, graph
        self._tracker, self._history = tracker, history
        self._means, self._crew, self._folder = means, crew, books.folder
        self._books = books
        self._screen, self._record = screen, record
        self._gatekeeper, self._space, self._turn = gatekeeper, space, turn
        self._before = {one.task: one for one in before}
        self._unwritten: dict[PlanId, str] = {}  # SUMMARYs that could not be written
        self._written = set[Path]()  # SUMMARYs that were told of
        self._cut = anyio.CancelScope()  # of what may take long while the result is handed over

    # --- while the run goes on --------------------------------------------------------------------

    def to_check(self) -> list[Plan]:
        """Plans whose tasks have all succeeded, and whose own commands were not run yet."""
        checked = self._history.plan_checks
        return [plan for plan in self._done() if plan.id not in checked and not self._space.stopped]

    async def check(self, plan: Plan) -> tuple[Check, ...]:
        """The shell blocks of its `<verification>`."""
        return await closing.check(plan, self._means, self._crew.environment, self._folder)

    def plan_over(self, plan: Plan, checks: tuple[Check, ...]) -> None:
        if self._is_excused(checks):
            return
        data = {"plan": plan.id, "checks": [check.model_dump(mode="json") for check in checks]}
        self._record(EventKind.PLAN_CHECKED, data)
        self._blame(checks, "the plan's own check")
        if self._means.ground is None:
            self._write(plan)

    @property
    def wants_result_check(self) -> bool:
        """All that can be done now is done, and nobody looked at it together."""
        looked = self._means.ground is None or self._history.result_checks is not None
        is_new = TaskState.SUCCEEDED in self._tracker.states.values()
        return not looked and self._tracker.stopped is None and is_new

    async def check_result(self) -> tuple[Check, ...]:
        environment = {**self._crew.environment, "ORCHESTRATOR_RUN": self._run}
        return await closing.check_result(
            list(self._succeeded()), list(self._done()), self._means, environment, self._folder
        )

    @property
    def tip(self) -> str:
        assert self._means.ground is not None
        return self._means.ground.tip

    def result_over(self, tip: str, checks: tuple[Check, ...]) -> None:
        """What was looked at counts only while it is the result: else somebody looks again."""
        if tip != self.tip or self._tracker.running or self._is_excused(checks):
            return
        data = {"checks": [check.model_dump(mode="json") for check in checks]}
        self._record(EventKind.RESULT_CHECKED, data)
        self._blame(checks, "the check of the result")

    def _blame(self, checks: tuple[Check, ...], by: str) -> None:
        """What was let pass and is red now is somebody's: where only one can be meant, the ledger gets to know."""
        if any(one.result is CheckResult.RED for one in checks):
            found = hindsight.sole(self._graph, self._history)
            if trouble := found and self._books.amend(*found, by):
                self._screen.warn(trouble)

    def _is_excused(self, checks: tuple[Check, ...]) -> bool:
        """What a full disk made of checks says nothing of the work: they are run again at resume."""
        if are_green(checks):
            return False
        unjudged = (one for one in checks if one.result is CheckResult.INCONCLUSIVE)
        said = "\n".join(one.output for one in unjudged)
        return self._space.stop_if_short(self._record, said)

    @property
    def _states(self) -> dict[TaskId, TaskState]:
        """What an earlier run has done is done, wherever a plan is looked at as a whole."""
        return {**dict.fromkeys(self._before, TaskState.SUCCEEDED), **self._tracker.states}

    def _succeeded(self) -> Iterator[Task]:
        """Of this run; and what was done before, of its plans: what is new may undo it."""
        states = self._states
        for plan in self._own_plans():
            yield from (one for one in plan.tasks if states.get(one.id) is TaskState.SUCCEEDED)

    def _done(self) -> Iterator[Plan]:
        states = self._states
        return (plan for plan in self._own_plans() if closing.is_done(plan, states))

    def _own_plans(self) -> Iterator[Plan]:
        """Those with a task in this run."""
        return (self._plans[plan] for plan in self._graph.plans)

    # --- at its end -------------------------------------------------------------------------------

    def stop(self) -> None:
        """A hand-over ends without its check: the result is not checked then, and not handed over."""
        self._cut.cancel()

    async def end(self, *, interrupted: bool) -> int:
        plans = list(self._own_plans())
        await crediting.make_up(self._crew, self._books, self._history, self._screen.warn)
        if self._means.ground is None:
            for plan in plans:
                self._write(plan)
        else:
            async with self._turn.lock:  # runs share the person's checkout
                await self._hand_over(plans, interrupted)
        code = self.exit_code(interrupted=interrupted) or int(self._stays_apart)
        self._record(EventKind.RUN_FINISHED, {"exit_code": code})
        for trouble in self._unwritten.values():
            self._screen.warn(trouble)
        await crediting.settle(self._crew, self._books, self._screen.warn)
        if not self._space.stopped:
            await observing.observe(self._means.root, self._means.settings, self._screen.warn)
        return code

    def _write(self, plan: Plan) -> None:
        """One that cannot be written must not end the work of others; the run says so at its end."""
        self._unwritten.pop(plan.id, None)
        try:
            text = self._summary(plan, self._means.root)
            path = closing.write(plan, self._means.root, text)
            if path not in self._written:  # it is written again at the end of the run
                self._written.add(path)
                self._screen.wrote(path)
        except RecordError as refused:
            self._unwritten[plan.id] = str(refused)

    def _summary(self, plan: Plan, place: Path) -> str:
        return closing.summarise(
            plan,
            root=self._means.root,
            place=place,
            run=self._run,
            graph=self._graph,
            states=self._states,
            history=self._history,
            before=self._before,
            per_file=self._means.settings.context.tokens_per_file,
        )

    async def _hand_over(self, plans: list[Plan], interrupted: bool) -> None:
        """Putting worktrees away comes last: a trouble with that is no trouble of the result."""
        ground = self._means.ground
        assert ground is not None
        try:
            if not await closing.is_handed_over(ground, self._history):
                await self._summarise(plans, interrupted=interrupted)
            obstacle = self._obstacle(self.exit_code(interrupted=interrupted))
            if obstacle is None and self._turn.joins:
                obstacle = await self._join(ground) or self._obstacle(
                    self.exit_code(interrupted=interrupted)
                )
            await closing.deliver(ground, self._history, obstacle, self._record)
        except (GitRefused, RecordError, OSError) as trouble:
            self._unwritten[plans[0].id] = f"the result could not be handed over: {trouble}"
        for told in await ground.close_all():
            self._screen.warn(told)

    async def _summarise(self, plans: list[Plan], *, interrupted: bool) -> None:
        ground = self._means.ground
        assert ground is not None
        async with ground.result:
            place = (await ground.result_tree(set_up=False)).path
            texts = {plan.id: self._summary(plan, place) for plan in plans}
        is_last = self.exit_code(interrupted=interrupted) in (0, 1)
        for plan in plans:
            await self._say(plan, texts[plan.id], is_last=is_last)

    async def _join(self, ground: Ground) -> str | None:
        """Other runs have handed over meanwhile: the result is looked at once more, with all of that."""
        start = Start.model_validate(self._history.ground)
        branch = (start.branch or "").removeprefix("refs/heads/")
        joined = await join(ground, start, message.of_join(self._run, branch))
        if isinstance(joined, Clash):
            return (
                f"it does not fit to what came to {branch} meanwhile, in {', '.join(joined.files)}"
            )
        if joined is not None:
            self._record(EventKind.RESULT_CHECKING, {"tip": joined})
            with self._cut:
                self.result_over(joined, await self.check_result())
        return None

    def _obstacle(self, code: int) -> str | None:
        """Why the person's branch is not to have it."""
        own = itertools.chain(*self._history.plan_checks.values())
        if not are_green([*own, *(self._history.result_checks or ())]):
            return "a check is not green on it"
        if code and all(one is TaskState.SUCCEEDED for one in self._tracker.states.values()):
            return "it is not checked with all of it together yet, and so not handed over"
        return "not all is done" if code else None

    async def _say(self, plan: Plan, text: str, *, is_last: bool) -> None:
        """On the branch, once all is done that can be; until then in the run's own folder."""
        ground = self._means.ground
        assert ground is not None
        complete = closing.is_complete(plan, self._states, self._history)
        if not complete and not (is_last and self._history.has_landed):
            self._screen.wrote(closing.write_aside(plan, self._folder, text))
            return
        self._screen.wrote(self._means.root / closing.summary_name(plan))
        commit = await closing.summary_commit(plan, text, ground, self._run, complete)
        if commit is not None:
            self._record(EventKind.SUMMARISING, {"plan": plan.id, "commit": commit})
            await ground.advance(commit, ground.tip)

    @property
    def _stays_apart(self) -> bool:
        """Nobody looks while it is said, and it goes on with what it has: that the branch lacks it is no success."""
        told = self._history.delivery or {}
        return self._turn.joins and told.get("why") is not None

    def exit_code(self, *, interrupted: bool) -> int:
        """0 done, 4 no room, or what is done could not be written, 130 interrupted, 3 an operator must act, 5 a person, 1 not all done."""
        if self._all_done():
            failed = self._unwritten or (self._history.delivery or {}).get("failed")
            return RecordError.exit_code if failed else 0
        if interrupted or self._cut.cancel_called:
            return INTERRUPTED
        if self._space.stopped:
            return RecordError.exit_code
        states, open_ = self._tracker.states, {TaskState.FAILED, TaskState.WAITING}
        lost = [task for task in self._graph if states[task] in open_]
        failures = [past.failure for task in lost if (past := self._history.of(task).last)]
        stopped = any(failure and REACTIONS[failure] is Reaction.STOP for failure in failures)
        if stopped or self._gatekeeper.stopped:
            return 3
        return 5 if self._tracker.blocked else 1

    def _all_done(self) -> bool:
        states, checks = self._tracker.states, self._history.plan_checks
        succeeded = all(state is TaskState.SUCCEEDED for state in states.values())
        plans = all(plan.id in checks and are_green(checks[plan.id]) for plan in self._done())
        result = self._history.result_checks
        together = self._means.ground is None or (result is not None and are_green(result))
        return succeeded and plans and together
