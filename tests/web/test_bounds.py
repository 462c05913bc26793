"""What is too large, malformed, or of others: refused with one shape of answer, and nothing of ours in it."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

import anyio
import pytest

from orchestrator import inbox
from orchestrator.web import app
from tests.engine.runs import bash, checkpoint, run, write_plan
from tests.web.conftest import TITLE, Scene
from tests.web.houses import House, served, task

KIB64 = 1 << 16
WRITES = [one for one in app.ENDPOINTS if one.body is not None]


def address(path: str, scene: Scene) -> str:
    names = {"pattern": "1", "tool": "run_test_workflow"}
    return path.format(run=scene.run, task="demo%2F2", attempt=1, **names)


@pytest.mark.parametrize("path", [*(one.path for one in WRITES), "/login"])
def test_a_body_is_64_kib_at_most(path: str, scene: Scene):
    ask = scene.served.ask
    told = ask("POST", address(path, scene), raw=b" " * (KIB64 + 1))
    assert told.status == 413
    chunks = f"{KIB64 + 1:x}\r\n".encode() + b" " * (KIB64 + 1) + b"\r\n0\r\n\r\n"
    told = ask("POST", address(path, scene), raw=chunks, content_length=None, transfer_encoding="chunked")  # fmt: skip
    assert told.status == 413, "what did not say how long it is"
    told = ask("POST", address(path, scene), raw=b" " * KIB64)
    assert told.status == 400, "as large as may be, and no JSON"


def test_a_length_that_is_a_lie_is_found_out(scene: Scene):
    for length in ("-1", "x", "9" * 40, "٣"):
        lines = [
            "POST /api/plans HTTP/1.1",
            f"host: {scene.served.own}",
            f"authorization: Bearer {scene.served.token}",
            "content-type: application/json",
            f"content-length: {length}",
        ]
        with socket.create_connection((scene.served.host, scene.served.port), 20) as raw:
            raw.sendall("\r\n".join([*lines, "", "{}"]).encode())
            first = raw.recv(4096).partition(b"\r\n")[0]
        assert re.match(rb"HTTP/1.1 4\d\d ", first), (length, first)


def test_a_body_that_says_that_it_is_too_large_is_not_waited_for(scene: Scene):
    lines = [
        "POST /api/plans HTTP/1.1",
        f"host: {scene.served.own}",
        f"authorization: Bearer {scene.served.token}",
        "content-type: application/json",
        f"content-length: {KIB64 + 1}",
    ]
    with socket.create_connection((scene.served.host, scene.served.port), 20) as raw:
        raw.sendall("\r\n".join([*lines, "", ""]).encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_headers_are_bounded(scene: Scene):
    for size in (1 << 14, 70_000):
        told = scene.served.ask("GET", "/api/runs", x_long="x" * size)
        assert told.status in (400, 431)
        assert scene.served.ask("GET", f"/api/runs?before={'x' * size}").status in (400, 431)
    assert scene.served.ask("GET", "/api/runs", x_long="x" * 8000).status == 200


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"a":1}', b"\xff", b'{"approved":"true"}', b'{"approved":1}', b'{"approved":NaN}'])  # fmt: skip
@pytest.mark.parametrize("path", [one.path for one in WRITES])
def test_what_is_not_of_the_type_is_refused_and_not_repeated(path: str, raw: bytes, scene: Scene):
    told = scene.served.ask("POST", address(path, scene), raw=raw)
    assert told.status in (400, 422)
    assert set(told.json) == {"error", "next", "diagnostics"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/api/runs/", 404),
        ("POST", "/api/runs", 405),
        ("DELETE", "/api/runs/{run}", 405),
        ("PUT", "/login", 405),
        ("TRACE", "/api/runs", 405),
        ("GET", "/api/runs/{run}/cancel", 405),
        ("GET", "/api/runs/no-such-run", 404),
        ("GET", "/api/runs/{run}/tasks/9", 404),
        ("GET", "/api/runs/{run}/tasks/demo%2F1/attempts/2/diff", 404),
        ("GET", "/api/runs/{run}/tasks/demo%2F1/attempts/x/diff", 400),
        ("GET", "/api/runs/{run}/tasks/demo%2F1/attempts/0/diff", 400),
        ("GET", "/api/runs?limit=0", 400),
        ("GET", "/api/runs?limit=5&limit=6", 400),
        ("GET", "/api/runs?other=1", 400),
        ("GET", "/api/runs?before=nobody", 404),
        ("GET", "/api/runs/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/api/runs/%00/tasks/%ff", 404),
        ("GET", "/static/..%2fserver.py", 404),
        ("GET", "/static/../server.py", 404),
    ],
)
def test_errors_have_one_shape_and_their_code(method: str, path: str, status: int, scene: Scene):
    told = scene.served.ask(method, address(path, scene), raw=b"{}" if method == "POST" else None)
    assert told.status == status, told.body
    if not path.startswith("/static"):
        assert told.json["error"]
        assert "Traceback" not in told.body.decode()
    if status == 405:
        assert told.headers["allow"]


def test_html_in_names_is_no_html(scene: Scene):
    """Even where somebody takes the JSON for a page."""
    for path in ("/api/runs/{run}", "/api/runs/{run}/tasks/demo%2F1", "/api/runs/{run}/tasks"):
        told = scene.served.ask("GET", address(path, scene))
        assert b"<" not in told.body
        assert TITLE in json.dumps(told.json)
        assert told.headers["content-type"] == "application/json"
        assert told.headers["x-content-type-options"] == "nosniff"


def test_a_bug_of_ours_shows_no_traceback(tmp_path: Path, own_ledger: Path, capfd: pytest.CaptureFixture[str]):  # fmt: skip
    class Broken(House):
        async def waiting(self) -> tuple[()]:
            raise ValueError("of our own, with words-of-ours")

    with served(Broken(tmp_path)) as one:
        told = one.ask("GET", "/api/plans/waiting")
        assert told.status == 500
        assert "words-of-ours" not in told.body.decode()
        assert one.ask("GET", "/api/runs").status == 200, "and goes on"
        assert any("GET /api/plans/waiting" in line for line in one.said)
    assert "words-of-ours" in capfd.readouterr().err


SECRET = "canary-7c1d0e55aa"


def test_a_secret_of_the_environment_is_in_no_answer(
    tmp_path: Path, own_ledger: Path, monkeypatch: pytest.MonkeyPatch
):
    """In each field that a plan, a worker or a check can fill, it is written by somebody who does not know that it is one."""
    plan = write_plan(
        tmp_path,
        bash(f"Task 1: {SECRET}", f"echo {SECRET}; exit 3", f"echo {SECRET}; false", files="one", depends_on=""),
        checkpoint(body=f"<how-to-verify>{SECRET}</how-to-verify>", depends_on=""),
    )  # fmt: skip
    ran = anyio.run(run, tmp_path, plan)
    transcripts = tmp_path / ".orchestrator" / "runs" / ran.run
    assert any(SECRET in file.read_text() for file in transcripts.iterdir() if file.is_file())
    assert SECRET in json.dumps([one.model_dump(mode="json") for one in ran.events])
    monkeypatch.setenv("CANARY_TOKEN", SECRET)
    from orchestrator import redact

    redact.learn(os.environ)
    with served(House(tmp_path, reasons=(f"because of {SECRET}",))) as one:
        for endpoint in app.ENDPOINTS:
            if endpoint.method == "GET" and endpoint.gives != "text/event-stream":
                path = endpoint.path.format(run=ran.run, task=task("demo/1"), attempt=1)
                told = one.ask("GET", path)
                assert told.status == 200, (path, told.body)
                assert SECRET not in told.body.decode(), path
        told = one.ask("GET", f"/api/runs/{ran.run}/tasks/{task('demo/2')}")
        assert SECRET not in told.body.decode()
        assert "[redacted: CANARY_TOKEN]" in told.body.decode()
        note = {"approved": True, "note": SECRET}
        told = one.ask("POST", f"/api/runs/{ran.run}/tasks/{task('demo/2')}/answer", note)
        assert SECRET not in told.body.decode()
        wrong = one.ask("GET", f"/api/runs/{SECRET}")
        assert SECRET not in wrong.body.decode()
    for path, letter in inbox.look(tmp_path):
        assert SECRET not in path.read_text()
        assert letter.answer
