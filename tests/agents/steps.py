"""What a scripted model answers, step by step: one frozen value for each kind of answer or failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict, Unpack

Where = Literal["before", "middle"]
Stop = Literal["end", "length", "refusal"]


@dataclass(frozen=True)
class Used:
    """Tokens of one answer in disjoint input buckets; `reasoning` is a part of `output`."""

    input: int = 1200
    output: int = 45
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        return self.input + self.cache_read + self.cache_write


@dataclass(frozen=True, kw_only=True)
class Step:
    """What every step may carry: usage, response headers, a delay, how often it stands in the queue."""

    usage: Used = Used()
    headers: Mapping[str, str] = field(default_factory=dict)
    latency_s: float = 0
    times: int = 1


class Common(TypedDict, total=False):
    usage: Used
    headers: Mapping[str, str]
    latency_s: float
    times: int


@dataclass(frozen=True)
class Say(Step):
    """`stop`: it has said all, it reached the cap of one answer, or it would not go on."""

    text: str
    stop: Stop = "end"


@dataclass(frozen=True)
class Write(Step):
    path: str
    content: str


@dataclass(frozen=True)
class Shell(Step):
    command: str


@dataclass(frozen=True)
class Call(Step):
    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Fail(Step):
    """An HTTP error in the words of the dialect; `body` replaces them."""

    http: int
    message: str = ""
    type: str = ""
    code: str = ""
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Drop(Step):
    where: Where


@dataclass(frozen=True)
class Hang(Step):
    seconds: float
    where: Where = "before"


@dataclass(frozen=True)
class StreamError(Step):
    """The stream begins with status 200 and then tells of an error."""

    message: str
    type: str
    code: str


@dataclass(frozen=True)
class WaitFor(Step):
    """Answers with `then` when `count` requests wait at steps of this name and count."""

    count: int
    then: Step
    name: str
    timeout_s: float


def say(text: str, stop: Stop = "end", **common: Unpack[Common]) -> Say:
    return Say(text, stop, **common)


def write(path: str, content: str, **common: Unpack[Common]) -> Write:
    """Creates a file with the client's own tool, else with its shell.

    A relative path is taken from the folder that the client tells. Claude Code refuses to overwrite
    a file that it has not read: use `shell` there.
    """
    return Write(path, content, **common)


def shell(command: str, **common: Unpack[Common]) -> Shell:
    return Shell(command, **common)


def call(tool: str, arguments: Mapping[str, Any], **common: Unpack[Common]) -> Call:
    """Calls a tool by the client's own name, as it stands."""
    return Call(tool, arguments, **common)


def fail(
    http: int,
    *,
    message: str = "",
    type: str = "",
    code: str = "",
    body: Mapping[str, Any] | None = None,
    **common: Unpack[Common],
) -> Fail:
    return Fail(http, message, type, code, body, **common)


def drop(where: Where, **common: Unpack[Common]) -> Drop:
    """Resets the connection before any byte of an answer, or in the middle of it."""
    return Drop(where, **common)


def hang(seconds: float, where: Where = "before", **common: Unpack[Common]) -> Hang:
    """Is silent for so long, then drops the connection; closing the server ends it at once."""
    return Hang(seconds, where, **common)


def sse_error(
    message: str = "Overloaded",
    *,
    type: str = "overloaded_error",
    code: str = "server_is_overloaded",
    **common: Unpack[Common],
) -> StreamError:
    return StreamError(message, type, code, **common)


def wait_for(
    count: int, then: Step | None = None, *, name: str = "", timeout_s: float = 60
) -> WaitFor:
    """Proves that clients run in parallel: nobody is answered until `count` are waiting here.

    Too few in time: they are told so with HTTP 400. A client that gave up still counts.
    """
    return WaitFor(count, then or say("all are here"), name, timeout_s)


def unfold(steps: Sequence[Step]) -> list[Step]:
    """The queue as it is played: each step as often as it says."""
    return [replace(step, times=1) for step in steps for _ in range(step.times)]
