"""Tools: a script and its manifest, those that ship and those of the project. Refuses manifests that do not say what the script does."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.model.outloop import Offload, Pattern, PatternStatus, Tool, ToolStatus
from orchestrator.outloop import manifests
from orchestrator.outloop.matching import serving
from orchestrator.outloop.patterns import wilson
from orchestrator.outloop.store import Store

SHIPPED = Path(__file__).with_name("tools")
MOST_IN_A_ROW = 3
LEAST_SUCCESS = 0.8  # its upper bound (Wilson, one-sided 90%)
LEAST_CALLS = 5  # before that the bound would end a tool at its very first failure
OURSELVES = "orchestrator"  # who decided, where no person did
TOLD = ("script", "does", "phrases", "writes", "timeout_s", "digest")  # by a manifest
FIGURES = ("calls", "successes", "calls_since", "successes_since", "failed_in_a_row")


def read(path: Path, *, shipped: bool = False, root: Path | None = None) -> Tool:
    """UsageError with all that is wrong in it, each with its line."""
    told, wrong = manifests.read(path, root)
    if told is None:
        step = f"orchestrator tools add {shlex.quote(str(path))}"
        raise UsageError("\n".join(wrong) + f" Next: correct it, then: {step}")
    script = (path.parent / told.script).resolve()
    return Tool(
        name=told.name,
        script=str(script),
        does=tuple(told.does),
        phrases=tuple(told.phrases),
        writes=tuple(told.writes),
        timeout_s=told.timeout_s,
        shipped=shipped,
        digest="" if shipped else _digest(script),
    )


def _digest(script: Path) -> str:
    try:
        return digest(script)
    except OSError as refused:
        raise UsageError(f"cannot read {script}: {refused.strerror}") from refused


def digest(script: Path) -> str:
    """Of its bytes."""
    return hashlib.sha256(script.read_bytes()).hexdigest()


def unsound(own: Offload) -> str:
    """Why its script is not run as it lies there; empty: it is."""
    try:
        now = digest(Path(own.script))
    except OSError:
        step = f"put it back, or: orchestrator tools disable {own.tool}"
        return f"the script of {own.tool} is not there to be read: {own.script}; {step}"
    if own.digest and now != own.digest:
        step = "look at it, then orchestrator tools add MANIFEST"
        return f"the script of {own.tool} changed since it was added: {step}"
    return ""


def order(tool: Tool, commands: tuple[str, ...] = ()) -> Offload:
    """What it is started with. The script of one that ships is pinned by the program itself."""
    pinned = "" if tool.shipped else tool.digest or "never added"
    return Offload(
        tool=tool.name, script=tool.script, commands=commands, timeout_s=tool.timeout_s,
        writes=tool.writes, digest=pinned,
    )  # fmt: skip


def trouble(tool: Tool) -> str:
    """Why its script is not run as it lies there; empty: it is."""
    return unsound(order(tool))


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
            figures = {"status", "why", *FIGURES}
            found[tool.name] = tool.model_copy(update=there.model_dump(include=figures))
    return [found[name] for name in sorted(found)]


def register(store: Store) -> list[Tool]:
    """Those that ship are in the table from now on."""
    every = known(store)
    for tool in every:
        if tool.shipped:
            store.keep_tool(tool)
    return every


def add(store: Store, path: Path, root: Path | None = None) -> Tool:
    """Its manifest anew where it is there already. One that is disabled stays so: only `enable` ends that, also of one that ships
    and for which it stands in.

    `root`: of the project, where its script may lie as well as below its manifest.
    """
    tool = read(path, root=root)
    there = next((one for one in register(store) if one.name == tool.name), None)
    if there is not None and there.shipped:
        store.set_aside(tool.name)
        there = None
    elif there is not None and there.status is ToolStatus.DISABLED:
        tool = _with(tool, ToolStatus.DISABLED, there.why)
    store.keep_tool(tool)
    if there is None or any(getattr(there, key) != getattr(tool, key) for key in TOLD):
        store.begin_anew(tool.name)
    return store.tool(tool.name)


def remove(store: Store, name: str, by: str) -> Sequence[Pattern]:
    """Of an own one: its patterns go to another that is enabled, else they wait. One that ships is back in its place, as it was."""
    own = next((one for one in register(store) if one.name == name), None)
    if own is None:
        store.tool(name)  # says which there are
    elif own.shipped:
        step = f"orchestrator tools disable {name} keeps it from working"
        raise UsageError(f"{name} is part of the program and cannot be removed. Next: {step}")
    ours = next((one for one in shipped() if one.name == name), None)
    if ours is not None:
        store.keep_tool(ours)
        store.bring_back(name)
        store.begin_anew(name)
        return choose_anew(store, f"the {name} that ships is back", by)
    who = f" by {by}" if by else ""
    store.keep_tool(_with(store.tool(name), ToolStatus.DISABLED, "it is removed"))
    changed = choose_anew(store, f"{name} is removed{who}", by)
    store.remove_tool(name, "it is removed")
    return changed


def covers(name: str) -> bool:
    """One of that name ships."""
    return any(one.name == name for one in shipped())


def unfit(tool: Tool) -> str:
    """Why it may not go on; empty: it may."""
    if tool.failed_in_a_row >= MOST_IN_A_ROW:
        return f"it failed {tool.failed_in_a_row} times in a row"
    successes, calls = tool.successes_since, tool.calls_since
    most = wilson(successes, calls)[1]
    if calls >= LEAST_CALLS and most < LEAST_SUCCESS:
        return f"{successes} of {calls} calls succeeded: at most {most:.0%} do, and {LEAST_SUCCESS:.0%} are needed"
    return ""


def disable(store: Store, name: str, why: str, by: str) -> Sequence[Pattern]:
    """Its patterns: another tool does them from now on, else a model, until somebody enables it.

    `why` empty: it keeps the reason that it has, or somebody disabled it.
    """
    register(store)
    was = store.tool(name)
    kept = was.why if was.status is ToolStatus.DISABLED else ""
    why = why or kept or f"{by or 'a person'} disabled it"
    store.keep_tool(_with(was, ToolStatus.DISABLED, why))
    who = "" if by in ("", OURSELVES) else f" by {by}"
    return choose_anew(store, f"{name} is disabled{who}: {why}", by)


def enable(store: Store, name: str, by: str) -> Sequence[Pattern]:
    """Those that it does from now on. What it failed before that counts no more."""
    register(store)
    store.keep_tool(_with(store.tool(name), ToolStatus.ENABLED, ""))
    store.begin_anew(name)
    return choose_anew(store, f"{name} is enabled", by)


def choose_anew(store: Store, why: str, by: str) -> Sequence[Pattern]:
    """Each pattern with a tool gets the one of those enabled that serves it best. Those that changed.

    Who approved it stays: `by` is only who has changed a tool.
    """
    fit = [tool for tool in register(store) if tool.status is ToolStatus.ENABLED]
    changed = []
    for one in store.patterns():
        if one.status not in (PatternStatus.IMPLEMENTED, PatternStatus.ACTIVE):
            continue
        best, is_active = serving(one.signature, fit), one.status is PatternStatus.ACTIVE
        if is_active == (best is not None) and (best is None or best.name == one.tool):
            continue
        name, who = best.name if best else None, one.decided_by or by
        if is_active:
            store.move(one.signature, PatternStatus.IMPLEMENTED, who, why, name)
        if best:
            store.move(one.signature, PatternStatus.ACTIVE, who, f"{name} does it ({why})", name)
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
