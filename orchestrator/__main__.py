"""`python -m orchestrator` and the `orchestrator` command: a client's hook before all that is heavy, everything else by the command line."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    words = sys.argv[1:]
    asks_help = not {"--help", "-h"}.isdisjoint(words)
    if words[:1] == ["hook"] and not asks_help:  # what a client says wrong, too, must end well
        from orchestrator import hook

        hook.main()
    import signal

    # Ctrl-C while it loads ends it without a word, and so it does once all is done: of the one Python can make an error of
    # the class that is being made, of the other a traceback at its own end.
    hears = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if hears:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from orchestrator.cli import main as command

    try:
        if hears:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        command()
    except KeyboardInterrupt:  # in the moment before or after all that answers to it
        sys.exit(130)
    finally:
        if hears:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
