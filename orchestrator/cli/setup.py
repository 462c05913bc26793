"""doctor, init, version: this machine, this project, this program. Refuses to overwrite settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Json

DISTRIBUTION = "plan-orchestrator"


def _show_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


def program(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """What stands before a command."""


def version() -> int:
    """Show the version."""
    from importlib.metadata import version as installed

    sys.stdout.write(f"orchestrator {installed(DISTRIBUTION)}\n")
    return 0


def doctor(as_json: Json = False) -> int:
    """Look whether all that runs need is here.

    Exit 3 if something is missing.
    """
    from orchestrator.cli import health, past
    from orchestrator.cli.terminal import out, show_json
    from orchestrator.views.text import columns

    findings = health.examine(past.here())
    failed = any(one.mark is health.Mark.PROBLEM for one in findings)
    if as_json:
        show_json({"version": 1, "findings": [one._asdict() for one in findings]})
    else:
        rows = columns([(one.mark, one.what, one.text) for one in findings])
        for one, row in zip(findings, rows, strict=True):
            out().print(row, style=health.STYLES[one.mark])
    return 3 if failed else 0


def hook() -> int:
    """Keep one event of Claude Code's hooks, told on stdin. Says nothing, and exits 0 always."""
    from orchestrator import hook as of_client

    of_client.main()


def init(
    hooks: Annotated[
        bool | None,
        typer.Option(
            "--hooks/--no-hooks",
            help="Count what Claude Code does here when you talk to it yourself, or count it no more.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Write a settings file for this project.

    .orchestrator/config.toml with all defaults as comments, if there is none yet. --hooks puts ours into
    .claude/settings.json beside those of others, and --no-hooks only takes them away.
    """
    from orchestrator.cli import past

    root = past.here()
    if hooks is False:
        return _without_hooks(root)
    _write_settings(root, alone=hooks is None)
    return _with_hooks(root) if hooks else 0


def _with_hooks(root: Path) -> int:
    from orchestrator import journal, settings
    from orchestrator.cli.terminal import out, tell
    from orchestrator.outloop import installing
    from orchestrator.views.text import NEXT

    if installing.install(root):
        out().print(f"✓ hooks are in {root / installing.FILE}", style="green")
        out().print("  next: start claude here anew; orchestrator patterns analyze counts")
    else:
        out().print(f"nothing to do: the hooks are in {root / installing.FILE}")
    if off := installing.switched_off(root):
        why = f'{off} says "disableAllHooks": true, so none runs'
        tell("warning", f"{why}{NEXT}take it out of there", "yellow")
    if not settings.load(root).patterns.detect:
        step = "set detect = true below [patterns] in .orchestrator/config.toml"
        tell("warning", f"patterns.detect is false, so hooks keep nothing{NEXT}{step}", "yellow")
    home = root / journal.HOME
    if home.is_symlink():
        tell("warning", f"{home} is a link, so hooks keep nothing{NEXT}make it a folder", "yellow")
    return 0


def _without_hooks(root: Path) -> int:
    from orchestrator.cli.terminal import out
    from orchestrator.outloop import installing, spool

    done = installing.remove(root)
    place = root / installing.FILE
    told = f"✓ no hook of ours is in {place} any more" if done else "nothing to do: there are none"
    out().print(told, style="green" if done else "")
    if waiting := spool.waiting(root):
        out().print(f"{waiting} of their events are not counted yet")
        out().print("  next: orchestrator patterns analyze")
    return 0


def _write_settings(root: Path, *, alone: bool) -> None:
    """`alone`: nothing else was asked for."""
    from orchestrator import journal, settings
    from orchestrator.cli.terminal import is_interactive, out, tell
    from orchestrator.disk import write_whole
    from orchestrator.views.text import NEXT

    path = root / journal.HOME / "config.toml"
    if path.exists():
        if alone:
            tell("nothing to do", f"{path} is there{NEXT}edit it, or remove it and try again")
        return
    chosen = settings.load(root)
    workers = _ask_workers(chosen.run.workers) if is_interactive() else None
    defaults = settings.shipped().read_text(encoding="utf-8")
    journal.make_home(root)
    write_whole(path, commented(defaults, workers))
    out().print(f"✓ wrote {path}", style="green")
    out().print("  next: orchestrator doctor")


def commented(defaults: str, workers: int | None) -> str:
    """Section names stay, values become comments: what is not written here follows the program."""
    rows = []
    for row in defaults.splitlines():
        if workers is not None and row.startswith("workers ="):
            rows.append(f"workers = {workers}")
        else:
            rows.append(row if not row or row.startswith(("#", "[")) else f"# {row}")
    return "\n".join(rows) + "\n"


def _ask_workers(usual: int) -> int | None:
    """None: the default, which then stays a comment."""
    sys.stdout.write(f"How many tasks at once? [{usual}] ")
    sys.stdout.flush()
    typed = sys.stdin.readline().strip()
    if not typed:
        return None
    if not typed.isdecimal() or not 1 <= int(typed) <= 64:
        sys.stdout.write("A number from 1 to 64, or nothing.\n")
        return _ask_workers(usual)
    return int(typed)
