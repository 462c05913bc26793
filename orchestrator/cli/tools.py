"""tools list, add, remove, enable, disable, test: scripts that do an operation in place of a model. Refuses to run one that nobody has registered."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Json

Name = Annotated[str, typer.Argument(metavar="NAME", help="As tools list shows it.")]


def list_(as_json: Json = False) -> int:
    """Show the tools, what each does, and how its calls went.

    A tool whose calls fail three times in a row, or of which too few succeed, is disabled with its reason.
    """
    from orchestrator.cli import tools_look

    return tools_look.show_all(as_json=as_json)


def add(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="Its TOML file.")],
    as_json: Json = False,
) -> int:
    """Register a tool by its manifest, or read a changed one anew.

    Keys: name, script, does (signatures or their beginnings), phrases, timeout_s, writes (globs of files).
    """
    from orchestrator.cli import past, tools_look
    from orchestrator.outloop import discovery, store, toolbox
    from orchestrator.views.asking import person

    root, _ = past.settled()
    with store.writing(root) as book:
        tool = toolbox.add(book, manifest.resolve(), root)
        changed = toolbox.choose_anew(book, f"{tool.name} is added", person())
        waited = [one.signature for one in discovery.serve_waiting(book)]
    did = f"; it does {', '.join(waited)} from now on, as approved" if waited else ""
    text = f"{tool.name} is registered for {', '.join(tool.does)}{did}{toolbox.told(changed)}"
    more, steps = tools_look.added(tool)
    return tools_look.say(root, tool.name, f"{text}{more}", steps, as_json=as_json)


def remove(name: Name, as_json: Json = False) -> int:
    """Forget a tool of the project's own: another one does its operations, else a model. Its files, its calls and what they saved stay.

    One with the name of a shipped tool makes way for that.
    """
    from orchestrator.cli import past, tools_look
    from orchestrator.cli.terminal import out, show_json
    from orchestrator.outloop import discovery, store, toolbox
    from orchestrator.views.asking import person

    root, _ = past.settled()
    with store.writing(root) as book:
        did = [*toolbox.remove(book, name, person()), *discovery.serve_waiting(book)]
    back = toolbox.covers(name)
    if as_json:
        show_json({"version": 1, "tool": name, "removed": True, "shipped_is_back": back})
        return 0
    instead, steps = tools_look.back(root, name) if back else ("", [])
    out().print(f"{name} is removed{instead}{toolbox.told(did)}")
    for step in steps:
        out().print(f"  next: {step}")
    return 0


def enable(name: Name, as_json: Json = False) -> int:
    """Let a tool work again, and say what it failed with before. That disables it no more."""
    from orchestrator.cli import past, tools_look
    from orchestrator.outloop import discovery, store, toolbox
    from orchestrator.views.asking import person

    root, _ = past.settled()
    why, step = tools_look.failed(root, name)
    with store.writing(root) as book:
        changed = [*toolbox.enable(book, name, person()), *discovery.serve_waiting(book)]
    text = f"{name} is enabled{toolbox.told(changed)}{why}"
    return tools_look.say(root, name, text, [step] if step else (), as_json=as_json)


def disable(
    name: Name,
    why: Annotated[str, typer.Option("--why", metavar="WORDS", help="The reason.")] = "",
    as_json: Json = False,
) -> int:
    """Keep a tool from working: another one does its operations, else a model. Runs hear it before its next try."""
    from orchestrator.cli import past, tools_look
    from orchestrator.outloop import store, toolbox
    from orchestrator.views.asking import person

    root, _ = past.settled()
    with store.writing(root) as book:
        did = toolbox.disable(book, name, why, person())
    return tools_look.say(root, name, f"{name} is disabled{toolbox.told(did)}", as_json=as_json)


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
    from orchestrator.cli.terminal import out, show_json, tell
    from orchestrator.outloop import toolbox

    if changed := toolbox.trouble(toolrun.named(past.here(), name)):
        tell("warning", changed, "yellow")
    ended = toolrun.run(past.here(), name, [_command(words)] if words else [])
    said, how = ended.stdout.rstrip(), toolrun.told(past.here(), name, ended)
    if as_json:
        show_json(
            {
                "version": 1,
                "tool": name,
                "exit_code": ended.exit_code,
                "timed_out": ended.timed_out,
                "why": "" if ended.exit_code == 0 else how,
                "output": said,
            }
        )
    else:
        out().print(said, markup=False, highlight=False)
        out().print(f"{name}: {how}, {ended.duration_s:.1f} s")
    return 0 if ended.exit_code == 0 else 1


def _command(words: Sequence[str]) -> str:
    """One word may be a whole command, quoted by the person."""
    return words[0] if len(words) == 1 else shlex.join(words)
