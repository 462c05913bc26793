"""A plain HTTP client that asks in each dialect, for tests of the model server itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from tests.agents.asking import DialectName
from tests.agents.server import ModelServer

Json = dict[str, Any]
NAMES: tuple[DialectName, ...] = ("anthropic", "chat", "responses", "gemini")
PATHS: dict[DialectName, str] = {
    "anthropic": "/v1/messages?beta=true",
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "gemini": "/v1beta/models/m:generateContent",
}
WRITE = {"type": "object", "properties": {"path": {}, "content": {}}, "required": ["path", "why"]}
SHELL = {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}
TOOLS = {"write": WRITE, "exec_command": SHELL}


def body_of(dialect: DialectName, prompt: str, stream: bool, tools: Json) -> Json:
    message = {"role": "user", "content": prompt}
    base = {"model": "m", "stream": stream}
    match dialect:
        case "anthropic":
            listed = [{"name": name, "input_schema": one} for name, one in tools.items()]
            return {**base, "messages": [message], "tools": listed}
        case "chat":
            specs = [{"name": name, "parameters": one} for name, one in tools.items()]
            listed = [{"type": "function", "function": one} for one in specs]
            return {**base, "messages": [message], "tools": listed}
        case "responses":
            listed = [
                {"type": "function", "name": name, "parameters": one} for name, one in tools.items()
            ]
            return {**base, "input": prompt, "tools": listed}
        case "gemini":
            specs = [{"name": name, "parametersJsonSchema": one} for name, one in tools.items()]
            parts = [{"text": prompt}]
            return {
                "contents": [{"role": "user", "parts": parts}],
                "tools": [{"functionDeclarations": specs}] if specs else [],
            }


@contextmanager
def send(server: ModelServer, path: str, body: Json) -> Iterator[HTTPResponse]:
    """The answer with its body still unread; a broken connection raises."""
    connection = HTTPConnection("127.0.0.1", urlsplit(server.url).port or 0, timeout=10)
    with closing(connection):
        connection.request("POST", path, json.dumps(body), {"x-api-key": "key"})
        with connection.getresponse() as answer:
            yield answer


def open_answer(
    server: ModelServer,
    dialect: DialectName,
    prompt: str,
    *,
    stream: bool = False,
    tools: Json = TOOLS,
    path: str = "",
) -> AbstractContextManager[HTTPResponse]:
    usual = PATHS[dialect].replace(":generate", ":streamGenerate" if stream else ":generate")
    return send(server, path or usual, body_of(dialect, prompt, stream, tools))


def ask(server: ModelServer, dialect: DialectName, prompt: str, **more: Any) -> tuple[int, Json]:
    """Status and body of an answer in one piece."""
    with open_answer(server, dialect, prompt, **more) as answer:
        return answer.status, json.loads(answer.read())


def stream(server: ModelServer, dialect: DialectName, prompt: str, **more: Any) -> list[Json]:
    """The events of a streamed answer."""
    with open_answer(server, dialect, prompt, stream=True, **more) as answer:
        lines = answer.read().decode().splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def usage_told(dialect: DialectName, answer: Json) -> Json:
    return answer["usageMetadata" if dialect == "gemini" else "usage"]


def usage_streamed(dialect: DialectName, events: list[Json]) -> Json:
    match dialect:
        case "anthropic":
            return next(one["usage"] for one in events if one["type"] == "message_delta")
        case "responses":
            return events[-1]["response"]["usage"]
        case _:
            return usage_told(dialect, events[-1])


def tool_called(dialect: DialectName, answer: Json) -> tuple[str, Json]:
    match dialect:
        case "anthropic":
            block = answer["content"][-1]
            return block["name"], block["input"]
        case "chat":
            function = answer["choices"][0]["message"]["tool_calls"][0]["function"]
            return function["name"], json.loads(function["arguments"])
        case "responses":
            item = answer["output"][0]
            return item["name"], json.loads(item["arguments"])
        case "gemini":
            part = answer["candidates"][0]["content"]["parts"][-1]["functionCall"]
            return part["name"], part["args"]


def text_said(dialect: DialectName, answer: Json) -> str:
    match dialect:
        case "anthropic":
            return answer["content"][0]["text"]
        case "chat":
            return answer["choices"][0]["message"]["content"]
        case "responses":
            return answer["output"][0]["content"][0]["text"]
        case "gemini":
            return answer["candidates"][0]["content"]["parts"][0]["text"]
