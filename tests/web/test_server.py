"""Where it listens, who may reach it there, what it leaves behind, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import time
from pathlib import Path

import pytest

from orchestrator import settings
from orchestrator.errors import SettingsError
from orchestrator.web import server
from tests.web.houses import House, Served, served

FILE = ".orchestrator/private/http.json"
TOKEN = ".orchestrator/private/token"


def words(root: Path, **http_words: object) -> settings.HttpSettings:
    return settings.load(root, {"http": http_words}).http


@pytest.mark.parametrize(
    "given",
    [
        {"host": "0.0.0.0"},
        {"host": "::"},
        {"host": "192.0.2.1"},
        {"host": "box.lan"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "192.0.2.1", "expose": True},
        {"host": "192.0.2.1", "cert": "c", "key": "k"},
        {"host": "0.0.0.0", "expose": True, "cert": "c", "key": "k"},
        {"cert": "c"},
        {"key": "k"},
        {"socket": "x.sock", "cert": "c", "key": "k"},
    ],
)
def test_nothing_else_than_this_machine_is_served_without_a_word(
    tmp_path: Path, given: dict[str, object]
):
    with pytest.raises(SettingsError, match=r"http\."):
        server.refuse_exposure(words(tmp_path, **given))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"host": "localhost"},
        {"host": "::1"},
        {"host": "127.9.9.9"},
        {"socket": "x.sock"},
        {"host": "192.0.2.1", "expose": True, "cert": "c", "key": "k"},
        {"host": "0.0.0.0", "expose": True, "proxy": "runs.example.org"},
        {"host": "0.0.0.0", "expose": True, "cert": "c", "key": "k", "allowed_hosts": ["box:1"]},
    ],
)
def test_this_machine_and_what_is_said_are_served(tmp_path: Path, given: dict[str, object]):
    server.refuse_exposure(words(tmp_path, **given))


def test_the_token_is_in_a_file_of_ones_own_for_as_long_as_it_is_worth_something(
    tmp_path: Path, own_ledger: Path
):
    file, kept, tokens = tmp_path / FILE, tmp_path / TOKEN, []
    for new_token in (False, False, True):
        with served(House(tmp_path), new_token=new_token) as one:
            told = json.loads(file.read_text())
            assert told == {"url": f"http://{one.own}", "token": one.token, "pid": os.getpid()}
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert stat.S_IMODE(kept.stat().st_mode) == 0o600
            assert kept.read_text() == f"{one.token}\n"
            assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
            assert len(one.token) >= 43
            assert one.said == [f"pages and API: http://{one.own}/login#{one.token}"]
            tokens.append(one.token)
        assert list(file.parent.iterdir()) == [kept]
    assert tokens[0] == tokens[1] != tokens[2]


@pytest.mark.parametrize("wrong", ["open", "short", "link", "torn"])
def test_a_token_that_others_may_know_is_not_taken_again(
    tmp_path: Path, own_ledger: Path, wrong: str
):
    with served(House(tmp_path)) as one:
        before = one.token
    kept = tmp_path / TOKEN
    if wrong == "open":
        kept.chmod(0o644)
    elif wrong == "link":
        kept.rename(tmp_path / "elsewhere")
        kept.symlink_to(tmp_path / "elsewhere")
    else:
        kept.write_text("x" if wrong == "short" else f"{before}\n{before}")
    with served(House(tmp_path)) as one:
        assert one.token != before
        assert kept.read_text() == f"{one.token}\n"
        assert not kept.is_symlink()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_who_is_logged_in_stays_so_over_a_restart_and_not_over_a_new_token(
    tmp_path: Path, own_ledger: Path
):
    with served(House(tmp_path)) as one:
        port = one.port
        reply = one.ask("POST", "/login", {"token": one.token}, token=None)
        cookie = reply.headers["set-cookie"].partition(";")[0]
    for new_token, status in ((False, 200), (True, 401)):
        with served(House(tmp_path), new_token=new_token, port=port) as one:
            assert one.ask("GET", "/api/runs", token=None, cookie=cookie).status == status


def test_a_file_of_a_later_server_is_let_be(tmp_path: Path, own_ledger: Path):
    with served(House(tmp_path)):
        (tmp_path / FILE).write_text('{"token": "of another"}')
    assert "of another" in (tmp_path / FILE).read_text()


def test_a_port_that_is_taken_is_named(tmp_path: Path, own_ledger: Path):
    with (
        served(House(tmp_path)) as one,
        pytest.raises(SettingsError, match=f"port {one.port}.*--port"),
        served(House(tmp_path), port=one.port),
    ):
        pass


class Local(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def ask(path: Path, one: Served, host: str) -> int:
    connection = Local(path)
    headers = {"host": host, "authorization": f"Bearer {one.token}"}
    connection.request("GET", "/api/runs", headers=headers)
    told = connection.getresponse().status
    connection.close()
    return told


def test_a_unix_socket_is_of_its_owner_alone(tmp_path: Path, own_ledger: Path):
    path = tmp_path / "http.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))  # by who died
    left.close()
    with served(House(tmp_path), socket="http.sock") as one:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads((tmp_path / FILE).read_text())["socket"] == str(path)
        assert [ask(path, one, host) for host in ("localhost", "evil.example")] == [200, 403]
        with pytest.raises(SettingsError, match="cannot listen"), served(House(tmp_path), socket="http.sock"):  # fmt: skip
            pass
        # by now the first has taken the other's call, too: it would end with that half open
        assert ask(path, one, "localhost") == 200
    assert not path.exists()
    with pytest.raises(SettingsError, match=r"choose a shorter or free one as http\.socket"), served(House(tmp_path), socket="x" * 200):  # fmt: skip
        pass


def test_with_a_certificate_it_speaks_tls_and_its_cookie_is_for_tls_only(
    tmp_path: Path, own_ledger: Path
):
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "c.pem", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl makes no certificate here")
    with served(House(tmp_path), cert="c.pem", key="k.pem") as one:
        context = ssl.create_default_context(cafile=str(tmp_path / "c.pem"))
        connection = http.client.HTTPSConnection("localhost", one.port, context=context, timeout=20)
        body = json.dumps({"token": one.token})
        origin = f"https://localhost:{one.port}"
        headers = {"content-type": "application/json", "origin": origin}
        connection.request("POST", "/login", body, headers)
        answer = connection.getresponse()
        assert answer.status == 204
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-")
        assert cookie.endswith("; Secure")
        answer.read()
        connection.request("POST", "/login", body, headers | {"origin": origin.replace("s:", ":")})
        assert connection.getresponse().status == 403
        connection.close()
    (tmp_path / "k.pem").write_text("no key")
    with pytest.raises(SettingsError, match=r"http\.cert"), served(House(tmp_path), cert="c.pem", key="k.pem"):  # fmt: skip
        pass


def test_a_proxy_in_front_is_known_by_its_name(tmp_path: Path, own_ledger: Path):
    with served(House(tmp_path), proxy="runs.example.org") as one:
        right = {"host": "runs.example.org", "origin": "https://runs.example.org"}
        assert one.ask("GET", "/api/runs", **right).status == 200
        assert (
            one.ask("GET", "/api/runs", **(right | {"origin": "http://runs.example.org"})).status
            == 403
        )
        assert one.ask("GET", "/api/runs", host="other.example.org").status == 403
        assert one.ask("GET", "/api/runs", host=one.own).status == 200
        assert one.said[0].startswith("pages and API: https://runs.example.org/login#")


def test_it_takes_nobodys_signals(tmp_path: Path, own_ledger: Path):
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with served(House(tmp_path)):
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_while_nobody_asks_it_does_nothing(tmp_path: Path, own_ledger: Path):
    """Of a server that only waits: processor time beside the time that goes by."""
    with served(House(tmp_path)) as one:
        one.get("/api/runs")
        # what a start costs goes on for a moment; what is done while nobody asks is in each
        assert any(used_s(1.5) < 0.03 for _ in range(3))


def used_s(span_s: float) -> float:
    """Seconds of the processor."""
    began, used = time.monotonic(), time.process_time()
    while time.monotonic() - began < span_s:
        time.sleep(0.5)
    return time.process_time() - used
