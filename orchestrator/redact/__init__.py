"""Values of secret variables -> `[redacted: NAME]`, in every form that programs print them in. Never guesses at values that it was not given.

What is secret is known by value: of every environment that this process has or gives to a program (`learn`), what
`variables.py` takes for a secret. It is hidden where something enters what we keep, and these places are enough:

* `process.Tree` reads each program that we start. What it prints is clean before anybody sees it: lines, heads and
  tails, transcripts, and so outcomes, details, checks and what the next prompt says of them.
* `journal.append` is the way of every event, so of all that is derived from a run later: SUMMARY, explain, show, resume.
  Only free text in it is cleaned (`WORDS`): what the engine acts on (ids, paths, refs, branches, models) is as it is.
* `ledger.encode`, `closing.summarise` and `Repository.commit` are the only ways into ledger, SUMMARY and messages of commits.
* Who shortens a text cleans it first (`text.clean`, `terminal.plain`, `message`): half of a secret is found by nobody.
* `terminal.Words` is our stdout and stderr: errors, tracebacks and JSON, whatever raised them.
* `handing.hand` makes prompts. `Ground.keep` and `Keeper` make commits of files (`workspace/leaks.py`).
* Who writes a file with words of others beside that says so there: `talk`, `history` and `inbox`.

A value that stands in the project's own names (`Known.spare`) is no secret: everybody sees it in them, and a run would break.

The plans in the journal are exact: a resume needs their bytes, and who wrote a secret into one is told by lint (X001).

This module is one set for the process and not an argument of each call: a forgotten argument would be a leak.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any, BinaryIO
from urllib.parse import quote, quote_plus

from orchestrator.redact import variables

ENCODING = "utf-8", "surrogatepass"  # any text that Python can hold comes back
CHUNK = 1 << 20  # bytes of a file that are in memory at once
# Keys of events, letters and ledger lines whose text is for people and models only.
WORDS = frozenset({
    "command", "denials", "detail", "error_message", "error_type", "failed_step", "note", "notes", "output", "prompt", "reason", "reasons", "secrets", "system",
    "tail", "target", "text", "tool", "warnings", "why",
})  # fmt: skip


class Secrets:
    """A fixed set of values, each under the name of its variable."""

    def __init__(self, found: Iterable[tuple[str, str]] = ()) -> None:
        self._marks: dict[bytes, bytes] = {}
        self._names: dict[bytes, str] = {}
        for name, value in found:
            for form in forms(value):
                self._names.setdefault(form, name)
                self._marks.setdefault(form, mark(name).encode())
        self._sorted = sorted(self._marks)
        self._longest = max(map(len, self._sorted), default=0)
        self._first = {form[:1] for form in self._sorted}

    def __bool__(self) -> bool:
        return bool(self._marks)

    def raw(self, data: bytes) -> bytes:
        clean, _ = self.take(data, ended=True)
        return clean

    def text(self, text: str) -> str:
        if not self._marks:
            return text
        data = text.encode(*ENCODING)
        clean = self.raw(data)
        return text if clean is data else clean.decode(*ENCODING)

    def part(self, data: bytes, start: int, end: int) -> bytes:
        """From `start` to `end`, cleaned as a part of `data`, which has `around` bytes more at both sides. A mark is where its secret begins."""
        pieces, done = list[bytes](), start
        for first, last in self._hits(data):
            if last <= done or first >= end:
                continue
            if first >= done:
                pieces += (data[done:first], self._marks[data[first:last]])
            done = min(last, end)
        return b"".join((*pieces, data[done:end]))

    @property
    def around(self) -> int:
        """How much more of a text must be seen, so that no part of a secret in it is unknown."""
        return max(0, self._longest - 1)

    def count(self, data: bytes) -> Counter[str]:
        """How often the value of which variable is in it."""
        return Counter(self._names[data[start:end]] for start, end in self._hits(data))

    def tally(self, file: BinaryIO) -> Counter[str]:
        """The same of a file, of which no more than two pieces are in memory."""
        found, held = Counter[str](), b""
        while self._marks and (chunk := file.read(CHUNK)):
            data = held + chunk
            new = (span for span in self._hits(data) if span[1] > len(held))
            found.update(self._names[data[start:end]] for start, end in new)
            held = data[max(0, len(data) - self._longest + 1) :]
        return found

    def copy(self, file: BinaryIO, clean: BinaryIO) -> None:
        """All of it, cleaned, in pieces."""
        stream = Stream(self)
        while chunk := file.read(CHUNK):
            clean.write(stream.feed(chunk))
        clean.write(stream.finish())

    def take(self, data: bytes, *, ended: bool) -> tuple[bytes, bytes]:
        """What of it is decided, cleaned, and the rest that may yet become a secret."""
        edge = len(data) if ended else self._edge(data, 0)
        hits = self._hits(data)
        pieces, done = list[bytes](), 0
        for start, end in hits:
            if start < done:
                continue  # it began in one that is hidden already
            if start >= edge:
                break
            pieces += (data[done:start], self._marks[data[start:end]])
            done = end
            if done > edge:
                edge = self._edge(data, done)
        if not pieces and edge == len(data):
            return data, b""
        return b"".join((*pieces, data[done:edge])), data[edge:]

    def _hits(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets are; of two that begin at one place the longer is first. One quick search for each form."""
        found = list[tuple[int, int]]()
        for form in self._sorted:
            at = data.find(form)
            while at >= 0:
                found.append((at, at + len(form)))
                at = data.find(form, at + 1)
        found.sort(key=lambda span: (span[0], -span[1]))
        return found

    def _edge(self, data: bytes, start: int) -> int:
        """The first place from which on all there is may be the beginning of a secret."""
        for at in range(max(start, len(data) - self._longest + 1), len(data)):
            if data[at : at + 1] in self._first and self._begins(data[at:]):
                return at
        return len(data)

    def _begins(self, end: bytes) -> bool:
        place = bisect_left(self._sorted, end)
        if place < len(self._sorted) and self._sorted[place] == end:
            place += 1
        return place < len(self._sorted) and self._sorted[place].startswith(end)


class Stream:
    """The same for what comes in pieces. It keeps back no more than could still become a secret."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets, self._held = secrets, b""

    def feed(self, chunk: bytes) -> bytes:
        if not self._secrets:
            return chunk
        clean, self._held = self._secrets.take(self._held + chunk, ended=False)
        return clean

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return self._secrets.raw(held)


def mark(name: str) -> str:
    """Harmless in JSON, whatever the variable is called."""
    return f"[redacted: {re.sub(r'[^A-Za-z0-9_.-]', '?', name)}]"


def forms(value: str) -> set[bytes]:
    """As programs print it: as it is, in JSON, in JSON in JSON, in an address, and in base64 at each of its three offsets."""
    escaped = [json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]]
    texts = {value, *escaped, *(json.dumps(one)[1:-1] for one in escaped)}
    quoted = {quote(value, safe="", errors="replace"), quote_plus(value, errors="replace")}
    quoted.add(quote(value, errors="replace"))
    texts |= quoted | {re.sub(r"%[0-9A-F]{2}", lambda hexed: hexed[0].lower(), q) for q in quoted}
    plain = value.encode("utf-8", "surrogateescape")
    return {plain} | {text.encode(*ENCODING) for text in texts} | set(_in_base64(plain))


def _in_base64(plain: bytes) -> Iterator[bytes]:
    """The characters that it alone decides, wherever in the encoded text it begins."""
    for offset, first in enumerate((0, 2, 3)):
        last = 8 * (offset + len(plain)) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * offset + plain)[first:last]


MOST_SEEN = 10_000

# --- of this process -------------------------------------------------------------------------------


class Known:
    """What this process has learned so far; it forgets nothing."""

    def __init__(self) -> None:
        self._lock = Lock()  # runs are prepared in threads
        self._seen = set[tuple[str, str]]()
        self._found: dict[tuple[str, str], None] = {}
        self._public: tuple[str, ...] = ()
        self._own = set[str]()  # names of the project, of every run that this process has or shows
        self.secrets = Secrets()

    def learn(self, environment: Mapping[str, str]) -> None:
        with self._lock:
            told = environment.items()
            new = {name: value for name, value in told if (name, value) not in self._seen}
            if len(self._seen) > MOST_SEEN:
                self._seen.clear()  # it only saves time, and a daemon sees new values for ever
            self._seen.update(new.items())
            found = dict.fromkeys(variables.secrets(new))
            if found.keys() - self._found.keys():
                self._found |= found
                self._build()

    def pardon(self, globs: Sequence[str]) -> None:
        """From now on the values of variables with such names are no secrets, unless another variable has them, too."""
        with self._lock:
            if self._public != tuple(globs):
                self._public = tuple(globs)
                self._build()

    def spare(self, names: Iterable[str]) -> list[str]:
        """From now on what stands in one of these is no secret, whichever run names it. The variables that have such a value."""
        own = set(names)
        with self._lock:
            told = {name for name, value in self._secret() if any(value in one for one in own)}
            is_new = not own <= self._own
            self._own |= own
            if told and is_new:
                self._build()
        return sorted(told)

    def _secret(self) -> Iterator[tuple[str, str]]:
        return (
            (name, value)
            for name, value in self._found
            if not any(fnmatchcase(name, glob) for glob in self._public)
        )

    def _build(self) -> None:
        own = "\0".join(self._own)
        self.secrets = Secrets((name, value) for name, value in self._secret() if value not in own)


KNOWN = Known()
learn, pardon, spare = KNOWN.learn, KNOWN.pardon, KNOWN.spare


def text(words: str) -> str:
    return KNOWN.secrets.text(words)


def raw(data: bytes) -> bytes:
    return KNOWN.secrets.raw(data)


def around() -> int:
    return KNOWN.secrets.around


def part(data: bytes, start: int, end: int) -> bytes:
    return KNOWN.secrets.part(data, start, end)


def stream() -> Stream:
    """With all that is known now."""
    return Stream(KNOWN.secrets)


def head(words: str, limit: int) -> str:
    """The beginning of a text, whose end may be cut off in the middle of a secret where it is long."""
    if len(words) <= limit:
        return text(words)
    return stream().feed(words.encode(*ENCODING)).decode(*ENCODING)[:limit]


def words(data: Any, key: str = "") -> Any:
    """A value of JSON with the texts under `WORDS` clean, and all else as it is: somebody acts on that."""
    if not KNOWN.secrets:
        return data
    match data:
        case str():
            return text(data) if key in WORDS else data
        case Mapping():
            return {name: words(inner, str(name)) for name, inner in data.items()}
        case list() | tuple():
            return [words(inner, key) for inner in data]
    return data
