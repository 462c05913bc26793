"""Who is told, of what and how: a real command, a real web server, and none of them holds anything up."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from orchestrator import project, redact, settings
from orchestrator.daemon.notices import WAITING, Notices, deliver, message
from orchestrator.graph import build
from orchestrator.model import Event, EventKind, PlanId, RunId, TaskId
from orchestrator.order import Order
from orchestrator.settings.service import NotifySettings
from orchestrator.views.watched import Watched
from tests.cli.projects import DEADLINE_S

RUN = RunId("261128-aaaaa")
HELD_S = 20.0
ALL = ("checkpoint", "quota", "failure", "end")


def chosen(**more: Any) -> NotifySettings:
    given = {"on": ALL, "command": (), "webhook": "", "timeout_s": 30.0}
    return NotifySettings.model_validate(given | more)


def event(kind: EventKind, **data: Any) -> Event:
    return Event(seq=1, run=RUN, at="", kind=kind, task=TaskId("a/1"), attempt=1, data=data)


def watched() -> Watched:
    graph, _ = build([])
    assert graph is not None
    return Watched(graph, Order())


class Receiver:
    """A web server that remembers; `answers` are its next ones, then 200. None: bytes that are no answer."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.answers: list[int | None] = []
        self.to = ""  # where it sends people
        self.let = threading.Event()
        self.let.set()
        self.url = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.let.wait(HELD_S)
            told.got.append(json.loads(body))
            code = told.answers.pop(0) if told.answers else 200
            if code is None:
                self.wfile.write(b"what do you want\r\n\r\n")
                return
            self.send_response(code)
            if told.to:
                self.send_header("Location", told.to)
            self.end_headers()

        def do_GET(self) -> None:
            told.got.append({"asked for": self.path})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}/hook"
    server.daemon_threads = False  # they are waited for
    with running(server):
        yield told
        told.let.set()


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@asynccontextmanager
async def kept(notices: Notices) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(notices.keep)
        yield
        await notices.flush()
        group.cancel_scope.cancel()


def command(tmp_path: Path, script: str) -> tuple[str, ...]:
    program = tmp_path / "tell-me"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return (str(program),)


async def test_a_command_gets_the_message_on_its_standard_input(tmp_path: Path):
    to = chosen(command=command(tmp_path, "cat > told.json"))
    assert await deliver(to, tmp_path, message("test", "hello", tmp_path, run=RUN)) is None
    told = json.loads((tmp_path / "told.json").read_text())
    assert told == {
        "version": 1,
        "event": "test",
        "text": "hello",
        "project": str(tmp_path),
        "run": RUN,
    }


async def test_a_webhook_gets_the_same(tmp_path: Path, receiver: Receiver):
    told = message("test", "hello", tmp_path)
    assert await deliver(chosen(webhook=receiver.url), tmp_path, told) is None
    assert receiver.got == [told]


async def test_a_receiver_that_fails_for_a_moment_is_asked_again(
    tmp_path: Path, receiver: Receiver
):
    """And who can be told is told meanwhile: the command once, and what comes later."""
    receiver.answers = [500, 200, 503]
    said = list[str]()
    to = chosen(webhook=receiver.url, command=command(tmp_path, f"cat >> {tmp_path}/told"))
    notices = Notices(to, tmp_path, said.append, pauses_s=(0.2, 0.2))
    async with kept(notices):
        notices.broke_off(RUN, "first")
        notices.broke_off(RUN, "second")
        await until(lambda: len(receiver.got) == 4)
        await until(lambda: notices.trouble is None)
    texts = [one["text"].rpartition(" ")[2] for one in receiver.got]
    assert texts == ["first", "second", "first", "first"]
    assert (tmp_path / "told").read_text().count('"failure"') == 2
    where = receiver.url.removesuffix("/hook")
    assert said == [
        f"warning: notify.webhook: {where} answers 500 Internal Server Error",
        f"warning: notify.webhook: {where} answers 503 Service Unavailable",
    ]


async def test_who_stays_away_is_given_up_after_the_last_try_and_told_of(
    tmp_path: Path, receiver: Receiver
):
    receiver.answers = [500] * 3
    said = list[str]()
    notices = Notices(chosen(webhook=receiver.url), tmp_path, said.append, pauses_s=(0.01, 0.01))
    async with kept(notices):
        notices.broke_off(RUN, "no room")
        await until(lambda: len(said) == 2)
    assert len(receiver.got) == 3
    assert said[0].endswith("answers 500 Internal Server Error")
    assert said[1] == f"warning: nobody was told in 3 tries: run {RUN} broke off: no room"


async def until(claim: Callable[[], object]) -> None:
    deadline = anyio.current_time() + DEADLINE_S
    while not claim():
        assert anyio.current_time() < deadline
        await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (500, "answers 500 Internal Server Error"),
        (404, "answers 404 Not Found"),
        (None, "does not answer as a web server does: "),
    ],
)
async def test_a_receiver_that_stays_wrong_is_told_of(
    tmp_path: Path, receiver: Receiver, answer: int | None, words: str
):
    receiver.answers = [answer] * 9
    trouble = await deliver(chosen(webhook=receiver.url), tmp_path, message("test", "x", tmp_path))
    assert trouble is not None
    assert trouble.startswith(f"notify.webhook: {receiver.url.removesuffix('/hook')} {words}")
    assert len(receiver.got) == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["/moved", "https://new.example:8443/a-secret"])
async def test_who_is_sent_elsewhere_has_told_nobody(
    tmp_path: Path, receiver: Receiver, code: int, to: str
):
    receiver.answers, receiver.to = [code], to
    told = message("test", "x", tmp_path)
    trouble = await deliver(chosen(webhook=receiver.url), tmp_path, told)
    assert receiver.got == [told]
    place = receiver.url.removesuffix("/hook")
    new = place if to.startswith("/") else "https://new.example:8443"
    assert trouble is not None
    assert trouble.startswith(f"notify.webhook: {place} answers {code} ")
    assert f"names another address at {new}; write that as notify.webhook" in trouble


@pytest.mark.parametrize(
    ("to", "why"),
    [
        (
            {"webhook": "http://127.0.0.1:1/a-secret"},
            "notify.webhook: http://127.0.0.1:1 cannot be reached: Connection refused",
        ),
        ({"webhook": "http://a b/x"}, "notify.webhook"),
        ({"command": ("/nowhere/tell-me",)}, "notify.command"),
        ({"command": ("/bin/sh", "-c", "echo no room >&2; exit 3")}, "exit 3: no room"),
        ({"command": ("/bin/sleep", "60"), "timeout_s": 0.2}, "no end in time"),
    ],
)
async def test_whatever_is_wrong_is_a_line_for_people(tmp_path: Path, to: dict[str, Any], why: str):
    trouble = await deliver(chosen(**to), tmp_path, message("test", "x", tmp_path))
    assert trouble is not None
    assert why in trouble


async def test_each_occasion_is_told_where_it_is_asked_for(tmp_path: Path, receiver: Receiver):
    notices = Notices(chosen(webhook=receiver.url), tmp_path, print)
    async with kept(notices):
        notices.heard(event(EventKind.CHECKPOINT_ASKED))
        notices.heard(event(EventKind.HELD))
        gate = {"gate": "anthropic", "pause_s": 60.0}
        notices.heard(event(EventKind.GATE_CLOSED, failure="rate-limit", **gate))
        notices.heard(event(EventKind.GATE_CLOSED, failure="transient", **gate))
        notices.heard(event(EventKind.ATTEMPT_STARTED))
        notices.ended(RUN, 0, watched())
        notices.ended(RUN, 1, watched())
        notices.ended(RUN, 130, watched())  # who stops it knows
        notices.broke_off(RUN, "the branch is gone")
    told = [one["event"] for one in receiver.got]
    assert told == ["checkpoint", "checkpoint", "quota", "end", "failure", "failure"]
    assert all(one["run"] == RUN for one in receiver.got)
    assert receiver.got[0]["task"] == "a/1"


async def test_why_a_result_was_not_handed_over_is_told(tmp_path: Path, receiver: Receiver):
    seen = watched()
    seen.history.delivery = {"why": "main has moved", "branch": "orchestrator/r"}
    notices = Notices(chosen(webhook=receiver.url), tmp_path, print)
    async with kept(notices):
        notices.ended(RUN, 1, seen)
    assert receiver.got[0]["text"].endswith("stays on orchestrator/r: main has moved")


async def test_a_run_that_a_person_cancelled_is_told_with_who_did_it(
    tmp_path: Path, receiver: Receiver
):
    seen, said = watched(), list[str]()
    seen.history.cancelled = "cancelled by ann, on the dashboard"
    notices = Notices(chosen(webhook=receiver.url), tmp_path, said.append)
    async with kept(notices):
        notices.ended(RUN, 130, seen)
    (told,) = receiver.got
    assert (told["event"], told["exit_code"]) == ("failure", 130)
    assert f"run {RUN} was cancelled by ann, on the dashboard (exit 130)" in told["text"]
    assert f"{RUN}  cancelled by ann, on the dashboard (exit 130): 0 of 0" in said[0]


async def test_nobody_is_told_what_was_not_asked_for(tmp_path: Path, receiver: Receiver):
    notices = Notices(chosen(webhook=receiver.url, on=("end",)), tmp_path, print)
    async with kept(notices):
        notices.heard(event(EventKind.CHECKPOINT_ASKED))
        notices.ended(RUN, 1, watched())
        notices.ended(RUN, 0, watched())
    assert [one["event"] for one in receiver.got] == ["end"]


async def test_a_slow_receiver_holds_nobody_up_and_misses_little(
    tmp_path: Path, receiver: Receiver
):
    receiver.let.clear()
    said: list[str] = []
    notices = Notices(chosen(webhook=receiver.url), tmp_path, said.append)
    async with kept(notices):
        began = time.perf_counter()
        for _ in range(3 * WAITING):
            notices.heard(event(EventKind.CHECKPOINT_ASKED))
        assert time.perf_counter() - began < HELD_S  # who waits for it waits so long at least
        assert len(said) == 1
        assert "too slow" in said[0]
        receiver.let.set()
        deadline = anyio.current_time() + DEADLINE_S
        while len(receiver.got) < WAITING:
            assert anyio.current_time() < deadline
            await anyio.sleep(0.02)
    assert WAITING <= len(receiver.got) <= WAITING + 1


async def test_the_last_message_leaves_before_the_daemon_does(tmp_path: Path, receiver: Receiver):
    receiver.let.clear()
    notices = Notices(chosen(webhook=receiver.url), tmp_path, print)
    async with kept(notices):
        notices.ended(RUN, 0, watched())
        await anyio.lowlevel.checkpoint()  # `keep` has it in its hands now
        await anyio.lowlevel.checkpoint()
        receiver.let.set()
    assert len(receiver.got) == 1


async def test_no_trouble_with_telling_is_that_of_a_run_or_the_daemon(tmp_path: Path):
    """No file can be opened for the command; what a run leaves is not as it should be."""
    told, said = tmp_path / "told", list[str]()
    to = chosen(command=command(tmp_path, f"cat >> {told}"))
    notices = Notices(to, tmp_path, said.append)
    odd = watched()
    odd.history.delivery = {"why": "main has moved"}  # and no branch
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with kept(notices):
        os.close(lowest := os.dup(0))  # all below it are in use, whatever is open above
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
        try:
            notices.ended(RUN, 1, watched())
            deadline = anyio.current_time() + DEADLINE_S
            while notices.trouble is None:
                assert anyio.current_time() < deadline
                await anyio.sleep(0.02)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert "Too many open files" in str(notices.trouble)
        notices.ended(RUN, 1, odd)
        assert "something could not be told" in str(notices.trouble)
        notices.ended(RUN, 0, watched())
        while notices.trouble is not None:
            assert anyio.current_time() < deadline
            await anyio.sleep(0.02)
    assert "is done" in told.read_text()


async def test_how_a_run_ended_is_said_whoever_is_told(tmp_path: Path):
    said = list[str]()
    notices = Notices(chosen(on=()), tmp_path, said.append)
    seen = watched()
    async with kept(notices):
        notices.ended(RUN, 0, seen)
        seen.history.delivery = {"why": "main has moved", "branch": "orchestrator/r"}
        notices.ended(RUN, 1, seen)
        notices.ended(RUN, 130, watched())
    assert said == [
        f"{RUN}  done (exit 0): 0 of 0 tasks done",
        f"{RUN}  done, but its result stays apart (exit 1): 0 of 0 tasks done; "
        "its result stays on orchestrator/r: main has moved",
        f"{RUN}  interrupted (exit 130): 0 of 0 tasks done",
    ]


async def test_a_secret_of_ours_is_not_told(tmp_path: Path, receiver: Receiver):
    redact.learn({"SHOP_TOKEN": "kNs93-dTq0-canary-4471"})
    notices = Notices(chosen(webhook=receiver.url), tmp_path, print)
    async with kept(notices):
        notices.broke_off(RUN, "it said kNs93-dTq0-canary-4471")
    assert "canary" not in receiver.got[0]["text"]
    assert "[redacted: SHOP_TOKEN]" in receiver.got[0]["text"]


@pytest.mark.parametrize("steps", range(6))
async def test_none_is_lost_however_far_it_is_on_its_way_when_the_daemon_ends(
    tmp_path: Path, receiver: Receiver, steps: int
):
    notices = Notices(chosen(webhook=receiver.url), tmp_path, print)
    async with kept(notices):
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()  # `keep` waits now
        notices.ended(RUN, 0, watched())
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
    assert [one["event"] for one in receiver.got] == ["end"]


async def test_what_could_not_leave_in_time_is_said(tmp_path: Path, receiver: Receiver):
    said = list[str]()
    notices = Notices(chosen(webhook=receiver.url), tmp_path, said.append)
    receiver.let.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(notices.keep)
        notices.broke_off(RUN, "its branch is gone")
        notices.broke_off(RUN, "no room")
        await notices.flush(0.1)
        group.cancel_scope.cancel()
    before = "warning: the daemon ends, and nobody was told: "
    assert said == [
        f"{before}run {RUN} broke off: its branch is gone",
        f"{before}run {RUN} broke off: no room",
    ]


async def test_a_checkpoint_is_told_with_all_that_a_person_needs_to_answer(
    tmp_path: Path, receiver: Receiver
):
    page = "http://127.0.0.1:4117"
    text = (
        "---\nphase: demo\nplan: 01\n---\n<objective>x</objective>\n<tasks>\n"
        '<task type="checkpoint:decision">\n<name>Which store?</name>\n'
        "<decision>Where orders are kept.</decision>\n<options>\n"
        '<option id="a"><name>SQLite</name></option>\n<option id="b"><name>Postgres</name></option>\n'
        "</options>\n</task>\n</tasks>\n"
    )
    reading = project.load(
        tmp_path,
        [project.Source(PlanId("a"), "a-PLAN.md", text.encode())],
        settings.load(tmp_path).reader,
    )
    seen = Watched(reading.checked(), Order())
    asked = event(EventKind.CHECKPOINT_ASKED, type="checkpoint:decision", expire_s=None)
    asked = asked.model_copy(update={"at": "2026-11-28T10:00:00.000Z"})
    seen.apply(asked)
    notices = Notices(chosen(webhook=receiver.url), tmp_path, print, lambda: page)
    async with kept(notices):
        notices.heard(asked, seen)
    (told,) = receiver.got
    answer = f"orchestrator approve {RUN} a/1 --option ID"
    assert told["title"] == "Which store?"
    assert "decision: Where orders are kept." in told["question"]
    assert [one["id"] for one in told["options"]] == ["a", "b"]
    assert (told["approve"], told["reject"]) == (answer, f"orchestrator reject {RUN} a/1")
    assert told["page"] == f"{page}/runs/{RUN}"
    assert told["text"] == (
        f"a/1 of run {RUN} waits for a person: Which store?; "
        f"options: a (SQLite), b (Postgres); answer: {answer}, or on its page: {page}/runs/{RUN}"
    )
