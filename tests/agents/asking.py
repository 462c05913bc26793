"""What a client asks for, read from any of the four dialects; it decides nothing about the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.agents.steps import Step

DialectName = Literal["anthropic", "chat", "responses", "gemini"]
Json = dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """A tool that the client declares: its name, the schema of each argument, the required ones."""

    name: str
    properties: Mapping[str, Any]
    required: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """One request for an answer. `prompt` is what the user said last, without tool results."""

    dialect: DialectName
    model: str
    bytes: int
    tools: tuple[str, ...]
    system: str
    prompt: str
    messages: int
    headers: Mapping[str, str]
    stream: bool
    side: bool
    step: Step
    body: Json = field(repr=False)


@dataclass(frozen=True)
class Message:
    role: str
    texts: tuple[str, ...]
    is_result: bool


@dataclass(frozen=True)
class Asked:
    """A request as it was read, before a step was chosen for it."""

    dialect: DialectName
    model: str
    stream: bool
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]
    headers: Mapping[str, str]
    body: Json
    bytes: int

    @property
    def system(self) -> str:
        return "\n".join("\n".join(one.texts) for one in self.messages if one.role == "system")

    @property
    def text(self) -> str:
        """What the user and the client's author wrote: system and user text, no tool results."""
        said = [one for one in self.messages if one.role == "user" and not one.is_result]
        return "\n".join([self.system, *("\n".join(one.texts) for one in said)])

    @property
    def prompt(self) -> str:
        said = [one for one in self.messages if one.role == "user" and not one.is_result]
        spoken = [texts for one in said if (texts := [t for t in one.texts if not added(t)])]
        return "\n".join(spoken[-1]) if spoken else ""

    @property
    def folder(self) -> str | None:
        """The working directory that the client tells the model, if it does."""
        for pattern in FOLDER:
            if found := pattern.search(self.text):
                return found[1].strip()
        return None

    def taken(self, step: Step, side: bool) -> Request:
        return Request(
            dialect=self.dialect,
            model=self.model,
            bytes=self.bytes,
            tools=tuple(tool.name for tool in self.tools),
            system=self.system,
            prompt=self.prompt,
            messages=sum(one.role != "system" for one in self.messages),
            headers=self.headers,
            stream=self.stream,
            side=side,
            step=step,
            body=self.body,
        )


# Codex; Claude Code, OpenCode and pi; Gemini. All seen in real requests.
FOLDER = (
    re.compile(r"<cwd>(/[^<\n]+)</cwd>"),
    re.compile(r"(?:[Ww]orking directory|CWD): (/[^\n]+)"),
    re.compile(r"Workspace Directories:\*\*\n\s*- (/[^\n]+)"),
)
ADDED = ("<system-reminder>", "<session_context>", "<environment_context>", "<user_instructions>")


def added(text: str) -> bool:
    """Whether the client, not the user, wrote this part of a user message."""
    return text.lstrip().startswith(ADDED)


def dialect_of(path: str) -> DialectName | None:
    plain = path.split("?")[0]
    if plain.endswith("/messages"):
        return "anthropic"
    if plain.endswith("/chat/completions"):
        return "chat"
    if plain.endswith("/responses"):
        return "responses"
    return "gemini" if plain.endswith((":generateContent", ":streamGenerateContent")) else None


def read(path: str, headers: Mapping[str, str], raw: bytes) -> Asked | None:
    """None when the path is none of the four."""
    dialect = dialect_of(path)
    if dialect is None:
        return None
    body = json.loads(raw)
    gemini = dialect == "gemini"
    return Asked(
        dialect=dialect,
        model=path.split("/models/")[-1].split(":")[0] if gemini else body.get("model", ""),
        stream=":stream" in path if gemini else bool(body.get("stream")),
        tools=tuple(declared(body)),
        messages=tuple(MESSAGES[dialect](body)),
        headers=headers,
        body=body,
        bytes=len(raw),
    )


def declared(body: Json) -> Iterator[Tool]:
    for entry in body.get("tools") or []:
        for one in entry.get("functionDeclarations") or [entry]:
            spec = one.get("function", one)
            schema = (
                spec.get("input_schema")
                or spec.get("parameters")
                or spec.get("parametersJsonSchema")
                or spec.get("parameters_json_schema")  # google-genai writes it so
                or {}
            )
            yield Tool(
                spec.get("name") or spec.get("type", ""),
                schema.get("properties") or {},
                tuple(schema.get("required") or ()),
            )


def texts(content: Any) -> tuple[str, ...]:
    """The text of a message, be it a string or a list of parts."""
    if isinstance(content, str):
        return (content,)
    return tuple(part["text"] for part in content or [] if isinstance(part.get("text"), str))


def anthropic_messages(body: Json) -> Iterator[Message]:
    yield Message("system", texts(body.get("system")), False)
    for one in body["messages"]:
        content = one["content"]
        blocks = [] if isinstance(content, str) else content
        is_result = any(block.get("type") == "tool_result" for block in blocks)
        yield Message(one["role"], texts(content), is_result)


def chat_messages(body: Json) -> Iterator[Message]:
    for one in body["messages"]:
        role = "system" if one["role"] == "developer" else one["role"]
        yield Message(role, texts(one.get("content")), role == "tool")


def responses_messages(body: Json) -> Iterator[Message]:
    if body.get("instructions"):
        yield Message("system", (body["instructions"],), False)
    given = body["input"]
    for one in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        if one.get("type", "message") == "message":
            role = "system" if one["role"] == "developer" else one["role"]
            yield Message(role, texts(one["content"]), False)
        else:
            yield Message("tool", (), one["type"].endswith("_output"))


def gemini_messages(body: Json) -> Iterator[Message]:
    yield Message("system", texts((body.get("systemInstruction") or {}).get("parts")), False)
    for one in body["contents"]:
        is_result = any("functionResponse" in part for part in one["parts"])
        yield Message(one.get("role", "user"), texts(one["parts"]), is_result)


MESSAGES = {
    "anthropic": anthropic_messages,
    "chat": chat_messages,
    "responses": responses_messages,
    "gemini": gemini_messages,
}
