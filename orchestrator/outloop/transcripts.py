"""The files in which Claude Code and Codex keep their sessions -> what each session did and used. Reads lines; keeps no output and no word of a prompt, and passes over no broken line in silence."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from orchestrator.hook import without_texts
from orchestrator.model import Step, StepKind, Usage
from orchestrator.spoken import (
    LONGEST_TARGET,
    Event,
    count_at,
    decode,
    find,
    items_at,
    step,
    text_at,
)

LONGEST_LINE = 64_000_000  # bytes; pictures stand in them
MOST_STEPS = 5000  # of one session; more are only counted
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*Z")
EXITED = re.compile(r'Process exited with code (\d+)|"exit_code": ?(\d+)|^Exit code:? (\d+)', re.M)
PATCHED = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.M)
SHELLS = {"bash", "sh", "zsh"}


@dataclass(slots=True)
class Call:
    """One answer of a model: what it used, and the steps that it asked for, by their keys."""

    model: str = ""
    usage: Usage = field(default_factory=Usage)
    steps: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Session:
    """`damaged`: the numbers of lines that nobody can read."""

    id: str = ""
    folder: str = ""
    at: str = ""
    steps: dict[str, Step] = field(default_factory=dict)
    left_out: int = 0
    calls: dict[str, Call] = field(default_factory=dict)
    damaged: list[int] = field(default_factory=list)

    def begin(self, call: str, key: str, found: Step) -> None:
        """A line can stand there twice."""
        if key in self.steps:
            return
        if len(self.steps) >= MOST_STEPS:
            self.left_out += 1
            return
        target = found.target.replace(f"{self.folder}/", "") if self.folder else found.target
        self.steps[key] = found.model_copy(update={"target": target[:LONGEST_TARGET]})
        self.calls.setdefault(call, Call()).steps.append(key)

    def end(self, key: str, ok: bool | None, exit_code: int | None = None) -> None:
        if key in self.steps:
            told = {"ok": ok, "exit_code": exit_code}
            self.steps[key] = self.steps[key].model_copy(update=told)

    @property
    def tokens(self) -> int | None:
        """Read and written anew; None where no call tells."""
        known = [one.usage.fresh_tokens for one in self.calls.values()]
        return sum(one or 0 for one in known) if any(one is not None for one in known) else None

    @property
    def weights(self) -> list[float]:
        """What part of the tokens the call of each step used. Several steps of one call have equal parts."""
        total, found = self.tokens, dict.fromkeys(self.steps, 0.0)
        for call in self.calls.values():
            for key in call.steps:
                found[key] = (call.usage.fresh_tokens or 0) / len(call.steps) / (total or 1)
        return list(found.values())


def claude(file: BinaryIO) -> Session:
    """One answer has several lines with one id and the same usage; the last one counts."""
    found = Session()
    for event in _events(file, found):
        found.id = text_at(event, "sessionId") or found.id
        found.folder = found.folder or text_at(event, "cwd")
        found.at = max(found.at, _time(event))
        match event.get("type"):
            case "assistant":
                _answer(event, found)
            case "user":
                for block in items_at(event, "message.content"):
                    if block.get("type") == "tool_result":
                        failed = block.get("is_error") is True
                        found.end(text_at(block, "tool_use_id"), not failed)
    return found


def codex(file: BinaryIO) -> Session:
    """Calls follow each other: what stands before a count of tokens used them."""
    found, model, before, number = Session(), "", Usage(), 0
    for event in _events(file, found):
        found.at = max(found.at, _time(event))
        kind = text_at(event, "payload.type")
        match event.get("type"):
            case "session_meta":
                found.id = found.id or text_at(event, "payload.id")
                found.folder = found.folder or text_at(event, "payload.cwd")
            case "turn_context":
                model = text_at(event, "payload.model") or model
            case "response_item":
                _item(kind, find(event, "payload", dict) or {}, found, str(number))
            case "event_msg" if kind == "token_count":
                total = _codex_usage(find(event, "payload.info.total_token_usage", dict) or {})
                used = _beyond(total, before)
                if used.tokens:
                    call = found.calls.setdefault(str(number), Call())
                    call.model, call.usage = model, used
                    before, number = total, number + 1
    return found


# --- lines ------------------------------------------------------------------------------------------


def _events(file: BinaryIO, found: Session) -> Iterator[Event]:
    """The last line may still be written: without its end it is no damage."""
    number = 0
    while row := file.readline(LONGEST_LINE):
        number += 1
        if not row.strip():
            continue
        event = decode(row.decode("utf-8", "replace"))
        if event:
            yield event
        elif row.endswith(b"\n") or len(row) == LONGEST_LINE:
            found.damaged.append(number)
        while len(row) == LONGEST_LINE and not row.endswith(b"\n"):
            row = file.readline(LONGEST_LINE)


def _time(event: Event) -> str:
    told = text_at(event, "timestamp")
    return told if TIME.fullmatch(told) else ""


# --- Claude Code ------------------------------------------------------------------------------------


def _answer(event: Event, found: Session) -> None:
    model, key = text_at(event, "message.model"), text_at(event, "message.id")
    if not key or model == "<synthetic>":
        return
    call = found.calls.setdefault(key, Call())
    call.model = model
    call.usage = Usage(
        input_tokens=count_at(event, "message.usage.input_tokens"),
        output_tokens=count_at(event, "message.usage.output_tokens"),
        cache_read_tokens=count_at(event, "message.usage.cache_read_input_tokens"),
        cache_write_tokens=count_at(event, "message.usage.cache_creation_input_tokens"),
        requests=1,
    )
    for block in items_at(event, "message.content"):
        if block.get("type") == "tool_use":
            told = _without_texts(find(block, "input", dict) or {})
            found.begin(key, text_at(block, "id"), step(text_at(block, "name"), told))


def _without_texts(told: Mapping[str, Any]) -> Mapping[str, Any]:
    script = told.get("command")
    return {**told, "command": without_texts(script)} if isinstance(script, str) else told


# --- Codex ------------------------------------------------------------------------------------------


def _item(kind: str, item: Event, found: Session, call: str) -> None:
    key, name = text_at(item, "call_id") or text_at(item, "id"), text_at(item, "name")
    match kind:
        case "function_call":
            told = decode(text_at(item, "arguments"))
            found.begin(call, key, _called(name, told))
        case "local_shell_call":
            found.begin(call, key, _called("local_shell", find(item, "action", dict) or {}))
        case "custom_tool_call":
            for place, path in enumerate(PATCHED.findall(text_at(item, "input"))):
                known = Step(kind=StepKind.WRITE, tool=name, target=path.strip())
                found.begin(call, f"{key} {place}" if place else key, known)
        case "function_call_output" | "custom_tool_call_output":
            code = _exit_code(item.get("output"))
            found.end(key, None if code is None else code == 0, code)


def _called(tool: str, told: Mapping[str, Any]) -> Step:
    """A command is told as text or as words, mostly those of a shell that has the text."""
    command = told.get("command", told.get("cmd"))
    if isinstance(command, list):
        words = [one for one in command if isinstance(one, str)]
        in_shell = len(words) == 3 and words[0].rpartition("/")[2] in SHELLS and "c" in words[1]
        command = words[2] if in_shell else shlex.join(words)
    text = without_texts(command) if isinstance(command, str) else ""
    return step(tool, {**told, "command": text, "cmd": ""} if text else told)


def _exit_code(output: Any) -> int | None:
    text = output if isinstance(output, str) else json.dumps(output)
    told = EXITED.search(text[:2000])
    return int(next(filter(None, told.groups()))) if told else None


def _codex_usage(told: Event) -> Usage:
    """What came from the cache, or went there, is a part of its input."""
    read, written = (
        count_at(told, "cached_input_tokens"),
        count_at(told, "cache_write_input_tokens"),
    )
    whole = count_at(told, "input_tokens")
    rest = None if whole is None else max(0, whole - (read or 0) - (written or 0))
    return Usage(
        input_tokens=rest, cache_read_tokens=read, cache_write_tokens=written,
        output_tokens=count_at(told, "output_tokens"),
    )  # fmt: skip


def _beyond(total: Usage, before: Usage) -> Usage:
    """Totals that fall begin anew."""
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    if (total.tokens or 0) < (before.tokens or 0):
        before = Usage()
    return Usage(**dict(_less(total, before, names)), requests=1)


def _less(total: Usage, before: Usage, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for name in names:
        now, then = getattr(total, name), getattr(before, name)
        yield name, None if now is None else max(0, now - (then or 0))
