"""The daemon, its pages and who steers it, put together. Refuses a second daemon in a project, and tells who the first is."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from orchestrator import clock, inbox, project, settings
from orchestrator.cli import duties, past, remote
from orchestrator.cli.terminal import err, out, show_json, tell
from orchestrator.daemon import trust as trusting
from orchestrator.daemon.door import Door
from orchestrator.daemon.lasting import Beside
from orchestrator.daemon.notices import deliver, message
from orchestrator.daemon.supervisor import Supervisor, Words
from orchestrator.errors import JournalLocked, SettingsError, UsageError
from orchestrator.inbox import Letter
from orchestrator.intelligence import runs as own
from orchestrator.intelligence import sharing
from orchestrator.model import RunId
from orchestrator.project import Loaded
from orchestrator.reader.discover import project_root
from orchestrator.settings import Settings
from orchestrator.views.asking import person
from orchestrator.views.interrupted import would_go_on
from orchestrator.views.text import NEXT, command, cost, counted, doubts, lines, near


def watch(top: Path, *, trusts_all: bool, workers: int | None) -> int:
    supervisor = _supervisor(top, {}, trusts_all=trusts_all, workers=workers)
    return _keep(supervisor)


def serve(
    top: Path,
    flags: Mapping[str, object],
    *,
    trusts_all: bool,
    workers: int | None,
    new_token: bool,
) -> int:
    from orchestrator.cli.estimate import foresee
    from orchestrator.web import server  # it takes long to load

    supervisor = _supervisor(top, flags, trusts_all=trusts_all, workers=workers)
    door = Door(supervisor)
    shows = sys.stdout.isatty()  # a log is read by others, too
    served = partial(server.serve, shows_link=shows, new_token=new_token)
    pages = partial(served, door, supervisor.settings, _say, foresee)
    return _keep(supervisor, pages)


def _keep(supervisor: Supervisor, *beside: Beside) -> int:
    try:
        anyio.run(supervisor.keep, *beside)
    except JournalLocked as held:
        raise remote.second(supervisor.root) or held from held
    return 0


def _supervisor(
    top: Path, flags: Mapping[str, object], *, trusts_all: bool, workers: int | None
) -> Supervisor:
    if top.exists() and not top.is_dir():
        step = command("watch", str(top.parent))
        raise UsageError(f"{top} is no folder; a daemon takes one{NEXT}{step}")
    here = project_root(Path.cwd())
    root = project_root(top) if top.exists() else here
    if root != here:
        tell("warning", f"{top} is of the project {root}, not of {here}; it runs there", "yellow")
    place = (Path.cwd() / top).resolve()
    if not place.is_relative_to(root):
        raise UsageError(f"{top} is outside of the project {root}; a daemon keeps to one project")
    words = {"run": {"workers": workers}, "http": flags} if flags else {"run": {"workers": workers}}

    def load() -> Settings:
        return own.load(root, words).settings

    past.learn_secrets(root)
    sharing.integration(root)  # what is wrong with it is told before anything starts
    if not place.is_dir():
        tell("warning", f"{top} is not there yet; its plans are run once it is", "yellow")
    if trusts_all:
        tell("warning", "every plan that is put there is run (--trust-all)", "yellow")
    shared = partial(_shared, root)
    by_clock = partial(duties.of, root, load)
    page = partial(remote.own_page, root)
    return Supervisor(Words(root, place, load, _say, trusts_all, by_clock, shared, page))


@asynccontextmanager
async def _shared(root: Path, run: RunId) -> AsyncIterator[None]:
    """The other runs go on while a server is waited for."""
    around = sharing.shared(root, lambda: run, lambda told: _say(f"{run}  warning: {told}"))
    await to_thread.run_sync(around.__enter__)
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(around.__exit__, None, None, None)


def _say(line: str) -> None:
    """Each with its time: nobody looks while it is said. A full disk behind it, or nobody at its end, must not end the runs."""
    at = datetime.fromtimestamp(clock.wall()).astimezone()
    with suppress(OSError):
        for row in lines(line):
            out().print(f"{at:%Y-%m-%d %H:%M:%S}  {row}")


def trust(paths: Sequence[Path], usd: float | None = None) -> int:
    root = project_root(paths[0].parent if paths[0].is_symlink() else paths[0])
    loaded = settings.load(root).reader
    files = project.find(paths)
    project.refuse_outside(root, files)
    at = datetime.fromtimestamp(clock.wall(), UTC).isoformat(timespec="seconds")
    for source in project.sources(root, files, loaded.max_bytes):
        found = project.load(root, [source], loaded)
        digest = trusting.digest(source.content)
        trusting.trust(root, digest, source.path, person(), at, usd)
        allowed = f", and cost up to {cost(usd)}" if usd is not None else ""
        _tell_of(near(root, source.path), found, allowed)
        if usd is not None and (needed := remote.expected(root, source.path)) > usd:
            step = command("trust", "--usd", f"{needed:.2f}", near(root, source.path))
            told = f"{near(root, source.path)} is expected to cost {cost(needed)}, so it waits"
            tell("warning", f"{told}{NEXT}{step}", "yellow")
    return 0


def _tell_of(name: str, found: Loaded, allowed: str) -> None:
    """What becomes of a text that is trusted now."""
    if found.errors:
        first, more = found.errors[0], len(found.errors) - 1
        rest = f" (and {counted(more, 'error')} more)" if more else ""
        right = f"put that right; then it is another text: {command('trust', name)}"
        told = (
            f"{name} is trusted, and does not run: {first.file}:{first.line}: {first.message}{rest}"
        )
        return tell("warning", f"{told}{NEXT}{right}", "yellow")
    err().print(f"✓ {name} may run as it is now{allowed}")
    if told := doubts(found.diagnostics):
        tell("warning", f"{name}: {told}{NEXT}{command('lint', name)}", "yellow")


def cancel(name: str, *, as_json: bool) -> int:
    found = past.reopen(past.here(), name)
    if not found.live and not would_go_on(found.row, found.watched.history):
        raise UsageError(f"run {found.row.id} does not go on now; there is nothing to stop")
    daemon = remote.find(found.root)
    if daemon is not None and daemon.place is not None:
        remote.cancel(daemon, found.row.id)
    else:
        inbox.post(found.root, Letter(do="cancel", run=found.row.id, by=person(), via="command"))
    if as_json:
        show_json({"version": 1, "run": found.row.id, "cancelled": True})
    else:
        what = "is being stopped" if found.live else "is not taken up again by a daemon"
        err().print(f"✓ run {found.row.id} {what}. Next: orchestrator resume {found.row.id}")
    return 0


def notify() -> int:
    root = past.here()
    chosen = settings.load(root).notify
    if not (chosen.command or chosen.webhook):
        raise SettingsError(
            "nobody is named to be told. Next: write command or webhook below [notify] in .orchestrator/config.toml"
        )
    told: dict[str, Any] = message("test", "this is a test of orchestrator's notifications", root)
    if trouble := anyio.run(deliver, chosen, root, told):
        raise SettingsError(f"{trouble}; put it right below [notify]")
    err().print("✓ told")
    return 0
