"""watch, serve, trust, cancel, notify: plans that are run day and night, and how people steer them. Refuses to run a text that nobody trusts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Json, Run, Workers

Top = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="The folder whose plans are run; plans if none is named."),
]
TrustAll = Annotated[
    bool,
    typer.Option(
        "--trust-all", help="Run every plan that lies there; else each text must be trusted."
    ),
]


def watch(top: Top = Path("plans"), trust_all: TrustAll = False, workers: Workers = None) -> int:
    """Run the plans of a folder as they come, until it is told to end."""
    from orchestrator.cli import serving

    return serving.watch(top, trusts_all=trust_all, workers=workers)


def serve(
    top: Top = Path("plans"),
    trust_all: TrustAll = False,
    workers: Workers = None,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="ADDRESS", help="Listen there.", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", metavar="N", min=0, max=65535, help="0: any that is free.", show_default=False
        ),
    ] = None,
    expose: Annotated[
        bool,
        typer.Option(
            "--expose", help="Listen elsewhere than on this machine; needs TLS or a proxy."
        ),
    ] = False,
    new_token: Annotated[
        bool,
        typer.Option(
            "--new-token", help="Take another token than the daemon before; who has that is out."
        ),
    ] = False,
) -> int:
    """Do what watch does, with a page for people and an API for programs."""
    from orchestrator.cli import serving

    flags = {"host": host, "port": port, "expose": expose or None}
    return serving.serve(top, flags, trusts_all=trust_all, workers=workers, new_token=new_token)


def trust(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Plan files, or folders with plans.")
    ],
    usd: Annotated[
        float | None,
        typer.Option(
            "--usd",
            metavar="N",
            min=0,
            help="Each may be expected to cost so many dollars, also above budget.ask_usd.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Let a daemon run these plans as they are now; a changed text must be trusted anew."""
    from orchestrator.cli import serving

    return serving.trust(paths, usd)


def cancel(name: Run, as_json: Json = False) -> int:
    """Stop a run that goes on; what is done stays, and it can be resumed."""
    from orchestrator.cli import serving

    return serving.cancel(name, as_json=as_json)


def notify() -> int:
    """Send a test message to whoever [notify] names."""
    from orchestrator.cli import serving

    return serving.notify()
