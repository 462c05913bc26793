"""The scripted model server, asked by a plain HTTP client in each dialect."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import Any

import pytest

from tests.agents.asking import DialectName
from tests.agents.plain import (
    NAMES,
    PATHS,
    ask,
    open_answer,
    send,
    stream,
    text_said,
    tool_called,
    usage_streamed,
    usage_told,
)
from tests.agents.script import Billed
from tests.agents.server import SIDE, ModelServer
from tests.agents.steps import (
    Used,
    call,
    drop,
    fail,
    hang,
    say,
    shell,
    sse_error,
    wait_for,
    write,
)

USED = Used(input=1000, output=90, cache_read=500, cache_write=30, reasoning=20)
OPENAI_INPUT = {"cached_tokens": 500, "cache_write_tokens": 30}
TOLD: dict[DialectName, dict[str, Any]] = {
    "anthropic": {
        "input_tokens": 1000,
        "cache_read_input_tokens": 500,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 90,
        "output_tokens_details": {"thinking_tokens": 20},
    },
    "chat": {
        "prompt_tokens": 1530,
        "completion_tokens": 90,
        "total_tokens": 1620,
        "prompt_tokens_details": OPENAI_INPUT,
        "completion_tokens_details": {"reasoning_tokens": 20},
    },
    "responses": {
        "input_tokens": 1530,
        "output_tokens": 90,
        "total_tokens": 1620,
        "input_tokens_details": OPENAI_INPUT,
        "output_tokens_details": {"reasoning_tokens": 20},
    },
    "gemini": {
        "promptTokenCount": 1530,
        "cachedContentTokenCount": 500,
        "candidatesTokenCount": 70,
        "thoughtsTokenCount": 20,
        "totalTokenCount": 1620,
    },
}

each_dialect = pytest.mark.parametrize("dialect", NAMES)


@each_dialect
def test_the_usage_is_told_in_the_words_of_the_dialect(dialect: DialectName):
    with ModelServer({"default": [say("hello", usage=USED, times=2)]}) as server:
        status, answer = ask(server, dialect, "x")
        events = stream(server, dialect, "x")
    assert status == 200
    assert text_said(dialect, answer) == "hello"
    assert usage_told(dialect, answer) == TOLD[dialect]
    assert usage_streamed(dialect, events) == TOLD[dialect]


@each_dialect
def test_what_was_told_is_billed(dialect: DialectName):
    with ModelServer({"default": [say("hello", usage=USED, times=2)]}) as server:
        ask(server, dialect, "x")
        stream(server, dialect, "x")
        unsaid = 60 if dialect == "gemini" else 0  # it has no word for written cache
        bill = Billed(2000 + unsaid, 180, 1000, 60 - unsaid, 40, requests=2)
        assert server.billed() == {"m": bill}
        assert server.total() == bill
        assert server.broken == {}


@each_dialect
def test_a_client_calls_its_own_tools(dialect: DialectName):
    steps = [write("/w/a.txt", "it's"), shell("ls"), call("Odd", {"n": 1})]
    with ModelServer({"default": steps}) as server:
        called = [tool_called(dialect, ask(server, dialect, "x")[1]) for _ in steps]
    assert called == [
        ("write", {"path": "/w/a.txt", "content": "it's", "why": "scripted"}),
        ("exec_command", {"cmd": "ls"}),
        ("Odd", {"n": 1}),
    ]


def test_without_a_tool_for_files_the_shell_writes_where_the_client_works():
    words = {"command": {"type": "array"}}
    tools = {"shell": {"properties": words, "required": ["command"]}}
    with ModelServer({"": [write("sub/a.txt", "it's")]}) as server:
        prompt = "<cwd>/w</cwd>"
        _, answer = ask(server, "chat", prompt, tools=tools)
    command = "mkdir -p /w/sub && printf %s 'it'\"'\"'s' > /w/sub/a.txt"
    assert tool_called("chat", answer) == ("shell", {"command": ["bash", "-lc", command]})


def test_each_marker_has_its_own_queue_for_clients_in_parallel():
    script = {f"Task {n} of": [say(f"{n}.{step}") for step in range(8)] for n in range(1, 5)}
    with ModelServer(script) as server, ThreadPoolExecutor(4) as pool:

        def told(number: int) -> list[str]:
            prompt = f"This is Task {number} of 4"
            answers = [ask(server, "anthropic", prompt)[1] for _ in range(9)]
            return [text_said("anthropic", one) for one in answers]

        heard = list(pool.map(told, range(1, 5)))
        assert set(server.left.values()) == {0}
    assert heard == [[*(f"{n}.{step}" for step in range(8)), "done"] for n in range(1, 5)]


def test_the_longest_marker_wins_and_default_takes_the_rest():
    script = {"default": [say("any")], "Task": [say("short")], "Task 12": [say("long")]}
    with ModelServer(script) as server:
        prompts = ("Task 12", "Task 3", "else", "Task 12")
        heard = [text_said("chat", ask(server, "chat", prompt)[1]) for prompt in prompts]
        server.load("Task 12", [say("again")])
        heard.append(text_said("chat", ask(server, "chat", "Task 12")[1]))
    assert heard == ["long", "short", "any", "done", "again"]


def test_a_request_without_tools_takes_no_step_but_is_billed():
    with ModelServer({"default": [say("for the task")]}) as server:
        _, answer = ask(server, "chat", "make a title", tools={})
        assert text_said("chat", answer) == SIDE.text
        assert [one.side for one in server.requests] == [True]
        assert server.left == {"default": 1}
        assert server.total() == Billed(SIDE.usage.input, SIDE.usage.output, requests=1)


def test_a_server_without_side_answers_scripts_them_too():
    with ModelServer({"default": [say("for the task")]}, side=None) as server:
        assert text_said("chat", ask(server, "chat", "x", tools={})[1]) == "for the task"
        assert server.requests[0].side is False


@each_dialect
def test_a_request_is_on_record(dialect: DialectName):
    step = say("hello")
    with ModelServer({"default": [step]}) as server:
        ask(server, dialect, "do it")
        (one,) = server.requests
    assert (one.dialect, one.model, one.stream, one.messages) == (dialect, "m", False, 1)
    assert (one.tools, one.prompt, one.step) == (("write", "exec_command"), "do it", step)
    assert one.headers["x-api-key"] == "key"
    assert one.bytes == int(one.headers["content-length"])
    assert "do it" in str(one.body)


@each_dialect
def test_a_failure_has_the_status_the_headers_and_the_words(dialect: DialectName):
    step = fail(429, message="slow down", headers={"retry-after": "7"}, times=2)
    with ModelServer({"default": [step]}) as server:
        for streamed in (False, True):
            with open_answer(server, dialect, "x", stream=streamed) as answer:
                assert (answer.status, answer.headers["retry-after"]) == (429, "7")
                assert b"slow down" in answer.read()
        assert server.total() == Billed()


def test_the_kind_of_a_failure_can_be_given():
    quota = fail(429, type="insufficient_quota", code="quota")
    with ModelServer({"default": [quota, fail(400, body={"odd": 1}), fail(503)]}) as server:
        error = ask(server, "responses", "x")[1]["error"]
        assert (error["type"], error["code"]) == ("insufficient_quota", "quota")
        assert ask(server, "responses", "x") == (400, {"odd": 1})
        assert ask(server, "gemini", "x")[1]["error"]["status"] == "UNAVAILABLE"


def test_headers_of_an_answer_reach_the_client():
    limit = {"anthropic-ratelimit-unified-status": "allowed_warning"}
    with ModelServer({"default": [say("x", headers=limit, times=2)]}) as server:
        for streamed in (False, True):
            with open_answer(server, "anthropic", "x", stream=streamed) as answer:
                answer.read()
                assert limit.items() <= dict(answer.headers).items()


def test_a_connection_can_end_before_any_answer():
    with ModelServer({"default": [drop("before")]}) as server:
        with pytest.raises((RemoteDisconnected, ConnectionResetError)):
            ask(server, "chat", "x")
        assert (server.total(), server.broken) == (Billed(), {})


FIRST_WORDS = {
    "anthropic": Billed(1000, 1, 500, 30, requests=1),
    "chat": Billed(requests=1),
    "responses": Billed(requests=1),
    "gemini": Billed(1030, 0, 500, requests=1),
}


STOPS = {
    "anthropic": ("max_tokens", "refusal"),
    "chat": ("length", "content_filter"),
    "responses": ("max_output_tokens", "content_filter"),
    "gemini": ("MAX_TOKENS", "SAFETY"),
}


@each_dialect
def test_an_answer_can_end_before_all_is_said(dialect: DialectName):
    steps = [step for stop in ("length", "refusal") for step in (say("x", stop),) * 2]
    with ModelServer({"default": steps}) as server:
        for word in STOPS[dialect]:
            assert f'"{word}"' in json.dumps(ask(server, dialect, "x")[1])
            assert f'"{word}"' in json.dumps(stream(server, dialect, "x")[-2:])
        assert server.total().requests == 4


@each_dialect
def test_a_stream_can_break_off_and_is_not_billed(dialect: DialectName):
    with ModelServer({"default": [drop("middle", usage=USED)]}) as server:
        with open_answer(server, dialect, "x", stream=True) as answer:
            with pytest.raises(IncompleteRead) as broken:
                answer.read()
            assert broken.value.partial.startswith((b"event: ", b"data: "))
        assert server.broken == {"m": FIRST_WORDS[dialect]}
        assert server.total() == Billed()


def test_an_answer_in_one_piece_can_break_off():
    with ModelServer({"default": [drop("middle")]}) as server:
        with open_answer(server, "chat", "x") as answer, pytest.raises(IncompleteRead):
            answer.read()
        assert server.broken == {"m": Billed(requests=1)}


@each_dialect
def test_a_stream_can_tell_of_an_error(dialect: DialectName):
    with ModelServer({"default": [sse_error("too busy"), sse_error("too busy")]}) as server:
        assert "too busy" in str(stream(server, dialect, "x")[-1])
        status, answer = ask(server, dialect, "x")
        assert (status, "too busy" in str(answer)) == (529, True)
        assert (server.total(), server.broken["m"].requests) == (Billed(), 1)


@pytest.mark.parametrize("where", ["before", "middle"])
def test_a_hanging_answer_ends_when_the_server_closes(where: Any):
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        with ModelServer({"default": [hang(600, where)]}) as server:
            asked = pool.submit(stream, server, "anthropic", "x")
            (request,) = server.wait_requests(1)
            assert (request.step, asked.done()) == (hang(600, where), False)
        with pytest.raises((HTTPException, ConnectionError)):
            asked.result(10)
    assert time.monotonic() - begun < 10
    assert server.billed() == {}


def test_a_hanging_answer_ends_by_itself():
    with ModelServer({"default": [hang(0.2)]}) as server:
        begun = time.monotonic()
        with pytest.raises((HTTPException, ConnectionError)):
            ask(server, "chat", "x")
        assert 0.2 <= time.monotonic() - begun < 5


def test_an_answer_can_be_slow():
    with ModelServer({"default": [say("x", latency_s=0.3)]}) as server:
        begun = time.monotonic()
        ask(server, "chat", "x")
        assert time.monotonic() - begun >= 0.3


def test_waiting_requests_are_answered_together():
    script = {"A": [wait_for(2, say("a"))], "B": [wait_for(2)]}
    with ModelServer(script) as server, ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, server, "chat", "A")
        server.wait_requests(1)
        assert server.billed() == {}
        second = pool.submit(ask, server, "chat", "B")
        heard = [text_said("chat", one.result(10)[1]) for one in (first, second)]
    assert heard == ["a", "all are here"]


def test_who_waits_alone_is_told_so():
    with ModelServer({"default": [wait_for(2, timeout_s=0.1)]}) as server:
        status, answer = ask(server, "chat", "x")
    assert (status, "did not come together" in str(answer)) == (400, True)


def test_only_the_user_and_the_client_are_searched_for_markers():
    """A worker that reads the plan must not get the steps of another task."""
    script = {"Task 1 of": [say("right")], "Task 2 of 4": [say("wrong")]}
    asked = {"role": "user", "content": "Task 1 of 4"}
    found = {"role": "tool", "tool_call_id": "1", "content": "Task 2 of 4"}
    body = {"model": "m", "messages": [asked, found], "tools": [{"name": "write"}]}
    with ModelServer(script) as server, send(server, PATHS["chat"], body) as answer:
        assert text_said("chat", json.loads(answer.read())) == "right"
        assert server.requests[0].prompt == "Task 1 of 4"


def test_a_step_that_no_tool_can_do_is_a_fault_of_the_script():
    def impossible() -> None:
        with ModelServer({"default": [shell("ls")]}) as server:
            ask(server, "chat", "x", tools={"read": {}})

    with pytest.raises((HTTPException, ConnectionError)):
        impossible()  # what the test itself met goes first
    server = ModelServer({})
    with pytest.raises(AssertionError, match="no shell"), server:
        server.faults.append("LookupError: the client has no shell")


def test_what_is_no_question_for_a_model_is_noted_beside():
    with ModelServer({"default": []}) as server:
        with open_answer(server, "anthropic", "x", path="/v1/messages/count_tokens") as answer:
            assert b"input_tokens" in answer.read()
        with open_answer(server, "anthropic", "x", path="/v1/elsewhere") as answer:
            assert answer.status == 404
        assert server.others == ["POST /v1/messages/count_tokens", "POST /v1/elsewhere"]
        assert server.requests == []


@pytest.mark.parametrize(
    "told",
    [
        "<environment_context>\n  <cwd>/w x</cwd>\n",  # Codex
        " - Primary working directory: /w x\n - Is a git repository: true",  # Claude Code
        "CWD: /w x\nDate: 2026-11-21",  # Claude Code with --bare
        "- **Workspace Directories:**\n  - /w x\n- **Directory Structure:**",  # Gemini
        "<env>\n  Working directory: /w x\n  Workspace root folder: /w",  # OpenCode
        "Current date: 2026-11-21\nCurrent working directory: /w x",  # pi
    ],
)
def test_a_relative_path_starts_where_the_client_says_it_works(told: str):
    with ModelServer({"default": [write("a.txt", "x")]}) as server:
        _, given = tool_called("chat", ask(server, "chat", told)[1])
    assert given["path"] == "/w x/a.txt"
