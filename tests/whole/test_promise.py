"""The promise of the README as an invariant: random plans, random faults, and after each of them nothing lost, nothing done twice."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestrator import inbox
from orchestrator.errors import UnknownRun
from orchestrator.model import Event, EventKind
from orchestrator.process import brief
from tests.whole.places import LIMIT_S, PLAN, Place
from tests.whole.processes import end_marked, end_wardens, marked

FEW, MANY = (2, 6), (12, 9)  # examples, steps
EXAMPLES, STEPS = MANY if os.environ.get("CI") else FEW
EXAMPLES = int(os.environ.get("ORCHESTRATOR_PROMISE_EXAMPLES", EXAMPLES))
TRIES = 3
MOST_STARTS = 25
DEAD = -signal.SIGKILL
ENDS = {0, 1, 5, 130, 143, 129, DEAD, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP}
CRASHES = st.builds(
    "{}:{}".format, st.sampled_from(["before", "after"]), st.sampled_from(list(EventKind))
)
SETTINGS = """[workers.mule]
argv = ["{out}/mule"]
patterns = ['Tokens: (?P<input_tokens>\\d+) sent, (?P<output_tokens>\\d+) received']
[workspace]
look_s = 0
"""
MULE = """#!/usr/bin/env bash
cat > /dev/null; echo "${{ORCHESTRATOR_TASK##*/}}" >> {out}/asked
bash {out}/step-${{ORCHESTRATOR_TASK##*/}}.sh && echo "Tokens: 100 sent, 10 received."
"""
STEP = """echo {number} >> {out}/began
(setsid bash -c 'trap "" TERM; while :; do sleep 1; done' > /dev/null 2>&1 &)
sleep {lasts}
left=$(cat {out}/fails-{number}); if (( left > 0 )); then echo $((left - 1)) > {out}/fails-{number}; exit 1; fi
mkdir -p steps; echo {number} > steps/{number}.txt; {more}
"""


@dataclass(frozen=True)
class Step:
    """One task of the plan. `fails`: so many tries do, before one can succeed."""

    kind: str
    waits: tuple[int, ...] = ()
    fails: int = 0
    lasts: float = 0.0
    shares: bool = False


@st.composite
def plans(draw: st.DrawFn) -> list[Step]:
    steps = list[Step]()
    for number in range(draw(st.integers(2, 5))):
        waits = draw(st.sets(st.integers(1, number), max_size=2)) if number else set[int]()
        steps.append(
            Step(
                kind=draw(st.sampled_from(["shell", "shell", "mule", "checkpoint"])),
                waits=tuple(sorted(waits)),
                fails=draw(st.sampled_from([0, 0, 0, 1, TRIES])),
                lasts=draw(st.sampled_from([0.0, 0.3])),
                shares=draw(st.booleans()),
            )
        )
    return steps


def text_of(steps: list[Step], out: Path) -> str:
    tasks = "".join(task_of(number, step, out) for number, step in enumerate(steps, 1))
    head = "---\nphase: demo\nplan: 01\n---\n<objective>x</objective>\n<tasks>\n"
    return f"{head}{tasks}</tasks>\n"


def task_of(number: int, step: Step, out: Path) -> str:
    waits = f'depends-on="{",".join(map(str, step.waits))}" parallel="can-parallelize"'
    if step.kind == "checkpoint":
        return f'<task type="checkpoint:human-verify" {waits}><name>Step {number}</name><what-built>It.</what-built></task>\n'
    who, action = 'subagent="bash"', f"```bash\nbash {out}/step-{number}.sh\n```"
    if step.kind == "mule":
        who, action = 'worker="mule"', "Carry out the step."
    return (
        f'<task type="auto" {who} {waits}><name>Step {number}</name><action>\n{action}\n</action>'
        f"<verify><automated>grep -qx {number} steps/{number}.txt</automated></verify></task>\n"
    )


def number_of(event: Event) -> int:
    return int(str(event.task).partition("/")[2])


class Promise(RuleBasedStateMachine):
    """A person at a command line, and bad luck."""

    @initialize(steps=plans())
    def begin(self, steps: list[Step]) -> None:
        self.steps = steps
        self.folder = Path(tempfile.mkdtemp(prefix="promise-"))
        out = self.folder / "out"
        self.place = Place(self.folder, text_of(steps, out), SETTINGS.format(out=out))
        self.place.program("mule", MULE.format(out=out))
        for number, step in enumerate(steps, 1):
            more = f"echo {number} >> steps/shared.txt" if step.shares else ""
            words = {"number": number, "out": out, "lasts": step.lasts, "more": more}
            (out / f"step-{number}.sh").write_text(STEP.format(**words))
            (out / f"fails-{number}").write_text(f"{step.fails}\n")
        (out / "began").touch()
        (out / "asked").touch()
        self.known = list[Event]()
        self.code: int | None = None  # how the last engine ended

    # --- what happens -----------------------------------------------------------------------------

    def words(self) -> list[str]:
        return ["resume"] if self.events() else ["run", PLAN]

    @property
    def is_over(self) -> bool:
        return self.code == 0

    # No preconditions: what an engine was doing when it was killed is not the same twice, and what is drawn must be.

    @rule()
    def go_on(self) -> None:
        if self.is_over:
            return
        self.ended(self.place.call(*self.words()).returncode)

    @rule(point=CRASHES)
    def go_on_to_a_crash(self, point: str) -> None:
        if self.is_over:
            return
        self.ended(self.place.call(*self.words(), crash=point).returncode)

    @rule(
        number=st.sampled_from(
            [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
        ),
        after_s=st.floats(0.0, 2.0),
        with_wardens=st.booleans(),
    )
    def go_on_to_a_signal(self, number: signal.Signals, after_s: float, with_wardens: bool) -> None:
        if self.is_over:
            return
        with (self.folder / "told").open("a") as told:
            engine = self.place.started(*self.words(), stdout=told, stderr=told)
            due = time.monotonic() + after_s
            while engine.poll() is None and time.monotonic() < due:
                time.sleep(0.01)
            if with_wardens and number is signal.SIGKILL:
                end_wardens(engine)
            engine.send_signal(number)
            try:
                self.ended(engine.wait(LIMIT_S))
            finally:
                engine.kill()
                engine.wait()

    @rule(approve=st.booleans())
    def answer(self, approve: bool) -> None:
        if self.code != 5:
            return
        unread = {letter.task for _, letter in inbox.look(self.place.root)}
        for task in self.tasks_in("paused"):
            note = () if approve else ("--note", "no")
            done = self.place.call("approve" if approve else "reject", self.place.run, task, *note)
            # the first answer counts, also before an engine has read it
            assert done.returncode == (64 if task in unread else 0), done.stderr

    @rule()
    def lose_the_worktrees(self) -> None:
        """Somebody tidies up what a dead engine left."""
        if self.is_over:
            return
        shutil.rmtree(self.place.root / ".orchestrator" / "worktrees", ignore_errors=True)

    @rule(word=st.sampled_from(["show", "runs"]))
    def look(self, word: str) -> None:
        done = self.place.call(word)
        assert done.returncode == (64 if word == "show" and not self.events() else 0), done.stderr

    # --- what must be true ------------------------------------------------------------------------

    def ended(self, code: int) -> None:
        assert code in ENDS, f"exit {code}\n{self.told()}"
        self.code = code
        # else it had no time to see to anything: it was killed, or ended before it had begun
        if code in (0, 1, 5) or (code >= 0 and self.events() != self.known):
            assert marked(self.place.root) == {}
        due = time.monotonic() + LIMIT_S
        while code < 0 and marked(self.place.root, brief.MARK):  # git comes to its end by itself
            assert time.monotonic() < due, "git did not come to its end"
            time.sleep(0.01)

    @invariant()
    def the_promise_holds(self) -> None:
        events = self.events()
        assert events[: len(self.known)] == self.known, "the journal forgot something"
        self.known = events
        commits = self.commits()
        assert max(commits.values(), default=0) <= 1, f"done twice: {commits}"
        for event in events:
            if event.kind is EventKind.ATTEMPT_FINISHED and not event.data["outcome"]["failure"]:
                assert commits[number_of(event)] == 1, f"{event.task} is lost"
        started = Counter(str(e.task) for e in events if e.kind is EventKind.ATTEMPT_STARTED)
        for task, calls in Counter(self.lines("asked")).items():
            assert started[f"demo/{task}"] >= calls, "an agent was asked and nobody wrote it down"
        began = Counter(f"demo/{number}" for number in self.lines("began"))
        assert began <= started, "a script was run and nobody wrote it down"
        assert self.place.git("status", "--porcelain") == ""

    @invariant()
    def spend_is_known(self) -> None:
        """After an end that it could tell of, each try of an agent has a line in the ledger, and what it cost or that it is unknown."""
        events = self.events()
        if self.code is None or self.code < 0:
            return
        if (
            self.code not in (0, 1, 5)
            and events[-1:]
            and events[-1].kind is not EventKind.RUN_FINISHED
        ):
            return  # a signal in its start: the next one catches up
        over = {(number_of(e), e.attempt) for e in events if e.kind is EventKind.ATTEMPT_FINISHED}
        lines = [
            (int(line.task_id.rpartition("-")[2]), line.attempt) for line in self.place.outcomes()
        ]
        assert Counter(lines) == Counter(over)

    def teardown(self) -> None:
        """A person who mends what is broken, answers and goes on: all of it gets done, once."""
        if not hasattr(self, "folder"):
            return
        try:
            self.finish()
        finally:
            end_marked(self.place.root)
            shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self) -> None:
        for number in range(1, len(self.steps) + 1):
            (self.place.out / f"fails-{number}").write_text("0\n")
        for _ in range(MOST_STARTS):
            if self.is_over:
                break
            self.go_on()
            if self.code == 5:
                self.answer(approve=True)
            failed = self.tasks_in("failed") if self.code == 1 else []
            for task in failed[:1]:
                self.ended(self.place.call("retry", self.place.run, task).returncode)
        assert self.is_over, self.told()
        self.the_promise_holds()
        self.spend_is_known()
        work = [n for n, step in enumerate(self.steps, 1) if step.kind != "checkpoint"]
        assert self.commits() == Counter(work)
        shown = [self.place.git("show", f"main:steps/{number}.txt") for number in work]
        assert shown == list(map(str, work))
        sharing = [str(n) for n in work if self.steps[n - 1].shares]
        if sharing:
            assert sorted(self.place.git("show", "main:steps/shared.txt").split()) == sharing
        assert len(self.place.git("worktree", "list").splitlines()) == 1
        assert marked(self.place.root) == {}

    # --- evidence ---------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        try:
            return self.place.events()
        except UnknownRun:  # none has begun
            return []

    def commits(self) -> Counter[int]:
        """How many commits of the result each task has."""
        tips = self.place.git("for-each-ref", "--format=%(refname)", "refs/heads").split()
        subjects = self.place.git("log", "--format=%s", *tips).splitlines()
        found = (re.fullmatch(r"\w+\(demo\): Step (\d+)", one) for one in subjects)
        return Counter(int(one[1]) for one in found if one)

    def tasks_in(self, state: str) -> list[str]:
        return [one["id"] for one in self.place.document()["tasks"] if one["state"] == state]

    def lines(self, name: str) -> list[str]:
        return (self.place.out / name).read_text().split()

    def told(self) -> str:
        told = self.folder / "told"
        shown = self.place.call("show").stdout if self.events() else ""
        return (told.read_text() if told.exists() else "") + shown


TestPromise = pytest.mark.timeout(1800)(Promise.TestCase)
TestPromise.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a run takes seconds: no shrinking
)
