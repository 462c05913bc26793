"""The help page of a command: what it does, how it is called, each word. Refuses boxes, types and other noise."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup

WIDTH = 100
Pair = tuple[str, str]


class Command(TyperCommand):
    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(render(self, ctx))


class Group(TyperGroup):
    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(render(self, ctx))


def render(command: Any, context: Any) -> str:
    arguments = [one for one in command.get_params(context) if one.param_type_name == "argument"]
    options = [one for one in command.get_params(context) if one.param_type_name == "option"]
    inner = list(getattr(command, "commands", {}).values())
    below = "[COMMAND]" if getattr(command, "invoke_without_command", False) else "COMMAND"
    usage = ["[OPTIONS]", *(_call(one) for one in arguments), *([below] if inner else [])]
    parts = [
        *_paragraphs(command.help or ""),
        f"Usage: {context.command_path} {' '.join(usage)}",
        *_listed("Commands", [(one.name, _first(one.help)) for one in inner if not one.hidden]),
        *_listed("Arguments", [(_call(one), one.help or "") for one in arguments]),
        *_listed("Options", [(_flags(one), one.help or "") for one in options]),
        *_paragraphs(command.epilog or ""),
    ]
    return "\n\n".join(parts) + "\n"


def _call(argument: Any) -> str:
    name = f"{argument.metavar}{'...' if argument.nargs != 1 else ''}"
    return name if argument.required else f"[{name}]"


def _flags(option: Any) -> str:
    takes = "" if getattr(option, "is_flag", False) or not option.metavar else f" {option.metavar}"
    names = [*option.opts, *getattr(option, "secondary_opts", ())]  # the words for no, too
    return ", ".join(sorted(names, key=len)) + takes


def _first(text: str | None) -> str:
    return (text or "").strip().split("\n\n")[0]


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in textwrap.dedent(text).strip().split("\n\n"):
        if paragraph:
            yield textwrap.fill(" ".join(paragraph.split()), WIDTH, break_on_hyphens=False)


def _listed(title: str, pairs: list[Pair]) -> Iterator[str]:
    """Two columns; nothing if there is nothing to list."""
    if pairs:
        wide = max(len(name) for name, _ in pairs) + 4
        rows = (_pair(name, text, wide) for name, text in pairs)
        yield "\n".join([f"{title}:", *rows])


def _pair(name: str, text: str, wide: int) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=f"  {name}".ljust(wide),
        subsequent_indent=" " * wide,
        break_on_hyphens=False,
        break_long_words=False,
    )
