"""The application on a port or a Unix socket, beside whatever else its event loop does. Refuses to be reached from elsewhere without TLS, and to take a token that others may have read."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import secrets
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import uvicorn
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from orchestrator import journal
from orchestrator.errors import RecordError, SettingsError
from orchestrator.process.fence import PRIVATE
from orchestrator.settings import HttpSettings, Settings
from orchestrator.views.house import Daemon
from orchestrator.web import app, security
from orchestrator.web.security import TOKEN_FILE, Guard
from orchestrator.web.seen import Foresee, Seen
from orchestrator.web.stream import Streams

FILE = "http.json"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43,200}")
CONNECTIONS = 256
BACKLOG = 64
KEEP_S, END_S = 5, 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where it can be reached, once it is bound."""

    url: str  # for people
    direct: str  # for programs here: not by the proxy
    hosts: frozenset[str]
    origins: frozenset[str]
    port: int
    socket: Path | None


async def serve(
    daemon: Daemon,
    settings: Settings,
    say: Callable[[str], None],
    foresee: Foresee | None = None,
    *,
    shows_link: bool = True,
    new_token: bool = False,
    task_status: TaskStatus[str] = TASK_STATUS_IGNORED,
) -> None:
    """Until it is cancelled. Started with the address of the log-in, token and all, which is said only where `shows_link`. SettingsError where it may not, or cannot.

    `new_token`: whoever had the one before, or a session by it, is out.
    """
    http, root = settings.http, daemon.root
    refuse_exposure(http)
    with _bound(http, root) as listener:
        place = _place(http, root, listener)
        guard = _guard(place, _token(root, new=new_token))
        streams = Streams(daemon, say)
        front = app.build(Seen(daemon, settings, foresee), streams, guard, say)
        server = _server(front, http, root)
        with _written(root, place, guard.token):
            async with anyio.create_task_group() as beside:
                beside.start_soon(streams.pump)

                def begun() -> None:
                    link = f"{place.url}/login#{guard.token}"
                    where = f" over {place.socket}" if place.socket else ""
                    hidden = f"{place.url} (the token is in {TOKEN_FILE})"
                    say(f"pages and API{where}: {link if shows_link else hidden}")
                    task_status.started(link)
                    beside.start_soon(front.prepare)

                await _run(server, listener, begun)


async def _run(server: uvicorn.Server, listener: socket.socket, begun: Callable[[], None]) -> None:
    """Not `Server.serve`: that takes our signals, and wakes ten times a second."""
    await server.startup(sockets=[listener])
    try:
        begun()
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await server.shutdown(sockets=[listener])


def _server(front: object, http: HttpSettings, root: Path) -> uvicorn.Server:
    config = uvicorn.Config(
        front,  # type: ignore[arg-type]
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # what clients do wrong is theirs; what we do wrong, front.py says
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_S,
        timeout_graceful_shutdown=END_S,
        h11_max_incomplete_event_size=2 * security.MOST_HEAD,
        ssl_certfile=root / Path(http.cert).expanduser() if http.cert else None,
        ssl_keyfile=root / Path(http.key).expanduser() if http.key else None,
    )
    try:
        config.load()
    except OSError as wrong:
        raise SettingsError(f"http.cert, http.key: {wrong}; correct them there") from wrong
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server


# --- where


def refuse_exposure(http: HttpSettings) -> None:
    """SettingsError where it could be reached from elsewhere and nobody has said so, or in the clear."""
    if bool(http.cert) != bool(http.key):
        raise SettingsError("http.cert and http.key go together; write both, or none")
    if http.socket and http.cert:
        raise SettingsError(
            "http.socket and http.cert do not go together: what a Unix socket carries does not leave this machine. "
            "Leave out http.cert and http.key, or http.socket"
        )
    if http.socket or _is_local(http.host):
        return
    if not http.expose:
        raise SettingsError(
            f"http.host = {http.host!r} can be reached from other machines; write 127.0.0.1, "
            "or --expose (http.expose) together with http.cert and http.key, or http.proxy"
        )
    if not (http.cert or http.proxy):
        raise SettingsError(
            "http.expose without TLS would show the token to the network; write http.cert and http.key, "
            "or the name of a TLS proxy in front of it as http.proxy"
        )
    if http.host in ("0.0.0.0", "::") and not (http.proxy or http.allowed_hosts):  # noqa: S104
        raise SettingsError(
            f"http.host = {http.host!r} is no name that clients call; write theirs into http.allowed_hosts, "
            "each with its port"
        )


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _place(http: HttpSettings, root: Path, listener: socket.socket) -> Place:
    scheme = "https" if http.cert else "http"
    more = [*http.allowed_hosts, *([http.proxy] if http.proxy else [])]
    path = root / http.socket if http.socket else None
    if path is not None:
        hosts, port, url = (
            frozenset({"localhost", *(m.lower() for m in more)}),
            0,
            "http://localhost",
        )
    else:
        port = listener.getsockname()[1]
        hosts = security.names(http.host, port, more)
        bare = f"[{http.host}]" if ":" in http.host else http.host
        url = f"{scheme}://{bare}:{port}"
    ours = security.origins(hosts - {http.proxy.lower()}, scheme)
    if http.proxy:
        ours |= security.origins({http.proxy.lower()}, "https")
    public = f"https://{http.proxy}" if http.proxy else url
    return Place(public, url, hosts, ours, port, path)


def _guard(place: Place, token: str) -> Guard:
    """Cookies know no ports: each has a name of its own, or two daemons would log each other's people out."""
    secure = place.url.startswith("https:")
    name = f"orchestrator-{place.port}"
    return Guard(
        token=token,
        hosts=place.hosts,
        origins=place.origins,
        cookie=f"__Host-{name}" if secure else name,
        secure=secure,
    )


@contextmanager
def _bound(http: HttpSettings, root: Path) -> Iterator[socket.socket]:
    path = root / http.socket if http.socket else None
    try:
        listener = _at_path(path) if path else _at_port(http.host, http.port)
    except OSError as refused:
        where = path or f"{http.host}, port {http.port}"
        other = (
            "a shorter or free one as http.socket" if path else "another with --port (http.port)"
        )
        raise SettingsError(
            f"cannot listen at {where}: {refused.strerror or refused}; choose {other}"
        ) from refused
    try:
        yield listener
    finally:
        listener.close()
        if path is not None:
            path.unlink(missing_ok=True)


def _at_port(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _at_path(path: Path) -> socket.socket:
    """Only its owner can connect. One that nobody listens at was left by who died."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode) and not _answers(path):
            path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # on Linux what is bound has these rights from its beginning
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _token(root: Path, *, new: bool) -> str:
    """That of the daemon before: browsers stay logged in, and scripts go on. RecordError where it cannot be kept."""
    path = root / TOKEN_FILE
    kept = None if new else _kept(path)
    if kept is None:
        kept = secrets.token_urlsafe(32)
        _write(root, path, f"{kept}\n")
    return kept


def _kept(path: Path) -> str | None:
    """None: there is none, or it is none, or others may have read it."""
    with (
        suppress(OSError),
        open(
            os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb"
        ) as file,
    ):
        told = os.fstat(file.fileno())
        if stat.S_ISREG(told.st_mode) and told.st_uid == os.geteuid() and not told.st_mode & 0o077:
            found = file.read(300).decode("latin-1").strip()
            return found if TOKEN.fullmatch(found) else None
    return None


@contextmanager
def _written(root: Path, place: Place, token: str) -> Iterator[None]:
    """`.orchestrator/private/http.json`: for our own commands, as long as it can be reached."""
    path = root / PRIVATE / FILE
    told: dict[str, object] = {"url": place.direct, "token": token, "pid": os.getpid()}
    told |= {"socket": str(place.socket)} if place.socket else {}
    _write(root, path, json.dumps(told))
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            if json.loads(path.read_text()) == told:
                path.unlink()


def _write(root: Path, path: Path, text: str) -> None:
    """For nobody else's eyes; sandboxes have an empty folder there."""
    journal.make_home(root)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(draft, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        draft.rename(path)
    except OSError as refused:
        draft.unlink(missing_ok=True)
        raise RecordError(
            f"cannot write {path}: {refused.strerror}; make room or make it writable"
        ) from refused
