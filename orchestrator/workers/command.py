"""Any agent, told by a table of settings: how it is called and how what it prints is read. Knows no vendor, and guesses no figure."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.model import Attempt, Failure, Progress, Tier, Usage
from orchestrator.process import Ended
from orchestrator.settings import WorkerSettings, own
from orchestrator.workers import booking, trouble
from orchestrator.workers.reading import LONGEST_WORDS, Call, Client, Event, Reading, decode, find

PROMPT, SYSTEM = "prompt.txt", "system.txt"
LONGEST_ANSWER = 4_000_000  # characters of an answer that is one JSON object over many lines
TOKENS = tuple(name for name in own.COUNTS if name != "turns")
SCALES = {"": 1, "k": 1_000, "m": 1_000_000}
NUMBER = re.compile(r"\$?\s*(\d[\d,]*(?:\.\d+)?)\s*([km]?)\b", re.IGNORECASE)

Found = Mapping[str, Any]  # by the names of settings.Paths: what one line or event tells


class Command(Client):
    """[workers.NAME] with an argv, as a client. The settings are checked already: nothing here refuses them."""

    def __init__(self, name: str, settings: WorkerSettings) -> None:
        self.name, self.program = name, settings.argv[0]
        self._settings = settings
        self._used = own.placeholders((*settings.argv, *settings.resume, *settings.fork))
        self._patterns = [re.compile(one) for one in settings.patterns]
        self._marks = any("success" in one.groupindex for one in self._patterns)
        self._paths = {key: path for key, path in settings.paths.model_dump().items() if path}
        knows_models = "model" in own.placeholders(settings.argv)
        self.tiers: tuple[Tier, ...] = (settings.tiers or tuple(Tier)) if knows_models else ()
        ways = {"resume": settings.resume, "fork": settings.fork}
        self.sessions: Collection[str] = tuple(way for way, words in ways.items() if words)
        self.passes: tuple[str, ...] = ()  # env_pass of every agent is enough
        polite = (signal.SIGINT,) if settings.stop == "SIGINT" else ()
        self.tells_version = False
        self.stop: tuple[signal.Signals, ...] = (*polite, signal.SIGTERM)
        self.reads: tuple[str, ...] = ()

    def provider(self, model: str | None) -> str | None:
        return self._settings.provider

    # --- how it is called ------------------------------------------------------------------------

    def call(self, attempt: Attempt, folder: Path) -> Call:
        prompt, files = attempt.prompt, {}
        if "system_file" in self._used:
            files[SYSTEM] = attempt.system
        elif attempt.system:
            prompt = f"{attempt.system}\n{attempt.prompt}"
        in_file = "prompt_file" in self._used
        if in_file:
            files[PROMPT] = prompt
        values = {
            "model": attempt.route.model or "",
            "workspace": attempt.workspace,
            "session": attempt.session.id if attempt.session else "",
            "prompt_file": str(folder / PROMPT),
            "system_file": str(folder / SYSTEM),
        }
        argv = tuple(own.fill(word, values) for word in self._words(attempt))
        stdin = "" if in_file else prompt
        return Call(argv=argv, stdin=stdin, env=self._settings.env, files=files)

    def _words(self, attempt: Attempt) -> Iterator[str]:
        yield from self._settings.argv
        if attempt.session is not None:
            yield from self._settings.fork if attempt.session.fork else self._settings.resume

    # --- what it prints --------------------------------------------------------------------------

    def read(self, line: str, reading: Reading) -> Iterable[Progress]:
        match self._settings.format:
            case "text":
                yield from self._text(line, reading)
            case "ndjson":
                if event := decode(line):
                    yield from self._event(event, reading, self._is_end(event))
            case "json":
                _keep(line, reading)

    def conclude(self, ended: Ended, reading: Reading) -> None:
        if self._settings.format == "json":
            event, reading.text = _whole(reading.text), ""
            if event:
                list(self._event(event, reading, is_end=True))
        elif self._settings.format == "text":
            reading.text = reading.text or ended.stdout.strip()
            gone_well = ended.exit_code == 0 and reading.failure is None
            reading.finished = gone_well and (not self._marks or self._marked(ended.stdout))
        if not reading.finished:
            _unfinished(ended, reading)

    def examine(self, version: str, env: Mapping[str, str], home: Path) -> Iterable[str]:
        passed = [name for name in self._settings.env_pass if not set("*?[") & set(name)]
        if passed and not any(name in env for name in passed):
            yield f"none of {', '.join(passed)} is set: set what it needs to log in"
        if self._settings.format == "text" and not self._marks:
            yield "exit 0 counts as done, and only the task's own check tells more: write a pattern with (?P<success>...)"

    def _is_end(self, event: Event) -> bool:
        """Without `end` there is no other mark of it than success itself."""
        return _holds(event, self._settings.end or self._settings.success)

    def _event(self, event: Event, reading: Reading, is_end: bool) -> Iterator[Progress]:
        found = {key: _value(event, key, path) for key, path in self._paths.items()}
        yield from self._fold(found, reading)
        if is_end:
            reading.finished = True
            self._end(_holds(event, self._settings.success), reading)

    def _text(self, line: str, reading: Reading) -> Iterator[Progress]:
        """All that the patterns find on one line belongs together: one request, not several."""
        matches = filter(None, (pattern.search(line) for pattern in self._patterns))
        named = [pair for match in matches for pair in match.groupdict().items()]
        found = {key: _told(key, text) for key, text in named if text}
        yield from self._fold(found, reading)
        if "success" in found:
            reading.failure, reading.detail = None, ""  # it got over what went wrong before
        if words := line.strip():
            yield Progress(doing=words[:LONGEST_WORDS])

    def _marked(self, text: str) -> bool:
        """Looked for once more at the end: until then a mark is no end, it may go on."""
        marks = [one for one in self._patterns if "success" in one.groupindex]
        lines = text.splitlines()
        return any(m and m["success"] for mark in marks for m in map(mark.search, lines))

    def _end(self, well: bool, reading: Reading) -> None:
        """Only an error is read for its meaning: an agent's answer may speak of any trouble, and has none."""
        if well:
            reading.failure, reading.detail = None, ""
            return
        if reading.failure is None:  # what it told as its error is folded already
            words = reading.text or "it says that it did not succeed, and not why"
            reading.fail(Failure.EXIT, words)

    # --- what it tells ---------------------------------------------------------------------------

    def _fold(self, found: Found, reading: Reading) -> Iterator[Progress]:
        told = {key: value for key in ("session", "model") if (value := found.get(key))}
        reading.session = told.get("session", reading.session)
        reading.model = told.get("model", reading.model)
        reading.turns = _or(found.get("turns"), reading.turns)
        reading.denials += found.get("denials") or []
        if words := found.get("text"):
            reading.text = words
            told["doing"] = " ".join(words.split())[:LONGEST_WORDS]
        if error := found.get("error"):
            reading.fail(trouble.by_words(error) or Failure.EXIT, error)
            reading.retry_after_s = trouble.wait_s(error)
        figures = self._figures(found)
        if figures is not None:
            self._book(figures, reading)
        if told or figures is not None:
            yield Progress(**told, usage=reading.usage, totals=reading.totals)

    def _figures(self, found: Found) -> Usage | None:
        counts = {name: count for name in TOKENS if (count := found.get(name)) is not None}
        cost = found.get("cost_usd")
        if not counts and cost is None:
            return None
        if self._settings.input_includes_cache and "input_tokens" in counts:
            cached = (counts.get(f"cache_{way}_tokens", 0) for way in ("read", "write"))
            counts["input_tokens"] = max(0, counts["input_tokens"] - sum(cached))
        basis = "unknown" if cost is None else "reported"
        return Usage(**counts, cost_usd=cost, cost_basis=basis)

    def _book(self, figures: Usage, reading: Reading) -> None:
        """`last`: each time it tells, it tells all so far. `sum`: each time it is one more request."""
        if self._settings.usage == "sum":
            reading.requests.append(figures.model_copy(update={"requests": 1}))
            figures = booking.add(reading.requests) or figures
        if self._settings.totals:
            reading.totals = figures
        else:
            reading.usage = figures


def _holds(event: Event, wanted: Mapping[str, object]) -> bool:
    """Every one of these keys has this very value: true is not 1."""
    return all(find(event, path, type(value)) == value for path, value in wanted.items())


def _value(event: Event, key: str, path: str) -> Any:
    if key == "denials":
        return [_words(one) for one in find(event, path, list) or []]
    if key in own.COUNTS:
        count = find(event, path, int)
        return count if count is None or count >= 0 else None
    if key == "cost_usd":
        return find(event, path, float)
    return find(event, path, str)


def _told(key: str, text: str) -> Any:
    """What stands in a named group: 1.2k tokens are 1200, and $0.02 are dollars."""
    if key == "denials":
        return [text.strip()]
    if key not in (*own.COUNTS, "cost_usd"):
        return text.strip()
    match = NUMBER.search(text)
    if match is None:
        return None
    number = float(match[1].replace(",", "")) * SCALES[match[2].lower()]
    return number if key == "cost_usd" else round(number)


def _words(denial: Any) -> str:
    return denial if isinstance(denial, str) else json.dumps(denial, ensure_ascii=False)[:300]


def _or(value: int | None, other: int | None) -> int | None:
    return other if value is None else value


def _keep(line: str, reading: Reading) -> None:
    """One object may come over many lines; until the end its text is the answer as it came."""
    if len(reading.text) < LONGEST_ANSWER:
        reading.text += line + "\n"


def _whole(text: str) -> Event:
    """The first JSON object that begins a line: a client may warn before it speaks."""
    decoder = json.JSONDecoder()
    for start in re.finditer(r"^\s*(?=\{)", text, re.MULTILINE):
        try:
            found, _ = decoder.raw_decode(text, start.end())
        except (ValueError, RecursionError):
            continue
        return found if isinstance(found, dict) else {}
    return {}


def _unfinished(ended: Ended, reading: Reading) -> None:
    """What it counted is the least that it used. stderr and last words are heard only if it gave up by itself."""
    at_least = partial(Usage.model_copy, update={"lower_bound": True})
    reading.usage = at_least(reading.usage) if reading.usage else None
    reading.totals = at_least(reading.totals) if reading.totals else None
    if reading.failure is not None or not ended.exit_code:
        return
    complaint, said = ended.stderr.strip()[-2000:], ended.stdout.strip()[-2000:]
    failure = trouble.by_words(complaint) or trouble.by_last_words(said)
    words = complaint or said or f"it gave up with exit {ended.exit_code} and no word"
    reading.fail(failure or Failure.EXIT, words)
    if failure is not None:
        reading.retry_after_s = trouble.wait_s(complaint) or trouble.wait_s(said)
