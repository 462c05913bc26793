"""tools list, add, enable, disable, test: scripts that do an operation in place of a model. Refuses to run one that nobody has registered."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Json

Name = Annotated[str, typer.Argument(metavar="NAME", help="As tools list shows it.")]
PERSON = "a person"


def list_(as_json: Json = False) -> int:
    """Show the tools, what each does, and how its calls went.

    A tool whose calls fail three times in a row, or of which too few succeed, is disabled with its reason.
    """
    from orchestrator.cli import past
    from orchestrator.cli.terminal import out, show_json
    from orchestrator.outloop import store, toolbox
    from orchestrator.views import tooling

    with store.reading(past.here()) as book:
        every = toolbox.known(book)
    if as_json:
        show_json({"version": 1, "tools": [tooling.document(one) for one in every]})
        return 0
    for line in tooling.lines(every):
        out().print(line)
    return 0


def add(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="Its TOML file.")],
    as_json: Json = False,
) -> int:
    """Register a tool by its manifest, or read a changed one anew.

    Keys: name, script, does (signatures or their beginnings), phrases, timeout_s, writes (globs of files).
    """
    from orchestrator.cli import past
    from orchestrator.outloop import discovery, store, toolbox

    with store.writing(past.here()) as book:
        tool = toolbox.add(book, manifest.resolve())
        changed = toolbox.choose_anew(book, f"{tool.name} is added", PERSON)
        waited = [one.signature for one in discovery.serve_waiting(book)]
    told = f"; it does {', '.join(waited)} from now on, as approved" if waited else ""
    text = f"{tool.name} is registered for {', '.join(tool.does)}{told}{toolbox.told(changed)}"
    return _say(tool.name, text, as_json)


def enable(name: Name, as_json: Json = False) -> int:
    """Let a tool work again. Its failures of before count no more."""
    from orchestrator.cli import past
    from orchestrator.outloop import discovery, store, toolbox

    with store.writing(past.here()) as book:
        changed = [*toolbox.enable(book, name, PERSON), *discovery.serve_waiting(book)]
    return _say(name, f"{name} is enabled{toolbox.told(changed)}", as_json)


def disable(
    name: Name,
    why: Annotated[str, typer.Option("--why", metavar="WORDS", help="The reason.")] = "",
    as_json: Json = False,
) -> int:
    """Keep a tool from working: another one does its operations, else a model. Runs hear it before its next try."""
    from orchestrator.cli import past
    from orchestrator.outloop import store, toolbox

    with store.writing(past.here()) as book:
        did = toolbox.disable(book, name, why or "a person disabled it", PERSON)
    return _say(name, f"{name} is disabled{toolbox.told(did)}", as_json)


def try_(
    name: Name,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND...]",
            help="The words of one command, which the script gets as one argument.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Run a tool's script here, now, in no sandbox. Nothing is booked.

    Exit 1 if it does not succeed.
    """
    from orchestrator.cli import past, toolrun
    from orchestrator.cli.terminal import out, show_json

    ended = toolrun.run(past.here(), name, [_command(words)] if words else [])
    said = ended.stdout.rstrip()
    if as_json:
        show_json({"version": 1, "tool": name, "exit_code": ended.exit_code, "output": said})
    else:
        out().print(said, markup=False, highlight=False)
        how = "not done in time" if ended.timed_out else f"exit {ended.exit_code}"
        out().print(f"{name}: {how}, {ended.duration_s:.1f} s")
    return 0 if ended.exit_code == 0 else 1


def _command(words: Sequence[str]) -> str:
    """One word may be a whole command, quoted by the person."""
    return words[0] if len(words) == 1 else shlex.join(words)


def _say(name: str, text: str, as_json: bool) -> int:
    from orchestrator.cli import past
    from orchestrator.cli.terminal import out, show_json
    from orchestrator.outloop import store, toolbox
    from orchestrator.views import tooling

    if not as_json:
        out().print(text)
        return 0
    with store.reading(past.here()) as book:
        found = next(one for one in toolbox.known(book) if one.name == name)
    show_json({"version": 1, "tool": tooling.document(found)})
    return 0
