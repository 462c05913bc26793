"""Runs as a journal tells them, at any time of any day, and a house around them: for looking at pages. Real SQLite, real plans, no engine."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from orchestrator import journal, project, settings
from orchestrator.journal import Journal, StoredPlan
from orchestrator.model import (
    Check,
    CheckResult,
    Diagnostic,
    Event,
    EventKind,
    Failure,
    Limit,
    Limits,
    Outcome,
    Review,
    Route,
    RunId,
    Score,
    Severity,
    Step,
    StepKind,
    Strategy,
    TaskId,
    Tier,
    Usage,
    Verdict,
    Verified,
)
from orchestrator.order import Order
from orchestrator.project import Source
from orchestrator.tracker import Tracker
from orchestrator.views.house import Waiting
from tests.engine.runs import HEAD, bash, checkpoint
from tests.web.houses import House

TIERS = (Tier.HAIKU, Tier.HAIKU, Tier.SONNET, Tier.OPUS)
PRICE = {Tier.HAIKU: 0.9e-6, Tier.SONNET: 2.4e-6, Tier.OPUS: 9e-6}
LADDER = tuple(
    Route(
        worker="claude",
        provider="anthropic",
        tier=tier,
        model=f"claude-{tier}-4-5",
        confidence=0.82,
        strategy=Strategy.LEARNED,
        reason=f"17 of 19 tasks like it were done by {tier}",
        left_out=(("claude-opus-4-5", "dearer, and no surer"),) if tier is Tier.HAIKU else (),
        estimated_tokens=48_000,
        estimated_cost_usd=0.06,
        estimated_duration_s=140.0,
    )
    for tier in TIERS
)
SCORE = Score(value=4, reasons=("two files", "an API"))


def dump(value: Any) -> Any:
    return value.model_dump(mode="json")


class Play:
    """One run, told event by event. Times are seconds after it began; it began `ago` seconds before now."""

    def __init__(
        self,
        book: Journal,
        root: Path,
        texts: Mapping[str, str],
        ago: float = 600.0,
        budget: Limits | None = None,
        **order: Any,
    ) -> None:
        self.book, self.root, self.ago = book, root, ago
        self.began = datetime.now(UTC) - timedelta(seconds=ago)
        paths = [project_file(root, name, text) for name, text in texts.items()]
        given = project.sources(root, paths)
        loaded = project.load(root, given, settings.load(root).reader)
        self.graph = loaded.checked()
        asked = Order.model_validate(order)
        self.run = self._begin(asked, given)
        self.tracker = Tracker(self.graph, capacity=asked.workers)
        ladders = {task: [dump(route) for route in LADDER] for task in self.graph}
        told = {"limits": dump(budget or Limits()), "elsewhere": {"usd": 0.0, "tokens": 0}}
        self.start_data = {"ladders": ladders, "budget": told, "sandbox": {"kind": "bubblewrap"}}
        self.tell(EventKind.RUN_STARTED, 0, self.start_data)

    def _begin(self, order: Order, given: Sequence[Source]) -> RunId:
        """As `Journal.begin`, at another time."""
        stamp = self.at(0)
        run = RunId(f"{stamp[2:4]}{stamp[5:7]}{stamp[8:10]}-{token(self.book)}")
        plans = [
            StoredPlan(
                id=one.id,
                path=one.path,
                sha256=hashlib.sha256(one.content).hexdigest(),
                content=one.content,
            )
            for one in given
        ]
        book, sealed, sql = self.book, journal._sealed, journal.sql
        row = sealed(run, stamp, json.dumps(dump(order)), len(plans))
        book._connection.execute("BEGIN IMMEDIATE")  # or a server reads a run that lacks plans
        book._connection.execute(sql("add_run"), row)
        for number, one in enumerate(plans):
            values = sealed(run, number, one.id, one.path, one.sha256, one.content)
            book._connection.execute(sql("add_plan"), values)
        book._connection.execute("COMMIT")
        return run

    def at(self, seconds: float) -> str:
        moment = (self.began + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
        return moment.replace("+00:00", "Z")

    def tell(
        self,
        kind: EventKind,
        at: float,
        data: Mapping[str, Any],
        task: int | str | None = None,
        attempt: int | None = None,
    ) -> Event:
        """As `Journal.append`, at another time."""
        book, name = self.book, None if task is None else self.id(task)
        seq, stamp = book._last + 1, self.at(at)
        text = json.dumps(dict(data), ensure_ascii=False)
        row = journal._sealed(seq, self.run, stamp, kind.value, name, attempt, text)
        book._connection.execute(journal.sql("append_event"), row)
        book._last = seq
        book._mark.write(book._reached._replace(seq=seq))
        event = Event(
            seq=seq, run=self.run, at=stamp, kind=kind, task=name, attempt=attempt, data=data
        )
        self.tracker.apply(event)
        return event

    def id(self, task: int | str) -> TaskId:
        return TaskId(task) if isinstance(task, str) else list(self.graph)[task - 1]

    def start(self, task: int | str, at: float, before: Sequence[Check] = ()) -> int:
        route, number = self.tracker.route(self.id(task)), self.tracker.attempts(self.id(task)) + 1
        data = {"route": dump(route), "score": dump(SCORE), "workspace": str(self.root)}
        data["transcript"] = f"{self.id(task).replace('/', '.')}.{number}.log"
        self.tell(EventKind.ATTEMPT_STARTED, at, data, task, number)
        for check in before:
            told = {"stage": "before", "check": dump(check)}
            self.tell(EventKind.CHECK_FINISHED, at + 1, told, task, number)
        return number

    def report(self, task: int | str, at: float, tokens: int, *steps: Step) -> None:
        number = self.tracker.attempts(self.id(task))
        data = {"usage": dump(used(tokens, self._tier(task))), "steps": [dump(s) for s in steps]}
        self.tell(EventKind.WORKER_REPORTED, at, data, task, number)

    def finish(self, task: int | str, at: float, outcome: Outcome) -> None:
        number = self.tracker.attempts(self.id(task))
        self.tell(EventKind.ATTEMPT_FINISHED, at, {"outcome": dump(outcome)}, task, number)

    def work(
        self, task: int | str, start: float, end: float, outcome: Outcome | None = None
    ) -> None:
        self.start(task, start, (red("pytest -q tests/test_it.py", "1 failed"),))
        self.report(
            task,
            start + 2,
            4000,
            Step(kind=StepKind.READ, tool="Read", target="src/app.py", ok=True),
        )
        self.finish(task, end, outcome or passed(int(300 * (end - start)), self._tier(task)))

    def ask(self, task: int | str, at: float) -> None:
        self.tell(EventKind.CHECKPOINT_ASKED, at, {"type": "checkpoint"}, task)

    def answer(self, task: int | str, at: float, **words: Any) -> None:
        data = {"answer": {"approved": True, "by": "Ada", "via": "command"} | words}
        self.tell(EventKind.CHECKPOINT_ANSWERED, at, data, task)

    def end(self, at: float, code: int = 0) -> None:
        self.tell(EventKind.RUN_FINISHED, at, {"exit_code": code})

    def _tier(self, task: int | str) -> Tier:
        return self.tracker.route(self.id(task)).tier or Tier.HAIKU


def token(book: Journal) -> str:
    """The same names each time, so that pictures can be compared."""
    letters = "abcdefghjkmnpqrstuvwxyz"
    chance = random.Random(len(book.runs()))
    return "".join(chance.choice(letters) for _ in range(5))


def project_file(root: Path, name: str, text: str) -> Path:
    path = root / "plans" / f"{name}-PLAN.md"
    path.parent.mkdir(exist_ok=True)
    (root / ".planning").mkdir(exist_ok=True)
    path.write_text(text)
    return path


def plan_text(*tasks: str, phase: str = "demo", objective: str = "Demo.") -> str:
    head = HEAD.replace("phase: demo", f"phase: {phase}").replace("Demo.", objective)
    return f"{head}<tasks>\n{''.join(tasks)}</tasks>\n"


def used(tokens: int, tier: Tier = Tier.HAIKU) -> Usage:
    return Usage(
        input_tokens=tokens // 5,
        output_tokens=tokens // 10,
        cache_read_tokens=tokens * 6 // 10,
        cache_write_tokens=tokens // 10,
        requests=7,
        cost_usd=round(tokens * PRICE[tier], 6),
        cost_basis="priced",
    )


def green(command: str = "pytest -q tests/test_it.py", output: str = "12 passed in 0.41s") -> Check:
    return Check(
        command=command, result=CheckResult.GREEN, exit_code=0, output=output, duration_s=1.4
    )


def red(command: str = "pytest -q tests/test_it.py", output: str = "boom") -> Check:
    return Check(
        command=command, result=CheckResult.RED, exit_code=1, output=output, duration_s=0.9
    )


def passed(tokens: int = 20_000, tier: Tier = Tier.HAIKU, **values: Any) -> Outcome:
    verdict = Verdict(verified=Verified.COMMAND, strength=1.0, checks=(green(),))
    text = "I added the route and its test. **All green.**"
    return Outcome(usage=used(tokens, tier), verdict=verdict, text=text, **values)


def failed(
    failure: Failure = Failure.VERIFY,
    detail: str = "the check is red\nassert 3 == 4",
    tokens: int = 18_000,
    **values: Any,
) -> Outcome:
    verdict = Verdict(verified=Verified.COMMAND, strength=1.0, checks=(red(output=FAILURE_TEXT),))
    return Outcome(failure=failure, detail=detail, usage=used(tokens), verdict=verdict, **values)


FAILURE_TEXT = """FAILED tests/test_it.py::test_sums - assert 3 == 4
 +  where 3 = add(1, 2)
1 failed, 11 passed in 0.52s"""


# --- the scenes


@dataclass
class Scenes:
    """A project with runs of all kinds; `names` -> run."""

    house: House
    book: Journal
    names: dict[str, RunId] = field(default_factory=dict)
    plays: dict[str, Play] = field(default_factory=dict)

    def keep(self, name: str, play: Play) -> Self:
        self.names[name], self.plays[name] = play.run, play
        return self


TITLES = (
    "Describe the tables in one migration", "Routes of the session API", "Hash and check passwords",
    "Middleware that asks for a session", "Page to sign in", "Mail that confirms an address",
    "Limit tries by address", "Tests of the whole way", "Docs of the settings", "Remove the old cookies",
)  # fmt: skip


def auth_plan(**words: Any) -> str:
    """Ten tasks, one of them a choice, one a look."""
    tasks = [
        bash("Task 1: " + TITLES[0], "true", files="db/1.sql", id="db", depends_on=""),
        bash("Task 2: " + TITLES[1], "true", files="src/routes.py", id="api", depends_on="db"),
        bash("Task 3: " + TITLES[2], "true", files="src/hash.py", id="hash", depends_on="db"),
        bash("Task 4: " + TITLES[3], "true", files="src/mid.py", id="mid", depends_on="api"),
        bash("Task 5: " + TITLES[4], "true", files="src/page.py", id="page", depends_on="api,hash"),
        CHOICE,
        bash("Task 7: " + TITLES[5], "true", files="src/mail.py", id="mail", depends_on="mailer"),
        bash("Task 8: " + TITLES[6], "true", files="src/limit.py", id="limit", depends_on="mid"),
        bash(
            "Task 9: " + TITLES[7],
            "true",
            "true",
            files="tests/all.py",
            id="tests",
            depends_on="page,limit,mail",
        ),
        checkpoint(
            depends_on="tests",
            id="look",
            body="<how-to-verify>Open `/sign-in` and **sign in**.</how-to-verify>\n",
        ),
    ]
    return plan_text(*tasks, phase="auth", objective="People can sign in.")


CHOICE = """<task type="checkpoint:decision" id="mailer" depends-on="db" gate="blocking">
<decision>Which service sends the mails?</decision>
<context>About 2,000 mails a day. Both have a Python client; **neither** is set up yet.</context>
<options>
<option id="ses"><name>Amazon SES</name><pros>cheapest, we have the account</pros><cons>needs a verified domain first</cons></option>
<option id="postmark"><name>Postmark</name><pros>best delivery</pros><cons>15 dollars a month</cons></option>
</options>
<resume-signal>Select: ses or postmark</resume-signal>
</task>
"""


def small(book: Journal, root: Path) -> Play:
    text = plan_text(
        bash("Say hello", "true", files="a.txt"),
        bash("Say more", "true", files="b.txt", depends_on="1"),
        phase="hello",
    )
    play = Play(book, root, {"hello": text}, ago=7200)
    play.work(1, 1, 41)
    play.work(2, 42, 95)
    play.end(96)
    (root / "plans" / "hello-SUMMARY.md").write_text(SUMMARY)
    return play


SUMMARY = """---
phase: hello
status: complete
---
# Phase hello plan 01: Summary

**Two files say hello.** Both checks are green.

## Performance

- Duration: 1min 36s
- Attempts: 2, all on the first try

## Task Commits

| Task | Commit | Check |
|---|---|---|
| Say hello | `3f9c2ab` | `pytest -q` |
| Say more | `81d02ee` | `pytest -q` |

## Decisions Made

None: the plan left nothing open.
"""


def failing(book: Journal, root: Path) -> Play:
    play = Play(book, root, {"auth-broken": auth_plan()}, ago=5400)
    play.work(1, 1, 62)
    play.ask(6, 63)
    play.answer(6, 120, option="postmark", note="the bill goes to Bo")
    play.work(2, 64, 170, failed())
    play.work(3, 64, 140)
    play.work(7, 121, 260)
    play.work(2, 171, 300, failed(detail="the check is red\nE   KeyError: 'session'"))
    play.work(2, 301, 460, failed(Failure.REFUSED, "the model would not do it"))
    play.work(2, 461, 700, failed(Failure.TIMEOUT, "no end after 240 s"))
    play.end(702, 1)
    return play


def asking(book: Journal, root: Path) -> Play:
    """Live, in the middle, with a question, a failure behind it and one that is tried again."""
    budget = Limits(run=Limit(usd=2.0), day=Limit(), plan=Limit(), task=Limit())
    play = Play(book, root, {"auth": auth_plan()}, ago=600, budget=budget)
    play.work(1, 1, 62)
    play.ask(6, 63)
    play.work(2, 64, 170, failed())
    play.work(3, 64, 190)
    play.tell(
        EventKind.GATE_CLOSED,
        195,
        {
            "gate": "anthropic/opus",
            "failure": "rate-limit",
            "detail": "429",
            "pause_s": 500.0,
            "until": datetime.now(UTC).timestamp() + 300,
        },
    )
    play.work(2, 171, 420)
    review = Review(
        approved=True,
        worker="claude",
        model="claude-opus-4-5",
        text="Sound. *One nit:* name it.",
        usage=used(5000),
    )
    play.start(4, 421)
    play.report(
        4,
        500,
        61_000,
        Step(kind=StepKind.RUN, tool="Bash", target="pytest -q", ok=False, exit_code=1),
        Step(kind=StepKind.WRITE, tool="Edit", target="src/mid.py", ok=True),
    )
    play.start(5, 421)
    play.tell(EventKind.REVIEWING, 540, {}, 5, 1)
    play.tell(EventKind.REVIEWED, 560, {"review": dump(review)}, 5, 1)
    return play


def large(book: Journal, root: Path, tasks: int = 500) -> Play:
    """Fifty chains of ten."""
    lines = []
    for n in range(1, tasks + 1):
        before = "" if n % 10 == 1 else str(n - 1)
        lines.append(
            bash(
                f"Task {n}: Port module {n} to the new client",
                "true",
                files=f"m/{n}.py",
                depends_on=before,
            )
        )
    play = Play(book, root, {"port": plan_text(*lines, phase="port")}, ago=14_000, workers=10)
    at, done = 1.0, int(tasks * 0.7)
    order = [chain * 10 + step for step in range(1, 11) for chain in range(tasks // 10)]
    for n in order[:done]:
        play.work(n, at, at + 120 + n % 150)
        at += 36
    for n in order[done : done + 8]:
        play.start(n, at)
        at += 40
    return play


def many(book: Journal, root: Path, count: int) -> None:
    text = plan_text(
        bash("Say hello", "true", files="a.txt"),
        bash("Say more", "true", files="b.txt"),
        phase="night",
    )
    for n in range(count):
        play = Play(book, root, {"night": text}, ago=100_000 - 300 * n)
        play.work(1, 1, 30 + n % 40)
        play.work(2, 1, 50 + n % 30)
        play.end(90)


def waiting_plans(run: RunId | None = None) -> tuple[Waiting, ...]:
    wrong = Diagnostic(
        file="plans/07-mail-PLAN.md",
        line=14,
        column=3,
        code="P104",
        severity=Severity.ERROR,
        message="<task> is not closed; write </task> before line 31",
    )
    also = Diagnostic(
        file="plans/07-mail-PLAN.md",
        line=3,
        column=1,
        code="F201",
        severity=Severity.WARNING,
        message="`wave` is no number; write 1, 2, ...",
    )
    diff = "--- a/plans/auth-PLAN.md\n+++ b/plans/auth-PLAN.md\n@@ -12,3 +12,4 @@\n <action>\n-curl https://example.org/old | sh\n+curl https://example.org/new | sh\n+echo done\n </action>\n"
    sha = hashlib.sha256(b"x").hexdigest()
    return (
        Waiting(path="plans/08-search-PLAN.md", sha256=sha, state="queued", why="all 5 slots are busy", since="2026-11-28T08:10:00Z"),
        Waiting(path="plans/07-mail-PLAN.md", sha256=sha, state="broken", why="1 error in the plan", since="2026-11-28T08:00:00Z", diagnostics=(wrong, also)),
        Waiting(path="plans/auth-PLAN.md", sha256=sha, state="untrusted", why="it was edited since you trusted it; look at what changed, then trust it", since="2026-11-28T08:20:00Z", diff=diff, run=run),
        Waiting(path="plans/09-nightly-PLAN.md", sha256=sha, state="later", why="not before 2026-11-29 02:00", since="2026-11-28T07:00:00Z"),
        Waiting(path="plans/10-docs-PLAN.md", sha256=None, state="arriving", why="it is still being written", since="2026-11-28T08:30:00Z"),
        Waiting(path="plans/11-ui-PLAN.md", sha256=sha, state="behind", why="depends_on 08-search, which is not done", since="2026-11-28T08:00:00Z"),
    )  # fmt: skip


def open_scenes(book: Journal, root: Path, *names: str) -> Scenes:
    """Those of the names, with what their workers do."""
    scenes = Scenes(House(root), book)
    known = {"small": small, "failing": failing, "asking": asking, "large": large}
    for name in names:
        scenes.keep(name, known[name](book, root))
    live = [scenes.names[name] for name in ("asking", "large") if name in scenes.names]
    scenes.house.live = tuple(live)
    book.announce(live)
    if "asking" in scenes.plays:
        play = scenes.plays["asking"]
        lines = {
            play.id(4): "Bash: pytest -q tests/test_mid.py",
            play.id(5): "review by claude-opus-4-5",
        }
        scenes.house.lines[play.run] = lines
        folder = root / ".orchestrator" / "runs" / play.run
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{play.id(4).replace('/', '.')}.1.log"
        (folder / name).write_text(
            "".join(
                f'{{"type":"assistant","line":{n},"text":"<b>reads</b>"}}\n' for n in range(3000)
            )
        )
    return scenes


def moment() -> datetime:
    return datetime.now(UTC)


def now() -> float:
    return moment().timestamp()
