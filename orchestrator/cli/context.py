"""context profile: which files the tasks of a pattern needed. Refuses a pattern that nobody has seen."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import Json


def profile(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="Its signature or number.")],
    as_json: Json = False,
) -> int:
    """Show which files the tasks of a pattern read, and which of them they needed."""
    from orchestrator import settings
    from orchestrator.cli import past
    from orchestrator.cli.terminal import out, show_json
    from orchestrator.outloop import profiles
    from orchestrator.views import waste

    root = past.here()
    found = profiles.build(root, pattern, settings.load(root).context.tokens_per_file)
    if as_json:
        show_json({"version": 1, "profile": found._asdict() if found else None})
    elif found is None:
        out().print(f"{pattern}: none of its attempts told what it read")
    else:
        for line in waste.profile(found):
            out().print(line)
    return 0
