"""Orders to the daemon that holds the project, over its own HTTP. Refuses to send its token to who does not hold it, and to wait for ever."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from orchestrator import journal, settings
from orchestrator.cli import past
from orchestrator.cli.terminal import err, show_json, tell
from orchestrator.daemon import telling
from orchestrator.daemon.telling import ASKING
from orchestrator.errors import JournalLocked, RecordError, UsageError
from orchestrator.journal import RunRow
from orchestrator.model import RunId
from orchestrator.process.fence import PRIVATE
from orchestrator.views import documents
from orchestrator.views.text import NEXT, command, counted, near, plain

FILE = "http.json"  # written by orchestrator/web/server.py
LIMIT_S = 30.0
LOOK_S = 3.0  # how long what becomes of a plan is looked at
MOST = 1 << 22  # bytes of an answer
MOST_NAMES = 3  # of plans, in one line
AT_ONCE = 50  # plans in one request
OURS = frozenset({400, 404, 405, 409, 413, 422})  # what is wrong there is in our words
BROKEN = 2  # the exit code: its author edits the plan
SENT = ("budget_usd", "budget_tokens", "plan_budget_usd", "plan_budget_tokens")


@dataclass(frozen=True, slots=True)
class Place:
    url: str
    token: str
    socket: str | None


@dataclass(frozen=True, slots=True)
class Daemon:
    """Who holds the project. Without a place it takes no orders: `orchestrator watch`."""

    root: Path
    pid: str
    place: Place | None
    limit_s: float = LIMIT_S

    @property
    def page(self) -> str | None:
        """None: a browser cannot reach it."""
        return self.place.url if self.place and not self.place.socket else None

    def get(self, path: str) -> dict[str, Any]:
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        assert self.place is not None
        headers = {
            "Host": urlsplit(self.place.url).netloc,
            "Authorization": f"Bearer {self.place.token}",
            **({"Content-Type": "application/json"} if body is not None else {}),
        }
        connection = _connection(self.root, self.place, self.limit_s)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            found = json.loads(answer.read(MOST))
            if not isinstance(found, dict):
                raise ValueError("that is no answer of ours")
        except TimeoutError as late:
            raise RecordError(
                f"the daemon (pid {self.pid}) has not answered within {self.limit_s:g} s; it may still do it."
                f"{NEXT}look with: {command('runs')}"
            ) from late
        except ssl.SSLCertVerificationError as other:
            raise RecordError(
                f"the daemon (pid {self.pid}) shows another certificate at {self.place.url} than the one of http.cert: "
                f"{other.verify_message}.{NEXT}name its own there, or start it anew with that one"
            ) from other
        except (OSError, http.client.HTTPException, ValueError) as trouble:
            where = self.place.socket or self.place.url
            raise RecordError(
                f"the daemon (pid {self.pid}) cannot be asked at {where}: {trouble}."
                f"{NEXT}see what it has printed, and start it again if it has ended"
            ) from trouble
        finally:
            connection.close()
        if answer.status >= 400:
            raise self._refused(answer.status, found)
        return found

    def _refused(self, status: int, told: Mapping[str, Any]) -> UsageError | RecordError:
        words = plain(str(told.get("error", f"it answers {status}")))
        step = told.get("next")
        text = f"{words}.{NEXT}{plain(str(step))}" if step else words
        if status in OURS:
            return UsageError(text)
        return RecordError(f"the daemon (pid {self.pid}): {text}")


class _OverSocket(http.client.HTTPConnection):
    def __init__(self, path: str, limit_s: float) -> None:
        super().__init__("localhost", timeout=limit_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(root: Path, place: Place, limit_s: float) -> http.client.HTTPConnection:
    if place.socket:
        return _OverSocket(place.socket, limit_s)
    url = urlsplit(place.url)
    host, port = url.hostname or "", url.port
    if url.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=limit_s)
    return http.client.HTTPSConnection(host, port, timeout=limit_s, context=_its_own(root))


def _its_own(root: Path) -> ssl.SSLContext:
    """Only the daemon's own certificate, whatever name it is for: we ask by the address."""
    cert = root / Path(settings.load(root).http.cert).expanduser()
    try:
        context = ssl.create_default_context(cafile=str(cert))
    except OSError as wrong:
        raise RecordError(f"http.cert: {cert}: {wrong}; correct it there") from wrong
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


# --- who it is


def find(root: Path) -> Daemon | None:
    """None: nobody holds the project (whatever a file says that a dead daemon left), or a run of the command line does."""
    held = journal.holder(root)
    if held is None:
        return None
    pid, _ = held
    place = _written(root, pid)
    if place is None and telling.writer(root) != pid:
        return None
    return Daemon(root, pid, place)


def _written(root: Path, pid: str) -> Place | None:
    """Of that process alone: one that died may have left the file, and others have its port now."""
    path = root / PRIVATE / FILE
    try:
        told = json.loads(path.read_text("utf-8"))
        if str(told["pid"]) != pid:
            return None
        return Place(str(told["url"]), str(told["token"]), told.get("socket"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as refused:
        raise RecordError(
            f"{path} cannot be read: {refused.strerror}.{NEXT}ask as the user whom the daemon (pid {pid}) runs as"
        ) from refused
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise RecordError(
            f"{path} cannot be read: {wrong}.{NEXT}start the daemon (pid {pid}) anew, which writes it"
        ) from wrong


def own_page(root: Path) -> str | None:
    """Where people find the pages of this process. None: it has none, or no browser reaches them."""
    place = _written(root, str(os.getpid()))
    if place is None or place.socket:
        return None
    proxy = settings.load(root).http.proxy
    return f"https://{proxy}" if proxy else place.url


def second(root: Path) -> JournalLocked | None:
    """What who starts another daemon is told of the first. None: it is none that holds the project."""
    daemon = find(root)
    if daemon is None:
        return None
    place = daemon.place
    where = f"orchestrator serve, {place.socket or place.url}" if place else "orchestrator watch"
    runs = sorted(journal.live_runs(root) or ())
    busy = f" and works on run{'s' if len(runs) > 1 else ''} {', '.join(runs)}" if runs else ""
    return JournalLocked(
        f"a daemon ({where}, pid {daemon.pid}) holds {root} already{busy}; a project has one."
        f"{NEXT}to start another, end it first: kill {daemon.pid}"
    )


def _refuse_watch(daemon: Daemon, what: str, before: str = "") -> None:
    """JournalLocked for what cannot be told by a file."""
    if daemon.place is None:
        raise JournalLocked(
            f"a daemon without HTTP (orchestrator watch, pid {daemon.pid}) holds {daemon.root}, and cannot be asked to {what}."
            f"{NEXT}{before}end it (kill {daemon.pid}) and start `orchestrator serve` in its place, which can"
        )


def tell_of_waiting(root: Path) -> None:
    """Of the plans in a daemon's folder that no run has yet, and what brings the first of them forward."""
    plans = telling.read(root)
    if not plans:
        return
    states = Counter(state for _, state in plans)
    whole = ", ".join(f"{count} {state}" for state, count in states.items())
    asking = [near(root, path) for path, state in plans if state == "untrusted"]
    step = command("trust", *asking[:MOST_NAMES]) if asking else "see what the daemon has printed"
    more = f" (and {len(asking) - MOST_NAMES} more)" if asking[MOST_NAMES:] else ""
    what = "waits" if len(plans) == 1 else "wait"
    tell("note", f"{counted(len(plans), 'plan')} of the daemon {what} ({whole}){NEXT}{step}{more}")


# --- what it is asked


def resume(
    daemon: Daemon,
    found: past.Past,
    changes: Mapping[str, object],
    sandbox: str | None,
    *,
    as_json: bool,
) -> int:
    _refuse_watch(daemon, f"go on with run {found.row.id}")
    _refuse_flags({**{key: changes[key] for key in changes if key not in SENT}, "sandbox": sandbox})
    body = {key: value for key, value in changes.items() if key in SENT}
    told = daemon.post(f"/api/runs/{_part(found.row.id)}/resume", body)
    err().print(f"✓ {plain(str(told['done']))}, in the daemon (pid {daemon.pid})")
    _say_how_to_follow(daemon, found.row.id)
    if as_json:
        show_json(documents.document(found.watched, found.row.id, None, ()))
    return 0


def cancel(daemon: Daemon, run: RunId) -> None:
    daemon.post(f"/api/runs/{_part(run)}/cancel", {})


def enqueue(
    daemon: Daemon,
    files: Sequence[Path],
    flags: Mapping[str, object],
    *,
    again: bool,
    as_json: bool,
) -> int:
    """The plans of its folder, which it looks at now. What it would not run again is told."""
    _refuse_flags(flags)
    names = [file.relative_to(daemon.root).as_posix() for file in files]
    if not again:
        had = past.had_this_text(daemon.root, names)
        for name, row in had.items():
            _tell_of_its_run(daemon, name, row)
        names = [name for name in names if name not in had]
    if names:
        _refuse_watch(daemon, *_wanted(daemon.root, names[0], again=again))
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        daemon.post("/api/plans", {"paths": some, "again": again})
    standing = _standing(daemon, names) if names else {}
    for name in names:
        _tell_how_it_stands(daemon, name, standing.get(name))
    if as_json:
        show_json(_document(daemon, names, standing))
    states = {one["state"] for one in standing.values()}
    if "broken" in states:
        return BROKEN
    return 5 if states.intersection(ASKING) else 0


def expected(root: Path, path: str) -> float:
    """Dollars that a person must allow that plan, as the daemon that holds the project says; 0 where none asks."""
    daemon = find(root)
    if daemon is None or daemon.place is None:
        return 0.0
    plans = daemon.get("/api/plans/waiting")["plans"]
    return next((float(one["asks_usd"]) for one in plans if one["path"] == path), 0.0)


def _wanted(root: Path, name: str, *, again: bool) -> tuple[str, str]:
    """What a daemon is to do, and what is easier than to end one that cannot be asked."""
    shown = near(root, name)
    if again:
        return f"run {shown} again", ""
    return (
        f"run {shown}",
        f"it runs what lies in its folder, once that is trusted ({command('trust', shown)}); or ",
    )


def _refuse_flags(given: Mapping[str, object]) -> None:
    words = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if words:
        raise UsageError(
            f"the daemon that holds this project goes by its own settings, and takes no {', '.join(words)}."
            f"{NEXT}leave it out, or end the daemon first"
        )


def _standing(daemon: Daemon, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How each waits or runs, once the daemon has looked; it can be that some are over by then."""
    deadline = time.monotonic() + LOOK_S
    while True:
        plans = daemon.get("/api/plans/waiting")["plans"]
        found = {one["path"]: one for one in plans if one["path"] in names}
        settled = all(found.get(name, {}).get("state", "arriving") != "arriving" for name in names)
        if settled or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def _tell_of_its_run(daemon: Daemon, name: str, row: RunRow) -> None:
    shown = near(daemon.root, name)
    if row.id in (journal.live_runs(daemon.root) or ()):
        tell("nothing to do", f"run {row.id} works on {shown}{NEXT}{command('show', row.id)}")
        return
    steps = [f"{command('run', '--again', shown)} runs it anew"]
    if row.exit_code != 0:
        steps.append(f"{command('resume', row.id)} goes on with it")
    why = f"run {row.id} has had this text of {shown}"
    tell("nothing to do", f"{why}{NEXT}{'; '.join(steps)}")


def _tell_how_it_stands(daemon: Daemon, name: str, one: Mapping[str, Any] | None) -> None:
    shown = near(daemon.root, name)
    if one is None:
        err().print(f"✓ {shown}: the daemon (pid {daemon.pid}) has looked at it")
        _say_how_to_follow(daemon, None)
    elif one["state"] == "running":
        err().print(f"✓ {shown}: run {one['run']} works on it, in the daemon (pid {daemon.pid})")
        _say_how_to_follow(daemon, one["run"])
    else:
        usd = ("--usd", f"{one['asks_usd']:.2f}") if one["state"] == "unapproved" else ()
        step = f"{NEXT}{command('trust', *usd, shown)}" if one["state"] in ASKING else ""
        if one["state"] == "broken":
            step = f"{NEXT}{command('lint', shown)}"
        why = plain(one["why"], 300)
        tell("waits", f"{shown} is {one['state']}: {why}{step}")
        if not step:
            _say_how_to_follow(daemon, None)


def _say_how_to_follow(daemon: Daemon, run: str | None) -> None:
    page = f"{daemon.page}/{f'runs/{_part(run)}' if run else ''}" if daemon.page else ""
    words = command("show", run) if run else command("runs")
    err().print(f"  next: {words}{f', or its page: {page}' if page else ''}")


def _document(
    daemon: Daemon, names: Sequence[str], standing: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """That of a run which is not over, and what became of each plan."""
    if not names:
        return documents.NOTHING
    keys = ("state", "why", "run")
    plans = [
        {"path": name, **{key: standing.get(name, {}).get(key) for key in keys}} for name in names
    ]
    runs = {one["run"] for one in plans if one["state"] == "running"}
    run = runs.pop() if len(runs) == 1 else None
    told = {"pid": int(daemon.pid), "url": daemon.page}
    return {**documents.NOTHING, "run": run, "exit_code": None, "daemon": told, "plans": plans}


def _part(name: str) -> str:
    return quote(name, safe="")
