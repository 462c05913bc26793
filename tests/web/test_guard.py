"""FAULTS 22: every route, with every mixture of host, origin, content type, token and site, over real HTTP."""

from __future__ import annotations

import http.client
import itertools
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Mount, Route

from orchestrator.web import app, pages, security
from orchestrator.web.security import Ask, Guard
from orchestrator.web.seen import Seen
from tests.web.conftest import Scene
from tests.web.houses import House

ABSENT = ""
HOSTS = ("own", "localhost", "evil.example", "127.0.0.1", "own.evil.example")
ORIGINS = (ABSENT, "own", "http://evil.example", "null")
TYPES = ("application/json", "text/plain", ABSENT)
TOKENS = ("bearer", "cookie", "wrong", ABSENT)
SITES = (ABSENT, "same-origin", "none", "same-site", "cross-site")


def addresses() -> Iterator[tuple[str, str, str]]:
    """All that is served: from the tables themselves, so that what is new is in here too."""
    for one in app.ENDPOINTS:
        kind = "open" if one.is_open else "api"
        yield one.method, one.path, kind
    yield "GET", app.DOCUMENT, "api"
    yield "POST", "/login", "form"
    seen = Seen(House(root=None), None)  # type: ignore[arg-type]
    for route in pages.routes(seen, pages.Pages(seen)):
        if isinstance(route, Mount):
            yield "GET", f"{route.path}/nothing.js", "open"
        else:
            assert isinstance(route, Route)
            yield "GET", re.sub(r":\w+}", "}", route.path), "page"


ADDRESSES = list(addresses())


def filled(path: str, scene: Scene) -> str:
    task = "demo%2F1" if path.startswith("/api") else "demo/1"
    return path.format(
        run=scene.run,
        task=task,
        attempt=1,
        pattern=1,
        tool="run_test_workflow",
        path="plans/a-PLAN.md",
    )


def expected(
    method: str, kind: str, host: str, origin: str, body: str, token: str, site: str
) -> set[int] | None:
    """What must be refused, and with what. None: it must be let in."""
    if host not in ("own", "localhost"):
        return {403}
    if origin not in (ABSENT, "own"):
        return {403}
    if site not in (ABSENT, "same-origin", "none"):
        return {403}
    if kind in ("api", "page") and token not in ("bearer", "cookie"):
        return {303} if kind == "page" and method == "GET" else {401}
    says_nothing = origin == ABSENT and site == ABSENT
    if kind == "api" and method == "POST" and token == "cookie" and says_nothing:
        return {403}
    if method == "POST" and body != "application/json":
        return {415}
    return None


class Client:
    """Keeps its connection where it can: these are many requests."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        for _ in range(2):
            connection = self._connection or http.client.HTTPConnection(
                self._scene.served.host, self._scene.served.port, timeout=20
            )
            try:
                connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
                for name, value in headers.items():
                    connection.putheader(name, value)
                data = b"{}" if method == "POST" else None
                if data:
                    connection.putheader("content-length", "2")
                connection.endheaders(data)
                answer = connection.getresponse()
                told = {name.lower(): value for name, value in answer.getheaders()}
                is_stream = told.get("content-type", "").startswith("text/event-stream")
                if not is_stream:
                    answer.read()
                self._connection = connection
                if is_stream or answer.will_close:
                    self.close()
                return answer.status, told
            except (http.client.HTTPException, OSError):
                connection.close()
                self._connection = None
        raise AssertionError(f"{method} {path} was not answered")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@pytest.mark.parametrize(("method", "path", "kind"), ADDRESSES, ids=lambda one: str(one))
def test_only_the_right_mixture_is_let_in(method: str, path: str, kind: str, scene: Scene):
    cookie = log_in(scene)
    address, client = filled(path, scene), Client(scene)
    for mixture in itertools.product(HOSTS, ORIGINS, TYPES, TOKENS, SITES):
        if method == "GET" and mixture[2] != TYPES[0]:
            continue
        status, told = client.ask(method, address, headers(scene, method, cookie, *mixture))
        wanted = expected(method, kind, *mixture)
        if wanted is None:
            assert status not in (303, 401, 415), (mixture, status)
            assert status != 403 or kind == "form", (mixture, status)
        else:
            assert status in wanted, (mixture, status)
        assert told.keys() >= security.HEADERS.keys(), mixture
        assert told["content-security-policy"] == security.POLICY
    client.close()


def headers(
    scene: Scene,
    method: str,
    cookie: str,
    *mixture: str,
) -> dict[str, str]:
    host, origin, body, token, site = mixture
    own = scene.served.own
    hosts = {
        "own": own,
        "localhost": f"localhost:{scene.served.port}",
        "own.evil.example": f"{own}.evil.example",
    }
    tokens = {
        "bearer": ("authorization", f"Bearer {scene.served.token}"),
        "cookie": ("cookie", cookie),
        "wrong": ("authorization", f"Bearer {'x' * 43}"),
        ABSENT: ("x-none", ""),
    }
    sent = {
        "host": hosts.get(host, host),
        "origin": f"http://{own}" if origin == "own" else origin,
        "content-type": body if method == "POST" else "",
        "sec-fetch-site": site,
    }
    return dict([*((name, value) for name, value in sent.items() if value), tokens[token]])


def log_in(scene: Scene) -> str:
    reply = scene.served.ask("POST", "/login", {"token": scene.served.token}, token=None)
    assert reply.status == 204
    words = reply.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(words.split("; "))
    assert scene.served.token not in words
    return words.partition(";")[0]


def test_a_form_logs_in_where_no_script_runs(scene: Scene):
    def post(raw: bytes) -> tuple[int, Mapping[str, str]]:
        kind = "application/x-www-form-urlencoded"
        reply = scene.served.ask("POST", "/login", raw=raw, token=None, content_type=kind)
        return reply.status, reply.headers

    status, told = post(f"token=%20{scene.served.token}".encode())
    assert (status, told["location"]) == (303, "/")
    cookie = told["set-cookie"].partition(";")[0]
    assert scene.served.ask("GET", "/", token=None, cookie=cookie).status == 200
    for wrong in (b"token=wrong", b"", b"token=%ff%00", b"other=1"):
        status, told = post(wrong)
        assert status == 403
        assert "set-cookie" not in told
        assert told["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("wrong", [{"token": "no"}, {}, {"token": 1}, []])
def test_a_wrong_log_in_gets_no_cookie(wrong: object, scene: Scene):
    reply = scene.served.ask("POST", "/login", wrong, token=None)
    assert reply.status in (403, 422)
    assert "set-cookie" not in reply.headers


def test_a_made_up_cookie_is_none(scene: Scene):
    name = log_in(scene).partition("=")[0]
    for value in ("", "x", scene.served.token, '"', "x" * 4000):
        reply = scene.served.ask("GET", "/api/runs", token=None, cookie=f"{name}={value}")
        assert reply.status == 401


def test_a_page_that_a_person_opens_from_elsewhere_is_shown_and_nothing_else(scene: Scene):
    cookie = log_in(scene)
    opened = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    ask = scene.served.ask
    assert (
        ask("GET", "/", token=None, cookie=cookie, **opened, sec_fetch_dest="document").status
        == 200
    )
    assert (
        ask("GET", "/", token=None, cookie=cookie, **opened, sec_fetch_dest="iframe").status == 403
    )
    assert ask("GET", "/api/runs", token=None, cookie=cookie, **opened, sec_fetch_dest="document").status == 403  # fmt: skip


@pytest.mark.parametrize("name", ["host", "origin", "authorization", "sec-fetch-site"])
def test_a_header_that_comes_twice_is_nobodys(name: str):
    guard = Guard("t", frozenset({"h"}), frozenset({"http://h"}), "c")
    right = {
        "host": "h",
        "origin": "http://h",
        "authorization": "Bearer t",
        "sec-fetch-site": "none",
    }
    once = tuple(right.items())
    assert guard.refuse(Ask("GET", True, "api", once), 0) is None
    assert guard.refuse(Ask("GET", True, "api", (*once, (name, right[name]))), 0) is not None


def known(guard: Guard, cookie: str, now: float) -> bool:
    return guard.knows(Ask("GET", True, "api", (("cookie", cookie),)), now) == "cookie"


def test_a_session_ends_and_is_that_of_its_token_and_its_name():
    hosts = frozenset({"h"})
    guard, again = (Guard("t", hosts, frozenset(), "c") for _ in range(2))
    first = guard.admit(0).partition(";")[0]
    assert known(guard, first, security.SESSION_S - 1)
    assert known(again, first, security.SESSION_S - 1)  # the next daemon with this token
    assert not known(guard, first, security.SESSION_S)
    assert not known(Guard("u", hosts, frozenset(), "c"), first, 1)
    assert not known(Guard("t", hosts, frozenset(), "d"), first.replace("c=", "d="), 1)
    ends, _, signed = first.removeprefix("c=").partition(".")
    for forged in (f"{int(ends) + 1}.{signed}", f"0{ends}.{signed}", f"{ends}.", f".{signed}",
                   f"{ends}.{signed}x", f"-{ends}.{signed}", "t", f"{ends}.é"):  # fmt: skip
        assert not known(guard, f"c={forged}", 1), forged


OTHERS = ("theme=dark", 'prefs={"a":1}', "x[1]=2", "flag", "", "=", "a b=c", "é=ü", "expires=1", 'q="a;b"', "Path=/")  # fmt: skip


@pytest.mark.parametrize("other", OTHERS)
def test_cookies_of_other_programs_of_this_host_lock_nobody_out(other: str, scene: Scene):
    ours = log_in(scene)
    for cookie in (f"{other}; {ours}", f"{ours}; {other}", f"{other};{ours};{other}", f"{ours}; {ours}"):  # fmt: skip
        sent = cookie.encode().decode("latin-1")
        assert scene.served.ask("GET", "/api/runs", token=None, cookie=sent).status == 200, cookie
        assert scene.served.ask("GET", "/", token=None, cookie=sent).status == 200, cookie
    assert scene.served.ask("GET", "/api/runs", token=None, cookie=other.encode().decode("latin-1")).status == 401  # fmt: skip


@given(
    st.lists(st.text(st.characters(codec="latin-1", exclude_characters=";")), max_size=4),
    st.integers(0, 4),
)
def test_whatever_stands_beside_it_our_cookie_is_found(others: list[str], place: int):
    guard = Guard("t", frozenset({"h"}), frozenset(), "ours")
    ours = guard.admit(0).partition(";")[0]
    others = [one for one in others if one.partition("=")[0].strip() != "ours"]
    assert known(guard, ";".join([*others[:place], ours, *others[place:]]), 1)
    assert not known(guard, ";".join(others), 1)


def test_a_cookie_that_comes_twice_with_different_values_is_nobodys(scene: Scene):
    ours = log_in(scene)
    name = ours.partition("=")[0]
    for cookie in (f"{ours}; {name}=x", f"{name}=x; {ours}", f"{ours}; {name}="):
        assert scene.served.ask("GET", "/api/runs", token=None, cookie=cookie).status == 401


@pytest.mark.parametrize(
    ("asked", "then"),
    [
        ("/", "/"),
        ("/runs/x?tasks=2", "/runs/x?tasks=2"),
        ("/runs/x/tasks/a%2F1", "/runs/x/tasks/a%2F1"),
        ("//evil.example/", "/"),
        ("/runs/é", "/runs/%C3%A9"),
    ],
)
def test_who_logs_in_comes_back_to_the_page_that_was_asked_for(asked: str, then: str, scene: Scene):
    sent = urlsplit(f"http://x{quote(asked, safe='/?=%')}")
    target = f"{sent.path}?{sent.query}" if sent.query else sent.path
    told = scene.served.ask("GET", target, token=None)
    assert told.status == 303
    login = told.headers["location"]
    assert login.startswith("/login")
    assert f'data-then="{then}"' in scene.served.ask("GET", login, token=None).body.decode()
    kind = "application/x-www-form-urlencoded"
    raw = f"token={scene.served.token}".encode()
    reply = scene.served.ask("POST", login, raw=raw, token=None, content_type=kind)
    assert (reply.status, reply.headers["location"]) == (303, then)


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\t/evil.example", "\\\\evil",
     "/\n/evil.example", "", "evil.example", "/a\\..\\b", " //evil.example", "/\r\nSet-Cookie: a=b", '/"><script>'],
)  # fmt: skip
def test_a_log_in_leads_to_nowhere_else(address: str, scene: Scene):
    login = f"/login?next={quote(address, safe='')}"
    kind = "application/x-www-form-urlencoded"
    raw = f"token={scene.served.token}".encode()
    reply = scene.served.ask("POST", login, raw=raw, token=None, content_type=kind)
    to = urljoin(f"http://{scene.served.own}/login", reply.headers["location"])
    assert urlsplit(to)[:2] == ("http", scene.served.own)
    assert reply.headers["location"] == ("/%22%3E%3Cscript%3E" if "<" in address else "/")
    shown = scene.served.ask("GET", login, token=None).body.decode()
    assert "evil" not in shown
    assert '"><script>' not in shown


def test_the_log_in_says_where_the_token_is(scene: Scene):
    shown = scene.served.ask("GET", "/login", token=None).body.decode()
    assert "<code>cat .orchestrator/private/token</code>" in shown
    assert scene.ran.root.name not in shown
    told = scene.served.ask("POST", "/login", {"token": "no"}, token=None).json["error"]
    assert ".orchestrator/private/token" in told


@pytest.mark.parametrize(
    ("host", "more", "names"),
    [
        ("127.0.0.1", (), {"127.0.0.1:80", "localhost:80", "[::1]:80"}),
        ("::1", (), {"127.0.0.1:80", "localhost:80", "[::1]:80"}),
        ("box.lan", ("Runs.example.org",), {"box.lan:80", "runs.example.org"}),
    ],
)
def test_hosts_are_exactly_what_clients_write(host: str, more: tuple[str, ...], names: set[str]):
    assert security.names(host, 80, more) == names
    assert security.origins({"h:80", "i:443"}, "http") == {"http://h", "http://i:443"}
