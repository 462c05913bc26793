"""Whole runs in this process: a plan's text in, what the journal says out. Real processes, files and SQLite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from orchestrator import engine, journal, process, project, settings
from orchestrator.history import History, fold
from orchestrator.model import (
    Answer,
    Attempt,
    Event,
    EventKind,
    Failure,
    Outcome,
    RunId,
    Task,
    TaskId,
    Tier,
    Usage,
)
from orchestrator.order import Order
from orchestrator.reader import discover
from orchestrator.workers import Condition, Report, Worker

HEAD = "---\nphase: demo\nplan: 01\nworkspace: directory\n---\n<objective>\nDemo.\n</objective>\n"


def bash(name: str, script: str, check: str = "", **attributes: str) -> str:
    """A task of the shell worker. Attributes use `_` for `-`."""
    given = {"type": "auto", "subagent": "bash"} | attributes
    verify = f"<verify><automated>{check}</automated></verify>\n" if check else ""
    files = given.pop("files", None)
    declared = f"<files>{files}</files>\n" if files is not None else ""
    words = " ".join(f'{key.replace("_", "-")}="{value}"' for key, value in given.items())
    return (
        f"<task {words}>\n<name>{name}</name>\n{declared}<action>\n```bash\n{script}\n```\n</action>\n"
        f"{verify}<done>done</done>\n</task>\n"
    )


def checkpoint(kind: str = "human-verify", body: str = "", **attributes: str) -> str:
    words = " ".join(f'{key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return (
        f'<task type="checkpoint:{kind}" {words}>\n<what-built>It.</what-built>\n{body}'
        "<resume-signal>approved</resume-signal>\n</task>\n"
    )


def write_plan(
    root: Path, *tasks: str, name: str = "demo", head: str = HEAD, tail: str = ""
) -> Path:
    path = root / "plans" / f"{name}-PLAN.md"
    path.parent.mkdir(exist_ok=True)
    (root / ".planning").mkdir(exist_ok=True)  # this is the project, whatever lies above
    path.write_text(f"{head}<tasks>\n{''.join(tasks)}</tasks>\n{tail}")
    return path


@dataclass
class Watcher:
    """A screen that remembers; it answers checkpoints from `answers` if it has some."""

    answers: Mapping[str, Answer | None] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    summaries: list[Path] = field(default_factory=list)

    @property
    def can_ask(self) -> bool:
        return bool(self.answers)

    def happened(self, event: Event) -> None:
        self.events.append(event)

    def doing(self, task: TaskId, line: str) -> None:
        self.lines.append((task, line))

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def wrote(self, path: Path) -> None:
        self.summaries.append(path)

    def has_seen(self, kind: EventKind) -> bool:
        return any(event.kind is kind for event in self.events)

    async def ask(self, task: Task) -> Answer | None:
        return self.answers.get(task.id)


class Time:
    """The clock on the wall, which stands an hour ahead once somebody has set it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def passes(self) -> None:
        self._file.write_text("3600")

    def passes_when(self, true: Callable[[list[Event]], bool]) -> Watcher:
        """After an event of a run, by what has happened until then."""
        passes = self.passes

        class Setting(Watcher):
            def happened(self, event: Event) -> None:
                super().happened(event)
                if true(self.events):
                    passes()

        return Setting()


@dataclass(frozen=True)
class Ran:
    run: RunId
    code: int
    root: Path
    watcher: Watcher

    @property
    def events(self) -> list[Event]:
        with journal.reading(self.root) as book:
            return book.events(self.run)

    @property
    def history(self) -> History:
        return fold(self.events)

    def count(self, kind: EventKind, task: str | None = None) -> int:
        return sum(one.kind is kind and task in (None, one.task) for one in self.events)

    def failures(self, task: str) -> list[Failure | None]:
        tried = self.history.of(TaskId(task)).tried
        return [one.outcome.failure if one.outcome else Failure.INTERRUPTED for one in tried]


async def run(
    root: Path,
    *paths: Path,
    workers: Mapping[str, Worker] | None = None,
    watcher: Watcher | None = None,
    slots: int = 5,
    wait_s: float = 2.0,
    **order: object,
) -> Ran:
    conf = settings.load(root, {"run": {"provider_wait_max_s": wait_s}})
    files = project.find(paths or (root / "plans",))
    sources = project.sources(root, files)
    loaded = project.load(root, sources, conf.reader, project.others(root, files))
    watcher = watcher or Watcher()
    asked = Order.model_validate({"workers": slots} | order)
    name, code = await engine.begin(root, sources, loaded, asked, conf, watcher, workers)
    return Ran(name, code, root, watcher)


async def resume(
    root: Path,
    *,
    named: str | None = None,
    workers: Mapping[str, Worker] | None = None,
    watcher: Watcher | None = None,
    retry: tuple[str, ...] = (),
    **changes: object,
) -> Ran:
    watcher = watcher or Watcher()
    conf = settings.load(root)
    name, code = await engine.resume(root, named, conf, watcher, changes, retry, workers)
    return Ran(name, code, root, watcher)


def summary(plan: Path) -> str:
    return discover.summary_path(plan).read_text()


class TieredAgent:
    """A worker that knows the three tiers: a real bash process, told its tier and prompt; costs what its tier costs."""

    name = "agent"
    tiers = tuple(Tier)
    asks_a_model = True
    models: ClassVar = {tier: f"{tier}-9" for tier in Tier}
    sessions = ()

    def __init__(self, script: str) -> None:
        self.script = script

    def provider(self, model: str | None) -> str | None:
        return "somebody"

    def has_no_login(self) -> bool:
        return False

    async def examine(self) -> Condition:
        return Condition("9")

    def refuses(self, task: Task) -> str | None:
        return None

    def missing(self) -> str | None:
        return None

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        ended = await process.run(
            process.Command(
                argv=("bash", "-c", self.script),
                cwd=Path(attempt.workspace),
                env={**attempt.environment, "TIER": attempt.route.tier or ""},
                stdin=attempt.prompt.encode(),
                timeout_s=attempt.timeout_s,
            )
        )
        cost = {Tier.HAIKU: 0.01, Tier.SONNET: 0.05, Tier.OPUS: 0.25}
        assert attempt.route.tier
        return Outcome(
            failure=None if ended.exit_code == 0 else Failure.EXIT,
            detail=ended.stdout,
            usage=Usage(
                input_tokens=100,
                output_tokens=10,
                cost_usd=cost[attempt.route.tier],
                cost_basis="reported",
            ),
            model=f"{attempt.route.tier}-9",
        )
