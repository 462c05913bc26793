"""What was run for a pattern -> a script and its manifest, for a person to look over. Refuses to overwrite one, and to let it be used as it is."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from orchestrator import redact, shell
from orchestrator.disk import write_whole
from orchestrator.errors import RecordError, UsageError
from orchestrator.journal import HOME
from orchestrator.model.outloop import Occurrence, Pattern
from orchestrator.outloop.operation import operations
from orchestrator.outloop.store import COMMAND
from orchestrator.outloop.words import ALL
from orchestrator.redact import commands

FOLDER = f"{HOME}/tools/draft"
TIMEOUT_S = 1800
MOST = 10  # other commands that are listed
NAME = 60  # characters
TELLING = frozenset({"echo", "printf", "sleep", "true", ":", "date"})
HIDDEN = "•"  # in place of a key: such a command cannot be run
# a here-document of which the text is not kept
TAKEN_OUT = re.compile(r"<<-?[ \t]*(['\"]?)(\w+)\1[^\n]*\n[ \t]*\2[ \t]*(?:\n|$)")


class Draft(NamedTuple):
    name: str
    script: str
    manifest: str


def draft(pattern: Pattern, seen: Sequence[Occurrence]) -> Draft:
    """UsageError where no command is known whole: it is not where it was too long, had a key, or a text of a here-document that is not kept."""
    counts = Counter(commands.masked(redact.text(one.command)) for one in seen if one.command)
    own = Counter[str]()
    for command, count in counts.items():
        if len(command) < COMMAND and HIDDEN not in command and not TAKEN_OUT.search(command):
            own[own_part(command, pattern.signature)] += count
    whole = [command for command, _ in _by_count(own)]
    if not whole:
        raise UsageError(
            f"no command of {pattern.signature} was recorded whole: a script cannot be drafted from it"
        )
    name = re.sub(r"[^a-z0-9]+", "_", pattern.signature.lower()).strip("_")[:NAME]
    others = [(command, count) for command, count in _by_count(counts) if command != whole[0]]
    return Draft(name, _script(pattern, whole[0], others), _manifest(pattern, name))


def own_part(command: str, signature: str) -> str:
    """What of it is this operation, with what sets its stage: somebody ran more than that at once. All of it, where that is in no part of it."""
    parts = shell.statements(command)
    for wanted in (signature, ":".join(signature.split(":")[:2])):
        kept, stage, last = list[str](), list[str](), 0
        for part in parts:
            found = operations("\n".join([*stage, part]))
            if any(wanted in one.levels for one in found):
                kept.append(part)
                last = len(kept)
            elif not found and not _only_tells(part):
                kept.append(part)
                stage.append(part)
        if last:
            return command if kept[:last] == parts else "\n".join(kept[:last])
    return command


def _only_tells(part: str) -> bool:
    """Words on the screen are no stage."""
    said = shell.commands(part)
    return bool(said) and all(one.words[0] in TELLING for one in said)


def _by_count(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def write(root: Path, made: Draft, *, anew: bool = False) -> tuple[Path, Path]:
    """The manifest and the script. `anew`: in place of those that are there."""
    manifest, script = (root / FOLDER / f"{made.name}{end}" for end in (".toml", ".sh"))
    for path in () if anew else (manifest, script):
        if path.exists():
            take = f"take it (orchestrator tools add {shlex.quote(str(manifest))})"
            raise UsageError(
                f"{path} is there already. Next: {take}, or draft it anew with --force"
            )
    try:
        script.parent.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        what = f"cannot make {script.parent}: {refused.strerror}; make room or make it writable"
        raise RecordError(what) from refused
    write_whole(script, made.script)
    write_whole(manifest, made.manifest)
    return manifest, script


def _script(pattern: Pattern, command: str, others: Sequence[tuple[str, int]]) -> str:
    rows = [
        "#!/usr/bin/env bash",
        f"# A draft, from what was run for {pattern.signature} in {pattern.occurrences} attempts. Look it over before you add it:",
        "# it is started in the task's workspace, may write what its manifest says, and ends with 0 where all went well.",
        "# Its arguments are the commands that the task itself names as its checks; use them, or leave them.",
        "set -euo pipefail",
        "",
        command,
    ]
    if others:
        rows += ["", "# Run for it, too:"]
        rows += [f"# {count}x {' '.join(one.split())}" for one, count in others[:MOST]]
    return "\n".join(rows) + "\n"


def phrases(signature: str) -> list[str]:
    """As tasks say it: "run the backend tests", and with the tool that does it."""
    verb, tool, scope, variant = (*signature.split(":", 3), "", "")[:4]
    place = "" if scope in ("", ALL) else f"{' '.join(re.split(r'[-_./]+', scope)).strip()} "
    what = {
        "test": f"run the {place}tests",
        "build": f"run the {place}build",
        "lint": f"run the {place}linter",
        "format": f"run the {place}formatter",
        "install": f"install the {place}dependencies",
    }.get(verb)
    of = f" of {variant}" if variant else ""
    if what is None:
        return list(dict.fromkeys([f"run {tool}{of}", f"{verb} {tool}{of}"]))
    short = {"lint": f"lint the {place or 'code '}", "format": f"format the {place or 'code '}"}
    more = [f"{short[verb].strip()}{of}"] if verb in short else []
    return [f"{what}{of}", f"{what}{of} with {tool}", *more]


def _manifest(pattern: Pattern, name: str) -> str:
    rows = [
        f"# Drafted for {pattern.signature}.",
        f"name = {json.dumps(name)}",
        f"script = {json.dumps(f'{name}.sh')}",
        f"does = [{json.dumps(pattern.signature)}]",
        "# What a task says that asks for it and for nothing else. Add the words that yours use.",
        "phrases = [",
        *(f"    {json.dumps(one, ensure_ascii=False)}," for one in phrases(pattern.signature)),
        "]",
        f"timeout_s = {TIMEOUT_S}",
        "writes = []",
    ]
    return "\n".join(rows) + "\n"
