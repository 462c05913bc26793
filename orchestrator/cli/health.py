"""What doctor looks at, one function each. Refuses to repair; says what is wrong and the next step."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio

from orchestrator import journal, ledger, prices, settings
from orchestrator.errors import OrchestratorError, UnknownRun
from orchestrator.process import sandbox
from orchestrator.views.text import counted
from orchestrator.workers import Condition, Worker, registry

MOST_LINES = 5  # of a damaged ledger, one by one
OLDEST_SQLITE = (3, 37, 0)  # STRICT tables


class Mark(StrEnum):
    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


STYLES = {Mark.OK: "", Mark.NOTE: "yellow", Mark.PROBLEM: "bold red"}


class Finding(NamedTuple):
    mark: Mark
    what: str
    text: str


def examine(root: Path) -> list[Finding]:
    looks = (_python, _sqlite, _bash, _platform)
    here = (_its_python, _project, _settings, _sandbox, _journal)
    return [
        *(one for look in looks for one in look()),
        *(one for look in here for one in look(root)),
        *_ledger(),
        *_workers(root),
        *_prices(root),
    ]


def _python() -> Iterator[Finding]:
    yield Finding(Mark.OK, "python", f"{sys.version.split()[0]} at {sys.executable}")


def _its_python(root: Path) -> Iterator[Finding]:
    """An active virtual environment of ours, which is not the project's, hides the project's Python from its tasks."""
    active, ours = os.environ.get("VIRTUAL_ENV"), Path(sys.prefix)
    if active and Path(active).resolve() == ours.resolve() and root not in ours.parents:
        text = (
            f"the python of tasks and checks is this program's own, as {active} is active; "
            f"deactivate, and call {ours / 'bin' / 'orchestrator'}"
        )
        yield Finding(Mark.NOTE, "python", text)


def _sqlite() -> Iterator[Finding]:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        text = f"{sqlite3.sqlite_version} is too old; use a Python with SQLite 3.37 or newer"
        yield Finding(Mark.PROBLEM, "sqlite", text)
    else:
        yield Finding(Mark.OK, "sqlite", sqlite3.sqlite_version)


def _bash() -> Iterator[Finding]:
    found = shutil.which("bash")
    if found:
        yield Finding(Mark.OK, "bash", found)
    else:
        yield Finding(Mark.PROBLEM, "bash", "not on the PATH; install bash: checks are run by it")


def _platform() -> Iterator[Finding]:
    if sys.platform == "linux":
        yield Finding(Mark.OK, "platform", "linux: nothing that a task starts outlives it")
    elif sys.platform == "darwin":
        text = "macOS has no subreaper: a process that leaves its session can outlive its task"
        yield Finding(Mark.NOTE, "platform", text)
    else:
        text = f"{sys.platform} is not supported; use Linux, macOS, or Windows through WSL"
        yield Finding(Mark.PROBLEM, "platform", text)


def _sandbox(root: Path) -> Iterator[Finding]:
    try:
        chosen = settings.load(root).sandbox
    except OrchestratorError:
        return  # told by another look
    trouble = anyio.run(partial(sandbox.trouble, network=chosen.network))
    if chosen.mode == "none":
        text = 'sandbox.mode is "none": workers and checks see and write what you can'
        yield Finding(Mark.NOTE, "sandbox", text)
    elif trouble is None:
        text = "bubblewrap: workers and checks write their workspace only (docs/sandbox.md)"
        yield Finding(Mark.OK, "sandbox", text)
    elif chosen.mode == "bubblewrap":
        yield Finding(Mark.PROBLEM, "sandbox", f'sandbox.mode is "bubblewrap", and {trouble}')
    else:
        text = f"none, so workers and checks see and write what you can: {trouble}"
        yield Finding(Mark.NOTE, "sandbox", text)


def _project(root: Path) -> Iterator[Finding]:
    yield Finding(Mark.OK, "project", str(root))


def _settings(root: Path) -> Iterator[Finding]:
    trouble = list(_settings_trouble(root))
    yield from trouble or [
        Finding(Mark.OK, "settings", f"{settings.load(root).run.workers} tasks at once")
    ]


def _settings_trouble(root: Path) -> Iterator[Finding]:
    try:
        settings.env_files(root, settings.load(root).workspace.env_files)
    except OrchestratorError as wrong:
        yield from (Finding(Mark.PROBLEM, "settings", row) for row in str(wrong).splitlines())


def _journal(root: Path) -> Iterator[Finding]:
    place = root / journal.HOME
    if not _writable(place):
        yield Finding(Mark.PROBLEM, "journal", f"cannot write {place}; make it writable")
        return
    try:
        with journal.reading(root) as book:
            count, missing = len(book.runs()), book.trouble
    except UnknownRun:
        yield Finding(Mark.OK, "journal", "none yet; the first run makes it")
    except OrchestratorError as wrong:
        yield Finding(Mark.PROBLEM, "journal", str(wrong))
    else:
        if missing:
            yield Finding(Mark.PROBLEM, "journal", missing)
        live = ", an engine works on it now" if journal.is_live(root) else ""
        yield Finding(Mark.OK, "journal", f"{counted(count, 'run')} in {place}{live}")


def _ledger() -> Iterator[Finding]:
    folder = settings.ledger_folder()
    if not _writable(folder):
        text = f"cannot write {folder}; make it writable, or set ORCHESTRATOR_INTELLIGENCE_DIR"
        yield Finding(Mark.PROBLEM, "ledger", text)
        return
    found = ledger.read(folder)
    for number, why in found.damaged[:MOST_LINES]:
        text = f"{folder / ledger.NAME}:{number} {why}; it is passed over"
        yield Finding(Mark.NOTE, "ledger", text)
    if len(found.damaged) > MOST_LINES:
        yield Finding(Mark.NOTE, "ledger", f"and {len(found.damaged) - MOST_LINES} more such lines")
    if found.missing:
        text = (
            f"{counted(found.missing, 'byte is', 'bytes are')} missing at the end of {folder / ledger.NAME} (damage); "
            f"the outcomes in them are lost. To hear no more of it: rm {folder / 'task_ledger.mark'}"
        )
        yield Finding(Mark.NOTE, "ledger", text)
    yield Finding(Mark.OK, "ledger", f"{folder}, {counted(len(found.entries), 'outcome')}")


def _workers(root: Path) -> Iterator[Finding]:
    try:
        chosen = settings.load(root)
        workers = registry.known(chosen)
        asked = registry.order(chosen, workers)
    except OrchestratorError as wrong:
        if not list(_settings_trouble(root)):
            yield Finding(Mark.PROBLEM, "settings", str(wrong))
        return
    conditions = anyio.run(_examine, list(workers.values()))
    for name, found in conditions.items():
        yield from _condition(f"worker {name}", found, name == registry.SHELL)
    if all(conditions[name].problem for name in asked if name != registry.SHELL):
        text = 'none of run.agents can work: only tasks with subagent="bash" can run; install one of them'
        yield Finding(Mark.NOTE, "agents", text)


def _condition(what: str, found: Condition, needed: bool) -> Iterator[Finding]:
    if found.problem:
        yield Finding(Mark.PROBLEM if needed else Mark.NOTE, what, found.problem)
        return
    yield Finding(Mark.OK, what, found.version or "ready")
    yield from (Finding(Mark.NOTE, what, note) for note in found.notes)


def _prices(root: Path) -> Iterator[Finding]:
    try:
        own = settings.load(root).prices
    except OrchestratorError:
        return
    mine = f", and {counted(len(own), 'price')} of your own" if own else ""
    yield Finding(Mark.OK, "prices", f"{prices.snapshot()}{mine}")


async def _examine(workers: list[Worker]) -> dict[str, Condition]:
    """All at once: some take seconds to say their version."""
    found: dict[str, Condition] = {}

    async def one(worker: Worker) -> None:
        found[worker.name] = await worker.examine()

    async with anyio.create_task_group() as group:
        for worker in workers:
            group.start_soon(one, worker)
    return {worker.name: found[worker.name] for worker in workers}


def _writable(folder: Path) -> bool:
    """It, or where it would be made."""
    place = next(one for one in (folder, *folder.parents) if one.exists())
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
