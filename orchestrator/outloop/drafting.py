"""What was run for a pattern -> a script and its manifest, for a person to look over. Refuses to overwrite one, and to let it be used as it is."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from orchestrator import redact
from orchestrator.disk import write_whole
from orchestrator.errors import RecordError, UsageError
from orchestrator.journal import HOME
from orchestrator.model.outloop import Occurrence, Pattern
from orchestrator.outloop.store import COMMAND
from orchestrator.redact import formats

FOLDER = f"{HOME}/tools/draft"
TIMEOUT_S = 1800
MOST = 10  # other commands that are listed
NAME = 60  # characters
HIDDEN = "•"  # in place of a key: such a command cannot be run


class Draft(NamedTuple):
    name: str
    script: str
    manifest: str


def draft(pattern: Pattern, seen: Sequence[Occurrence]) -> Draft:
    """UsageError where no command is known whole."""
    counts = Counter(formats.masked(redact.text(one.command)) for one in seen if one.command)
    usual = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    whole = [command for command, _ in usual if len(command) < COMMAND and HIDDEN not in command]
    if not whole:
        raise UsageError(
            f"no command of {pattern.signature} was recorded whole: a script cannot be drafted from it"
        )
    name = re.sub(r"[^a-z0-9]+", "_", pattern.signature.lower()).strip("_")[:NAME]
    name = name if name[:1].isalpha() else f"do_{name}"
    others = [(command, count) for command, count in usual if command != whole[0]]
    return Draft(name, _script(pattern, whole[0], others), _manifest(pattern, name))


def write(root: Path, made: Draft) -> tuple[Path, Path]:
    """The manifest and the script."""
    manifest, script = (root / FOLDER / f"{made.name}{end}" for end in (".toml", ".sh"))
    for path in (manifest, script):
        if path.exists():
            raise UsageError(f"{path} is there already. Next: take that one, or move it away")
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
        f"# A draft, from what was run for {pattern.signature} in {pattern.occurrences} tasks. Look it over before you add it:",
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


def _manifest(pattern: Pattern, name: str) -> str:
    verb, tool, *_ = pattern.signature.split(":")
    rows = [
        f"# Drafted for {pattern.signature}.",
        f"name = {json.dumps(name)}",
        f"script = {json.dumps(f'{name}.sh')}",
        f"does = [{json.dumps(pattern.signature)}]",
        f"phrases = [{json.dumps(f'{verb} {tool}')}]",
        f"timeout_s = {TIMEOUT_S}",
        "writes = []",
    ]
    return "\n".join(rows) + "\n"
