"""`python -m orchestrator.cli.reference`: docs/cli.md from the commands themselves. Refuses text that is nowhere in them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import typer
from typer.core import TyperGroup

from orchestrator.cli import page

HEAD = """# The command line

Written by `python -m orchestrator.cli.reference > docs/cli.md`; a test compares it.
"""


def render() -> str:
    from orchestrator.cli import app

    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return "\n".join([HEAD, *_sections(group)])


def _sections(group: TyperGroup) -> Iterator[str]:
    words = group.context_settings
    context = typer.Context(group, info_name="orchestrator", **words)
    yield _fenced(page.render(group, context))
    yield from _below(group, context)


def _below(group: TyperGroup, context: typer.Context) -> Iterator[str]:
    for name, command in group.commands.items():
        if not command.hidden:
            inner = typer.Context(command, info_name=name, parent=context)
            yield f"## {inner.command_path}\n"
            yield _fenced(page.render(command, inner))
            if isinstance(command, TyperGroup):
                yield from _below(command, inner)


def _fenced(text: str) -> str:
    return f"```text\n{text}```\n"


if __name__ == "__main__":
    sys.stdout.write(render())
