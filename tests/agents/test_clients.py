"""Every real client, once: it writes a file through the model server, is billed, and reaches nothing else."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.agents import clients
from tests.agents.canary import Canary
from tests.agents.clients import NAMES, Name
from tests.agents.server import ModelServer
from tests.agents.steps import Used, say, write

PROMPT = "Task 7 of 9: write hello.txt"
USED = Used(input=1000, output=90, cache_read=500, reasoning=20)

# How a client is asked without a person: words after its name; the prompt comes on stdin or last.
COMMANDS: dict[Name, str] = {
    "claude": "-p --output-format stream-json --verbose --model claude-haiku-4-5 "
    "--permission-mode acceptEdits",
    "codex": "exec --json --skip-git-repo-check -s workspace-write -",
    "gemini": "--output-format stream-json -m gemini-2.5-flash --approval-mode yolo --skip-trust",
    "opencode": "run --format json -m fake/fake-model",
    "pi": "--mode json -p --no-session --model fake/fake-model",
}


def test_without_real_clients_nothing_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("REAL_CLIENTS", raising=False)
    assert [clients.find(name) for name in NAMES] == [None] * 5
    monkeypatch.setenv("REAL_CLIENTS", str(tmp_path))
    assert [clients.find(name) for name in NAMES] == [None] * 5
    with pytest.raises(pytest.skip.Exception, match="no real codex: REAL_CLIENTS is /"):
        clients.needs("codex")
    assert list(clients.bin_folder(tmp_path).iterdir()) == []


def test_a_client_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "of a person")
    with ModelServer({}) as server:
        seen = clients.environment(tmp_path, server, tmp_path / "bin")
    ours = {name for name in os.environ if os.environ[name] == seen.get(name)}
    assert ours <= {"LANG", "TERM", "NO_PROXY", "no_proxy"}
    assert "ANTHROPIC_AUTH_TOKEN" not in seen
    assert seen["PATH"].startswith(f"{tmp_path}/bin:")


def test_the_canary_tells_who_tried_to_leave():
    with Canary() as canary:
        port = urlsplit(canary.url).port
        for target in ("http://example.invalid/x", "http://127.0.0.1:1/x"):
            with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as plain:
                plain.request("GET", target)
                assert plain.getresponse().status == 403
        with closing(HTTPSConnection("127.0.0.1", port, timeout=10)) as tunnel:
            tunnel.set_tunnel("api.example.invalid", 443)
            with pytest.raises(OSError, match="Tunnel connection failed: 403"):
                tunnel.request("GET", "/")
        assert canary.attempts == ["example.invalid", "api.example.invalid"]
        assert canary.loops == ["127.0.0.1"]


# Seen with OpenCode 1.18.33, through a tunnel: what it wants there is not known.
LEAVES: dict[Name, tuple[str, ...]] = {"opencode": ("registry.*",)}


def run(
    name: Name, place: Path, server: ModelServer, canary: Canary
) -> subprocess.CompletedProcess[str]:
    """The client in the folder `work` of this place, to its end."""
    clients.needs(name)
    (place / "work").mkdir()
    bin_folder = clients.bin_folder(place)
    home = clients.prepare_home(place / "home", server)
    return subprocess.run(
        [bin_folder / name, *COMMANDS[name].split()],
        cwd=place / "work",
        env=clients.environment(home, server, bin_folder, canary=canary),
        input=PROMPT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_real_client_writes_a_file_through_the_server(name: Name, tmp_path: Path):
    steps = [write("sub/hello.txt", "it's 7\n", usage=USED), say("ok", usage=USED)]
    with ModelServer({"default": [], "Task 7 of": steps}) as server, Canary() as canary:
        done = run(name, tmp_path, server, canary)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (tmp_path / "work/sub/hello.txt").read_text() == "it's 7\n"
        assert server.left["Task 7 of"] == 0
        assert PROMPT in server.requests[-1].prompt
        assert server.total().cache_read == 1000
        assert canary.other_than(LEAVES.get(name, ())) == []
        assert canary.loops == []


def test_a_title_is_a_side_request(tmp_path: Path):
    """OpenCode asks for one before the task; it must not take the task's first step."""
    with ModelServer({"default": [say("ok")]}) as server, Canary() as canary:
        done = run("opencode", tmp_path, server, canary)
        assert done.returncode == 0, done.stdout + done.stderr
        assert sorted(one.side for one in server.requests) == [False, True]
        assert server.total().requests == 2
