"""tools: what a person is told of scripts in place of a model, and what one failed with last. Refuses to write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from orchestrator import journal
from orchestrator.cli import past
from orchestrator.cli.patterns_look import say_unused
from orchestrator.cli.terminal import out, room, show_json
from orchestrator.errors import OrchestratorError
from orchestrator.history import fold
from orchestrator.model import RunId, TaskId
from orchestrator.model.outloop import Tool, ToolStatus
from orchestrator.outloop import manifests, store, toolbox
from orchestrator.views import tooling
from orchestrator.views.text import command, near, plain
from orchestrator.views.text import fitted as fit

HEAD = ("TOOL", "STATUS", "CALLS", "DOES", "FROM")
SAID = 300  # characters of what it said


def show_all(*, as_json: bool) -> int:
    root, chosen = past.settled()
    with store.reading(root) as book:
        every = toolbox.known(book)
    if as_json:
        show_json({"version": 1, "tools": [tooling.document(one) for one in every]})
        return 0
    for line in fit([HEAD, *(_row(root, one) for one in every)], room(), name=3, less=(4,)):
        out().print(line)
    for one in every:
        if one.status is ToolStatus.DISABLED:
            out().print(f"{one.name} is disabled: {plain(one.why)}")
            out().print(f"  next: {command('tools', 'enable', one.name)}")
        elif why := toolbox.trouble(one):
            out().print(f"{one.name} is not used: {plain(why)}")
    say_unused(chosen)
    return 0


def say(root: Path, name: str, text: str, steps: Iterable[str] = (), *, as_json: bool) -> int:
    if as_json:
        with store.reading(root) as book:
            found = next(one for one in toolbox.known(book) if one.name == name)
        show_json({"version": 1, "tool": tooling.document(found)})
        return 0
    out().print(text)
    for step in steps:
        out().print(f"  next: {step}")
    return 0


def files(root: Path, paths: Iterable[str]) -> list[str]:
    """Those of them that are the script or the manifest of an own tool, which no run takes from a commit. None where that cannot be read."""
    paths = list(paths)
    if not paths:
        return []
    with suppress(OrchestratorError, OSError), store.reading(root) as book:
        own = {one.name: one.script for one in toolbox.known(book) if not one.shipped}
        scripts = {Path(one).resolve() for one in own.values()}
        return [
            one
            for one in paths
            if (root / one).resolve() in scripts
            or (one.endswith(".toml") and manifests.name_of(root / one, root) in own)
        ]
    return []


def added(tool: Tool) -> tuple[str, list[str]]:
    """What else is to be known of one that was just added, and how to go on."""
    text, steps = "", []
    if toolbox.covers(tool.name):
        text = f"; it stands in for the {tool.name} that ships"
        steps.append(f"{command('tools', 'remove', tool.name)} brings that back")
    off, enable = _stays(tool)
    return text + off, steps + enable


def back(root: Path, name: str) -> tuple[str, list[str]]:
    """Of one that ships and is in its place again."""
    with store.reading(root) as book:
        (tool,) = (one for one in toolbox.known(book) if one.name == name)
    off, enable = _stays(tool)
    return f"; the {name} that ships is back{off}", enable


def _stays(tool: Tool) -> tuple[str, list[str]]:
    if tool.status is not ToolStatus.DISABLED:
        return "", []
    return f"; it stays disabled: {plain(tool.why)}", [command("tools", "enable", tool.name)]


def failed(root: Path, name: str) -> tuple[str, str]:
    """Of one that is disabled: why, with what it said the last time; and how to see that. Empty: it is not."""
    with store.reading(root) as book:
        tool = next((one for one in toolbox.known(book) if one.name == name), None)
        calls = [one for one in book.calls() if one.tool == name and not one.ok] if book else []
    if tool is None or tool.status is not ToolStatus.DISABLED:
        return "", ""
    text = f"; it was disabled: {plain(tool.why)}"
    if not calls:
        return text, ""
    run, task, number = calls[-1].workflow.rsplit(" ", 2)
    said = next(_said(root, RunId(run), TaskId(task), int(number)), "")
    first = " ".join(said.split("\n")[:2])  # how it ended, and the first that it said
    told = f", with: {plain(first, SAID)}" if first else ""
    return f"{text}; it failed last in {task} of {run}{told}", command("explain", run, task)


def _said(root: Path, run: RunId, task: TaskId, number: int) -> Iterator[str]:
    """Nothing where the journal has it no more."""
    with suppress(OrchestratorError), journal.reading(root) as book:
        found = fold(book.events(run)).tasks.get(task)
        for tried in found.tried if found else ():
            if tried.number == number and tried.latest is not None:
                yield tried.latest.detail


def _is_idle(one: Tool) -> bool:
    """Enabled, and its script is not run as it lies there."""
    return one.status is ToolStatus.ENABLED and bool(toolbox.trouble(one))


def _row(root: Path, one: Tool) -> tuple[str, ...]:
    script = Path(one.script)
    where = near(root, one.script) if script.is_relative_to(root) else one.script
    return (
        one.name,
        "not used" if _is_idle(one) else str(one.status),
        f"{one.successes} of {one.calls} well" if one.calls else "none yet",
        ", ".join(one.does),
        "shipped" if one.shipped else plain(where),
    )
