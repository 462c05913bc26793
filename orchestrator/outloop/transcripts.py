"""The files in which Claude Code and Codex keep their sessions -> what each session did and used. Keeps sums, no output and no word of a prompt, and passes over no broken line in silence."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from orchestrator import redact
from orchestrator.hook import LONGEST_SCRIPT
from orchestrator.model import Step, Usage
from orchestrator.redact import commands
from orchestrator.redact.heredocs import without_texts
from orchestrator.spoken import TARGETS, Event, count_at, cut, decode, find, items_at, step, text_at

LONGEST_LINE = 64_000_000  # bytes; pictures stand in them
MOST_STEPS = 5000  # of one session; more are only counted
MOST_OPEN = 200  # answers that may still get lines
MOST_DAMAGED = 10  # lines that are named
HEAD = 200  # lines in which it stands whose session it is
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*Z")
EXITED = re.compile(r"^(?:Process exited with code|Exit code:?) (-?\d+)\s*$", re.M)
PATCHED = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.M)
SHELLS = {"bash", "sh", "zsh"}


@dataclass(slots=True)
class Call:
    """One answer of a model: what it used, and the steps that it asked for. `new`: of those `told`, so many that were not known."""

    model: str = ""
    usage: Usage = field(default_factory=Usage)
    steps: list[str] = field(default_factory=list)
    told: int = 0
    new: int = 0


@dataclass(slots=True)
class Session:
    """Sums, and the first steps: half a million answers need no more. `copied`: what other sessions have already, and `known` what this one has, as hashes; `others`: those of its files that are not its own, which the first `others_first` are whosever they are. `book` is told what each answer of which model used."""

    book: Callable[[Usage, str], None] = lambda _usage, _model: None
    copied: Collection[int] = frozenset()
    known: set[int] = field(default_factory=set)
    others: set[int] = field(default_factory=set)
    others_first: int = 0
    id: str = ""
    folder: str = ""
    at: str = ""
    steps: dict[str, Step] = field(default_factory=dict)
    left_out: int = 0
    tokens: int | None = None  # read and written anew; None where no call tells
    _open: dict[str, Call] = field(default_factory=dict)
    _used: dict[str, float] = field(default_factory=dict)

    def call(self, key: str) -> Call | None:
        """None: it is counted already, here or in another session."""
        if key not in self._open:
            if not self._is_new(key):
                return None
            if len(self._open) >= MOST_OPEN:
                self.settle(self._open.pop(next(iter(self._open))))
            self._open[key] = Call()
        return self._open[key]

    def begin(self, call: Call, key: str, make: Callable[[], Step]) -> None:
        """A line can stand there twice."""
        call.told += 1
        if not self._is_new(key):
            return
        call.new += 1
        if len(self.steps) >= MOST_STEPS:
            self.left_out += 1
            return
        found = make()
        target = found.target.replace(f"{self.folder}/", "") if self.folder else found.target
        self.steps[key] = found.model_copy(update={"target": target})
        call.steps.append(key)

    def end(self, key: str, ok: bool | None, exit_code: int | None = None) -> None:
        if key in self.steps:
            told = {"ok": ok, "exit_code": exit_code}
            self.steps[key] = self.steps[key].model_copy(update=told)

    def settle(self, call: Call) -> None:
        """It gets no more lines. What is a copy as a whole used nothing."""
        if call.told and not call.new:
            return
        fresh = call.usage.fresh_tokens
        if fresh is not None:
            self.tokens = (self.tokens or 0) + fresh
        for key in call.steps:
            self._used[key] = (fresh or 0) / len(call.steps)
        self.book(call.usage, call.model)

    def close(self) -> None:
        for call in self._open.values():
            self.settle(call)
        self._open.clear()

    @property
    def weights(self) -> list[float]:
        """What part of the tokens the call of each step used. Several steps of one call have equal parts."""
        return [self._used.get(key, 0.0) / (self.tokens or 1) for key in self.steps]

    def _is_new(self, key: str) -> bool:
        mark = hash(key)
        if mark in self.known or mark in self.others:
            return False
        if mark in self.copied or len(self.others) < self.others_first:
            self.others.add(mark)
            return False
        self.known.add(mark)
        return True


class Lines:
    """The events of one file. `damaged`: the first lines that nobody can read, of so many `broken` ones. `reached` is told the bytes of each line."""

    def __init__(self, file: BinaryIO, reached: Callable[[int], None] = lambda _: None) -> None:
        self._file, self._reached = file, reached
        self.broken = 0
        self.damaged: list[int] = []

    def __iter__(self) -> Iterator[Event]:
        for number in itertools.count(1):
            row = self._file.readline(LONGEST_LINE)
            if not row:
                return
            event = decode(row.decode("utf-8", "replace")) if row.strip() else {}
            if event:
                yield event
            elif row.strip() and (row.endswith(b"\n") or len(row) == LONGEST_LINE):
                # the last line may still be written: without its end it is no damage
                self._note(number)
            self._reached(len(row))
            while len(row) == LONGEST_LINE and not row.endswith(b"\n"):
                row = self._file.readline(LONGEST_LINE)
                self._reached(len(row))

    def _note(self, number: int) -> None:
        self.broken += 1
        if len(self.damaged) < MOST_DAMAGED:
            self.damaged.append(number)


class Begin(NamedTuple):
    """How a file begins: whose it is, where that works, the name of the first thing that a copy of it would have, too, and when: a copy has a later line before all that it copied."""

    id: str = ""
    folder: str = ""
    first: str = ""
    at: str = ""


def begin(client: str, events: Iterable[Event]) -> Begin:
    found = Begin()
    for event in itertools.islice(events, HEAD):
        kind, at = event.get("type"), _time(event)
        if client == "claude":
            first = text_at(event, "message.id") if kind == "assistant" else ""
            told = Begin(text_at(event, "sessionId"), text_at(event, "cwd"), first, at)
        elif kind == "session_meta":
            told = Begin(text_at(event, "payload.id"), text_at(event, "payload.cwd"), at=at)
        else:
            first = text_at(event, "payload.call_id") if kind == "response_item" else ""
            told = Begin(first=first, at=at)
        found = Begin(*(one or other for one, other in zip(found, told, strict=True)))
        if all(found):
            break
    return found


def claude(events: Iterable[Event], found: Session) -> None:
    """One answer has several lines with one id and the same usage; the last one counts. Its sub-agents have files of their own with its name."""
    for event in events:
        found.id = found.id or text_at(event, "sessionId")
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
    found.close()


def codex(events: Iterable[Event], found: Session) -> None:
    """Calls follow each other: what stands before a count of tokens used them."""
    call, model, before, own = Call(), "", Usage(), ""
    for event in events:
        found.at = max(found.at, _time(event))
        kind = text_at(event, "payload.type")
        match event.get("type"):
            case "session_meta":
                told = text_at(event, "payload.id")
                before, own = before if told == own else Usage(), told
                found.id = found.id or told
                found.folder = found.folder or text_at(event, "payload.cwd")
            case "turn_context":
                model = text_at(event, "payload.model") or model
            case "response_item":
                _item(kind, find(event, "payload", dict) or {}, found, call)
            case "event_msg" if kind == "token_count":
                total, used = _used(event, before)
                if used.tokens:
                    call.model, call.usage, before = model, used, total
                    found.settle(call)
                    call = Call()
    if call.told:
        found.settle(call)


def _time(event: Event) -> str:
    told = text_at(event, "timestamp")
    return told if TIME.fullmatch(told) else ""


def _step(tool: str, told: Mapping[str, Any]) -> Step:
    """Cleaned before it is cut, and before the folder's name goes, which would bring what was cut into what is kept: half of a secret is found by nobody."""
    words = {name: told[name] for name in TARGETS if isinstance(told.get(name), str)}
    return step(tool, {**told, **{name: _clean(name, word) for name, word in words.items()}})


def _clean(name: str, word: str) -> str:
    text = redact.text(cut(word, LONGEST_SCRIPT))
    if name in ("command", "cmd"):
        return commands.masked(redact.text(without_texts(text)))
    return text


# --- Claude Code ------------------------------------------------------------------------------------


def _answer(event: Event, found: Session) -> None:
    model, key = text_at(event, "message.model"), text_at(event, "message.id")
    call = found.call(key) if key and model != "<synthetic>" else None
    if call is None:
        return
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
            name, told = text_at(block, "name"), find(block, "input", dict) or {}
            found.begin(call, text_at(block, "id"), partial(_step, name, told))


# --- Codex ------------------------------------------------------------------------------------------


def _item(kind: str, item: Event, found: Session, call: Call) -> None:
    key, name = text_at(item, "call_id") or text_at(item, "id"), text_at(item, "name")
    match kind:
        case "function_call":
            told = decode(text_at(item, "arguments"))
            found.begin(call, key, partial(_called, name, told))
        case "local_shell_call":
            told = find(item, "action", dict) or {}
            found.begin(call, key, partial(_called, "local_shell", told))
        case "custom_tool_call":
            for place, path in enumerate(PATCHED.findall(text_at(item, "input"))):
                made = partial(step, name, {"path": redact.text(path.strip())})
                found.begin(call, f"{key} {place}" if place else key, made)
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
    is_text = isinstance(command, str) and command != ""
    return _step(tool, {**told, "command": command, "cmd": ""} if is_text else told)


def _exit_code(output: Any) -> int | None:
    """As its record has it, else as the lines before its output say. What a command prints says nothing of itself."""
    record = decode(output) if isinstance(output, str) else output
    if isinstance(record, Mapping) and record:
        return find(record, "metadata.exit_code", int)
    parts = [text_at(one, "text") for one in items_at({"all": record}, "all")]
    text = output if isinstance(output, str) else "\n".join(parts)
    head, ended, _ = text[:2000].partition("\nOutput:")
    told = EXITED.search(head) if ended else EXITED.match(head.split("\n")[0])
    return int(told[1]) if told else None


def _used(event: Event, before: Usage) -> tuple[Usage, Usage]:
    """The total, and what came to it. Totals that fall, or that are no more than the last answer used, begin anew."""
    total = _usage(find(event, "payload.info.total_token_usage", dict) or {})
    last = find(event, "payload.info.last_token_usage", dict)
    if total == before:
        return total, Usage()
    anew = last is not None and _usage(last) == total
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    if anew or (total.tokens or 0) < (before.tokens or 0):
        before = Usage()
    return total, Usage(**dict(_less(total, before, names)), requests=1)


def _usage(told: Event) -> Usage:
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


def _less(total: Usage, before: Usage, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for name in names:
        now, then = getattr(total, name), getattr(before, name)
        yield name, None if now is None else max(0, now - (then or 0))
