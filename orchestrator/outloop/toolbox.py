"""Tools: a script and its manifest, those that ship and those of the project. Refuses manifests that do not say what the script does."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.errors import UsageError
from orchestrator.model.outloop import Pattern, PatternStatus, Tool, ToolStatus
from orchestrator.outloop.matching import serving
from orchestrator.outloop.patterns import wilson
from orchestrator.outloop.store import Store

SHIPPED = Path(__file__).with_name("tools")
MOST_IN_A_ROW = 3
LEAST_SUCCESS = 0.8  # its upper bound (Wilson, one-sided 90%)
LEAST_CALLS = 5  # before that the bound would end a tool at its very first failure
OURSELVES = "orchestrator"  # who decided, where no person did

Word = Annotated[str, Field(min_length=1, max_length=200)]


class Manifest(BaseModel):
    """One tool's file. `script` is beside it, or absolute."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
    script: Word
    does: Annotated[list[Word], Field(min_length=1)]
    phrases: list[Word] = []
    timeout_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
    writes: list[Word] = []


def read(path: Path, *, shipped: bool = False) -> Tool:
    """UsageError with the file and what is wrong in it."""
    try:
        told = Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as refused:
        raise UsageError(f"cannot read {path}: {refused.strerror}") from refused
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise UsageError(f"{path} is no TOML: {wrong}") from wrong
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(f"{path}: {where}: {first['msg']}; correct it") from wrong
    script = (path.parent / told.script).resolve()
    if not script.is_file():
        raise UsageError(f"{path} names the script {told.script}, and there is no {script}")
    return Tool(
        name=told.name,
        script=str(script),
        does=tuple(told.does),
        phrases=tuple(told.phrases),
        writes=tuple(told.writes),
        timeout_s=told.timeout_s,
        shipped=shipped,
    )


@cache
def shipped() -> tuple[Tool, ...]:
    return tuple(read(path, shipped=True) for path in sorted(SHIPPED.glob("*.toml")))


def known(store: Store | None) -> list[Tool]:
    """With those that ship as they are today, whatever version registered them; an own one of the same name stands."""
    own = {tool.name: tool for tool in store.tools()} if store else {}
    found = dict(own)
    for tool in shipped():
        there = own.get(tool.name)
        if there is None:
            found[tool.name] = tool
        elif there.shipped:
            figures = {"status", "why", "calls", "successes", "failed_in_a_row"}
            found[tool.name] = tool.model_copy(update=there.model_dump(include=figures))
    return [found[name] for name in sorted(found)]


def register(store: Store) -> list[Tool]:
    """Those that ship are in the table from now on."""
    every = known(store)
    for tool in every:
        if tool.shipped:
            store.keep_tool(tool)
    return every


def add(store: Store, path: Path) -> Tool:
    """Its manifest anew where it is there already: a person has changed it, and it is enabled."""
    tool = read(path)
    store.keep_tool(tool)
    store.begin_anew(tool.name)
    return store.tool(tool.name)


def unfit(tool: Tool) -> str:
    """Why it may not go on; empty: it may."""
    if tool.failed_in_a_row >= MOST_IN_A_ROW:
        return f"it failed {tool.failed_in_a_row} times in a row"
    most = wilson(tool.successes, tool.calls)[1]
    if tool.calls >= LEAST_CALLS and most < LEAST_SUCCESS:
        return f"{tool.successes} of {tool.calls} calls succeeded: at most {most:.0%} do, and {LEAST_SUCCESS:.0%} are needed"
    return ""


def disable(store: Store, name: str, why: str, by: str) -> Sequence[Pattern]:
    """Its patterns: another tool does them from now on, else a model, until somebody enables it."""
    register(store)
    store.keep_tool(_with(store.tool(name), ToolStatus.DISABLED, why))
    return choose_anew(store, f"{name} is disabled: {why}", by)


def enable(store: Store, name: str, by: str) -> Sequence[Pattern]:
    """Those that it does from now on. What it failed before that counts no more."""
    register(store)
    store.keep_tool(_with(store.tool(name), ToolStatus.ENABLED, ""))
    store.begin_anew(name)
    return choose_anew(store, f"{name} is enabled", by)


def choose_anew(store: Store, why: str, by: str) -> Sequence[Pattern]:
    """Each pattern with a tool gets the one of those enabled that serves it best. Those that changed."""
    fit = [tool for tool in register(store) if tool.status is ToolStatus.ENABLED]
    changed = []
    for one in store.patterns():
        if one.status not in (PatternStatus.IMPLEMENTED, PatternStatus.ACTIVE):
            continue
        best, is_active = serving(one.signature, fit), one.status is PatternStatus.ACTIVE
        if is_active == (best is not None) and (best is None or best.name == one.tool):
            continue
        name = best.name if best else None
        if is_active:
            store.move(one.signature, PatternStatus.IMPLEMENTED, by, why, name)
        if best:
            store.move(one.signature, PatternStatus.ACTIVE, by, why, name)
        changed.append(store.find(one.signature))
    return changed


def told(changed: Sequence[Pattern]) -> str:
    """Who does which of them now, to be added to a sentence; empty: nothing changed."""
    doers: dict[str, list[str]] = {}
    for one in changed:
        is_active = one.status is PatternStatus.ACTIVE
        doers.setdefault((is_active and one.tool) or "", []).append(one.signature)
    return "".join(
        f"; {name} does {', '.join(does)} from now on"
        if name
        else f"; a model does {', '.join(does)} again"
        for name, does in doers.items()
    )


def _with(tool: Tool, status: ToolStatus, why: str) -> Tool:
    return tool.model_copy(update={"status": status, "why": why})
