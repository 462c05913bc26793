"""One run of a tool's script by a person, to see what it does; books nothing and refuses names that are not registered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio

from orchestrator import process, settings
from orchestrator.errors import UsageError
from orchestrator.model.outloop import Tool
from orchestrator.outloop import matching, store, toolbox
from orchestrator.process import Command, Ended, NotStarted
from orchestrator.workers.tool import started


def run(root: Path, name: str, words: Sequence[str]) -> Ended:
    """In the project's folder, with the environment that a run would give it."""
    tool, chosen = named(root, name), settings.load(root).workspace
    extra = settings.env_files(root, chosen.env_files)
    try:
        command = Command(
            argv=started(tool.script, words),
            cwd=root,
            env=process.environment(chosen.env_pass, extra),
            timeout_s=tool.timeout_s,
            merged=True,
        )
        return anyio.run(process.run, command)
    except NotStarted as refused:
        raise UsageError(f"the tool {name} did not begin: {refused}") from refused


def told(root: Path, name: str, ended: Ended) -> str:
    """How it ended."""
    if ended.timed_out:
        limit = named(root, name).timeout_s
        return f"not done in {limit:g} s (timeout_s of its manifest)"
    return ended.how


def named(root: Path, name: str) -> Tool:
    with store.reading(root) as book:
        every = {one.name: one for one in toolbox.known(book)}
    if name not in every:
        text = f"there is no tool {name!r}{matching.meant(name, every)}"
        raise UsageError(f"{text} Next: orchestrator tools list")
    return every[name]
