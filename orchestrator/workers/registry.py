"""Which workers there are and which one does a task: one line per worker; it refuses a task that nobody can do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches

from orchestrator.errors import SettingsError
from orchestrator.model import Task, Tier
from orchestrator.settings import Settings
from orchestrator.workers import Worker
from orchestrator.workers.agent import AgentWorker
from orchestrator.workers.api import ApiWorker
from orchestrator.workers.claude import Claude
from orchestrator.workers.codex import Codex
from orchestrator.workers.command import Command
from orchestrator.workers.gemini import Gemini
from orchestrator.workers.opencode import OpenCode
from orchestrator.workers.pi import Pi
from orchestrator.workers.reading import Client
from orchestrator.workers.shell import ShellWorker

SHELL, API = "shell", "api"
MOST_NAMED = 10
API_ONLY = frozenset({"base_url"})
PROGRAMS_ONLY = frozenset({"program", "arguments", "env_pass", "lean", "argv"})
CLIENTS: Mapping[str, Callable[..., Client]] = {
    "claude": Claude,
    "codex": Codex,
    "gemini": Gemini,
    "opencode": OpenCode,
    "pi": Pi,
}


def known(settings: Settings) -> dict[str, Worker]:
    """By name: the shell, then the agents, those of the settings last."""
    names = [name for name, table in settings.workers.items() if table.argv]
    refuse_idle(settings, (*CLIENTS, *(name for name in names if name not in (SHELL, API))))
    clients = {name: client(lean=settings.worker(name).lean) for name, client in CLIENTS.items()}
    own = {name: Command(name, settings.worker(name)) for name in names}
    workers: dict[str, Worker] = {SHELL: ShellWorker()}
    for name, client in (clients | own).items():
        models = settings.models.of(name)
        workers[name] = AgentWorker(client, settings.worker(name), models, settings.prices)
    workers[API] = ApiWorker(settings.worker(API), settings.models.of(API), settings.prices)
    return workers


def refuse_idle(settings: Settings, programs: Collection[str]) -> None:
    """Settings that would do nothing are mistakes: all of them at once, with the nearest name."""
    wrong, everybody = list[str](), (*programs, API)
    for name, table in settings.workers.items():
        if name not in everybody:
            wrong.append(f"[workers.{name}]: {_unknown(name, everybody)}")
        idle = API_ONLY if name in programs else PROGRAMS_ONLY
        if table.program and not shutil.which(table.program):
            wrong.append(f"workers.{name}.program = {table.program}: no such program; correct it")
        wrong += [
            f"workers.{name}.{key}: does nothing for {name}; take it out"
            for key in sorted(table.model_fields_set & idle)
            if name in everybody
        ]
    for tier in Tier:
        for name in getattr(settings.models, tier):
            if name not in everybody:
                wrong.append(f"models.{tier}.{name}: {_unknown(name, everybody)}")
    if wrong:
        raise SettingsError("\n".join(wrong))


def _unknown(name: str, everybody: Sequence[str]) -> str:
    close = get_close_matches(name, everybody, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(everybody)}"
    return f"there is no worker {name}; {hint}"


def order(settings: Settings, workers: Mapping[str, Worker]) -> tuple[str, ...]:
    """Who is asked for a task that names nobody. SettingsError for a name that nobody has."""
    unknown = [name for name in settings.run.agents if name not in workers]
    if unknown:
        hint = f"; known: {', '.join(name for name in workers if name != SHELL)}"
        raise SettingsError(f"run.agents names {unknown[0]!r}, and there is no such worker{hint}")
    return (SHELL, *settings.run.agents)


def able(task: Task, workers: Mapping[str, Worker], asked: Sequence[str]) -> list[Worker]:
    """All that can do it, the first choice first: one whose login is not to be seen comes last. A worker that the task names is the only one asked."""
    names = [task.worker] if task.worker else asked
    found = [workers[name] for name in names if explain(task, workers.get(name)) is None]
    return sorted(found, key=lambda worker: worker.has_no_login())  # else in the order asked


def unable(
    tasks: Iterable[Task],
    workers: Mapping[str, Worker],
    asked: Sequence[str],
    tools: Callable[[Task], str | None] = lambda _: None,
) -> list[str]:
    """A message for the tasks that nobody can do, one for each reason: all at once, before anything starts.

    `tools`: the name of the one that would try a task first.
    """
    stuck: dict[str, list[Task]] = {}
    for task in tasks:
        if not task.is_checkpoint and not able(task, workers, asked):
            names = [task.worker] if task.worker else asked
            reasons = (f"{name}: {explain(task, workers.get(name))}" for name in names)
            because = "; ".join(reasons) or "none is installed"
            if tool := tools(task):
                because += (
                    f"; the tool {tool} would do it, and an agent must be there in case it fails"
                )
            stuck.setdefault(f"({because}). {suggest(task, workers)}", []).append(task)
    return [
        f"{named(those)}: no installed worker can do {'it' if len(those) == 1 else 'them'} {why}"
        for why, those in stuck.items()
    ]


def named(tasks: Sequence[Task]) -> str:
    first = f'{tasks[0].id} "{tasks[0].title}"'
    return first if len(tasks) == 1 else f"{first} and {len(tasks) - 1} more ({_ids(tasks[1:])})"


def _ids(tasks: Sequence[Task]) -> str:
    shown = ", ".join(task.id for task in tasks[:MOST_NAMED])
    return f"{shown}, ..." if len(tasks) > MOST_NAMED else shown


def explain(task: Task, worker: Worker | None) -> str | None:
    if worker is None:
        return "there is no worker of that name"
    return worker.refuses(task) or worker.missing()


def suggest(task: Task, workers: Mapping[str, Worker]) -> str:
    if task.worker and task.worker not in workers:
        close = get_close_matches(task.worker, workers, n=1)
        hint = f'did you mean worker="{close[0]}"? ' if close else ""
        return f"Next: {hint}known workers: {', '.join(workers)}."
    block = 'give the task subagent="bash" and a fenced ```bash block in its <action>'
    if task.worker == SHELL:
        return f"Next: {block}."
    what = task.worker or "one of them"
    return f"Next: install {what} (orchestrator doctor says what is there), or {block}."
