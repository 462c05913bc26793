"""`python -m orchestrator` and the `orchestrator` command: a client's hook before all that is heavy, everything else by the command line."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    words = sys.argv[1:]
    if words[:1] == ["hook"] and not {"--help", "-h"} & set(
        words
    ):  # what a client says wrong, too, must end well
        from orchestrator import hook

        hook.main()
    from orchestrator.cli import main as command

    command()


if __name__ == "__main__":
    main()
