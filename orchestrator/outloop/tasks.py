"""Tasks by name, of package files and Makefiles: `npm run typecheck`, `make test`, `gradle :app:check`. Guesses from the name what a task does; looks into no file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.model.outloop import Operation
from orchestrator.outloop.programs import PROGRAMS, TASK_VALUES, TYPES, VERBS, WORDS
from orchestrator.outloop.words import ADDRESS, ASSIGNMENT, Said, first, joined, part, split, where

FOLDERS = ("-C", "--prefix", "--cwd", "--dir", "--directory")
MEMBERS = ("-F", "--filter", "-w", "--workspace", "-p", "-pl", "--projects")
INSTALLS = frozenset(["install", "i", "ci", "add", "remove", "rm", "uninstall", "un", "update", "upgrade", "dedupe", "prune", "link", "rebuild", "up"])  # fmt: skip
READS = frozenset(
    ["ls", "list", "outdated", "view", "info", "why", "audit", "config", "root", "bin", "help"]
)
PLAIN = frozenset(["test", "tests", "t", "check", "build", "all", "compile", "lint", "format", "fmt", "install", "deps", "run", "start", "clean"])  # fmt: skip
CHECKING = ("test", "build", "lint", "format")
PARTS = re.compile(r"[:._/-]+|(?<=[a-z])(?=[A-Z])")


def named(verb: str, tool: str, scope: str, variant: str | None = None) -> Operation:
    said = part(variant) if variant and not ADDRESS.search(variant) else None
    return Operation(verb=verb, tool=part(tool), scope=part(scope), variant=said)


def packaged(tool: str, rest: Sequence[str], base: str, root: str) -> Operation:
    """`npm`, `yarn`, `pnpm`, `bun`: their own words, else a script of package.json."""
    values = [*FOLDERS, *MEMBERS[: 4 if tool == "npm" else 2], "--workspace"]
    end = rest.index("--") if "--" in rest else len(rest)
    said = split(rest[:end], values)
    scope, words = _scope(said, base, root), said.rest
    if tool == "yarn" and words[:1] == ("workspace",):
        scope, words = part(words[1] if len(words) > 1 else "all"), words[2:]
    sub = words[0] if words else ("install" if tool == "yarn" else "help")
    if sub in ("run", "run-script") and len(words) > 1:
        return _task(tool, words[1], scope, "run")
    if sub in INSTALLS:
        package = words[1] if len(words) == 2 else None
        return named("install", tool, scope, package)
    if sub in READS:
        return named("read", f"{tool}-{sub}", scope)
    if sub in ("t", "tst"):
        sub = "test"
    return _task(tool, sub, scope, "run")


def targeted(tool: str, rest: Sequence[str], base: str, root: str) -> Operation:
    """`make` and its like: of several targets the strongest verb counts."""
    said = split(rest, TASK_VALUES.split())
    targets = [word for word in said.rest if not ASSIGNMENT.match(word)]
    scope = _scope(said, base, root)
    found = []
    for target in targets:
        member, _, name = target.rpartition(":")
        inside = member.strip(":").partition(":")[0] if tool == "gradle" else ""
        told = name if tool == "gradle" else target
        found.append(_task(tool, told, inside or scope, "build"))
    if not found:
        return named("build", tool, scope)
    best = min(found, key=lambda one: VERBS.index(one.verb))
    if tool == "mvn" and best.verb == "install":
        best = best.model_copy(update={"verb": "build"})
    return best if len(found) == 1 else best.model_copy(update={"variant": None})


def _task(tool: str, name: str, scope: str, default: str) -> Operation:
    known = PROGRAMS.get(name)
    if known and known.verb in CHECKING:
        return named(known.verb, known.tool or name, scope)
    if name in TYPES:
        return named("build", "typecheck", scope)
    verb = next((WORDS[word] for word in (name, *PARTS.split(name)) if word in WORDS), default)
    return named(verb, tool, scope, None if name in PLAIN else name.replace(":", "-"))


def _scope(said: Said, base: str, root: str) -> str:
    """The folder or the member of a workspace that it is told to work in."""
    folder = said.value(*FOLDERS)
    if folder:
        return where(joined(base, folder, root) or "", False).scope
    member = said.value(*MEMBERS)
    if member and member.startswith(("./", "../")):
        return where(joined(base, member.rstrip("."), root) or "", False).scope
    if member:
        return member.rpartition("/")[2].strip(".^!{}*:") or "all"
    return first(base)
