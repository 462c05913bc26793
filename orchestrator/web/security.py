"""Who may ask what: host, origin, kind of request, token. Refuses everything that is not exactly right, on every route, before any of it is read."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

READS = frozenset({"GET", "HEAD"})
OURS = frozenset({"same-origin", "none"})  # of Sec-Fetch-Site
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MOST_BODY = 1 << 16  # bytes
MOST_HEAD = 1 << 14  # of an address and all headers
SESSION_S = 7 * 86400
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
TOKEN_FILE = ".orchestrator/private/token"  # noqa: S105
# no sign that a browser leaves out or turns into another
LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

Kind = Literal["api", "page", "form", "open"]


class Refusal(NamedTuple):
    status: int
    error: str
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as far as it must be known here. Header names are lower-case; one that came twice is in both places."""

    method: str
    fits: bool  # there is such an address that takes this method
    kind: Kind  # "form": the log-in itself, which may come from a form; "open": needs no token
    headers: tuple[tuple[str, str], ...]
    address: int = 0  # how long it is

    @property
    def size(self) -> int:
        return self.address + sum(len(name) + len(value) for name, value in self.headers)

    def only(self, name: str) -> str | None:
        """None: it is not there. One that came twice is nobody's."""
        found = [value for key, value in self.headers if key == name]
        return None if not found else found[0] if len(found) == 1 else "\0"


@dataclass(frozen=True)
class Guard:
    """`hosts`: exactly as a client must write them. `origins`: theirs, with the scheme."""

    token: str
    hosts: frozenset[str]
    origins: frozenset[str]
    cookie: str  # its name
    secure: bool = False

    def refuse(self, ask: Ask, now: float) -> Refusal | None:
        """None: go on. `now`: Unix seconds."""
        return (
            self._wrong_host(ask)
            or self._wrong_origin(ask)
            or _wrong_site(ask)
            or _wrong_size(ask)
            or self._unknown(ask, now)
            or _wrong_type(ask)
        )

    def knows(self, ask: Ask, now: float) -> Literal["bearer", "cookie"] | None:
        given = ask.only("authorization")
        if given is not None:
            scheme, _, token = given.partition(" ")
            right = scheme.lower() == "bearer" and self.is_token(token.strip())
            return "bearer" if right else None
        return "cookie" if self._has_session(ask, now) else None

    def is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self.token.encode())

    def admit(self, now: float) -> str:
        """A new session; the line that sets its cookie. It is signed with the token and nowhere else kept: the next daemon that has the token knows it."""
        ends = f"{now + SESSION_S:.0f}"
        secure = "; Secure" if self.secure else ""
        return f"{self.cookie}={ends}.{self._signed(ends)}; Path=/; HttpOnly; SameSite=Strict; Max-Age={SESSION_S}{secure}"

    # --- one question each

    def _wrong_host(self, ask: Ask) -> Refusal | None:
        if (ask.only("host") or "").lower() in self.hosts:
            return None
        return Refusal(
            403,
            "this host name is not served here",
            "use the address that `orchestrator serve` has printed, or name the host in http.allowed_hosts",
        )

    def _wrong_origin(self, ask: Ask) -> Refusal | None:
        origin = ask.only("origin")
        if origin is None or origin in self.origins:
            return None
        return Refusal(403, "another origin asks, and none but our own may", None)

    def _unknown(self, ask: Ask, now: float) -> Refusal | None:
        if ask.kind in ("open", "form"):
            return None
        known = self.knows(ask, now)
        if known is None:
            return Refusal(
                401,
                "the token is missing or wrong",
                f"send Authorization: Bearer TOKEN, with that of {TOKEN_FILE}; in a browser open the link that `orchestrator serve` shows on a terminal",
            )
        told = ask.only("origin") is not None or ask.only("sec-fetch-site") is not None
        if known == "cookie" and ask.method not in READS and not told:
            return Refusal(
                403, "a browser that changes something must say where that comes from", None
            )
        return None

    def _has_session(self, ask: Ask, now: float) -> bool:
        ends, _, signed = _cookie(ask.only("cookie"), self.cookie).partition(".")
        if not (ends.isascii() and ends.isdecimal() and len(ends) < 16):
            return False
        right = hmac.compare_digest(
            signed.encode("utf-8", "surrogatepass"), self._signed(ends).encode()
        )
        return right and now < int(ends)

    def _signed(self, ends: str) -> str:
        told = f"session {self.cookie} {ends}".encode()
        return hmac.new(self.token.encode(), told, hashlib.sha256).hexdigest()


def _wrong_site(ask: Ask) -> Refusal | None:
    """Other ports of this machine are the same site, and get our cookie: only our own pages may ask, and a person who opens one."""
    site = ask.only("sec-fetch-site")
    if site is None or site in OURS:
        return None
    opened = ask.only("sec-fetch-mode") == "navigate" and ask.only("sec-fetch-dest") == "document"
    if ask.method in READS and ask.kind != "api" and opened:
        return None
    return Refusal(403, "another site asks, and none but our own may", None)


def _wrong_size(ask: Ask) -> Refusal | None:
    if ask.size > MOST_HEAD:
        return Refusal(431, f"the address and its headers are longer than {MOST_HEAD} bytes")
    length = ask.only("content-length") or "0"
    if not length.isdecimal() or not length.isascii():
        return Refusal(400, "Content-Length is no number", None)
    if len(length) > 12 or int(length) > MOST_BODY:
        return too_large()
    return None


def _wrong_type(ask: Ask) -> Refusal | None:
    if ask.method in READS or not ask.fits:
        return None
    kind, _, more = (ask.only("content-type") or "").partition(";")
    if more.strip().lower() not in ("", "charset=utf-8", 'charset="utf-8"'):
        return Refusal(415, "a body must be UTF-8", None)
    allowed = {JSON, FORM} if ask.kind == "form" else {JSON}
    if kind.strip().lower() in allowed:
        return None
    return Refusal(415, "a body must be JSON", f"send Content-Type: {JSON}")


def too_large() -> Refusal:
    return Refusal(413, f"the body is larger than {MOST_BODY} bytes", "send less at once")


def _cookie(header: str | None, name: str) -> str:
    """Whatever others of this host have set beside it. One that comes twice, and not the same, is nobody's."""
    pairs = (one.partition("=") for one in (header or "").split(";"))
    found = {value.strip() for key, _, value in pairs if key.strip() == name}
    return found.pop() if len(found) == 1 else ""


def local(address: str) -> str:
    """Where a log-in may lead: to a page of ours, else to the first one."""
    return address if LOCAL.fullmatch(address) else "/"


# --- what is ours


def names(host: str, port: int, more: Iterable[str] = ()) -> frozenset[str]:
    """How clients write the hosts of a bound address. `more` are written as they must come."""
    local = {"127.0.0.1", "localhost", "[::1]"}
    bare = f"[{host}]" if ":" in host else host
    hosts = local if bare in local else {bare}
    return frozenset({f"{one}:{port}".lower() for one in hosts} | {one.lower() for one in more})


def origins(hosts: Iterable[str], scheme: str) -> frozenset[str]:
    standard = {"http": ":80", "https": ":443"}[scheme]
    return frozenset(f"{scheme}://{one.removesuffix(standard)}" for one in hosts)
