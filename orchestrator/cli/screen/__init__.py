"""Who watches a run: a live table on a terminal, plain lines elsewhere, silence for --json. Refuses to guess which."""

from __future__ import annotations

from orchestrator.cli.screen.plain import PlainScreen, SilentScreen
from orchestrator.cli.terminal import is_interactive, is_screen
from orchestrator.views.words import Words

__all__ = ["PlainScreen", "choose"]


def choose(words: Words, *, as_json: bool) -> PlainScreen:
    if as_json:
        return SilentScreen(words)
    if not is_screen():
        return PlainScreen(words)
    from orchestrator.cli.screen.table import LiveScreen

    return LiveScreen(words, can_ask=is_interactive())
