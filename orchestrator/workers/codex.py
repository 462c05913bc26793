"""Codex: `codex exec --json` and its events; figures come from its log on stderr. Believes no exit code, and no totals where it told each request."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.model import Attempt, Failure, Progress, Step, StepKind, Tier, Usage
from orchestrator.process import Ended
from orchestrator.workers import booking, trouble
from orchestrator.workers.reading import (
    LONGEST_TARGET,
    LONGEST_WORDS,
    Call,
    Client,
    Event,
    Reading,
    count_at,
    decode,
    find,
    items_at,
    step,
    text_at,
)

SYSTEM = "system.md"
LOG = "codex_otel.trace_safe"  # what each request used and what was denied, at once; no texts
QUIET = {"RUST_LOG": f"error,{LOG}=info"}
FIRST = ("--json", "--skip-git-repo-check")
ALWAYS = (
    *("-c", "analytics.enabled=false"),
    *("-c", "check_for_update_on_startup=false"),
    *("-c", "allow_login_shell=false"),  # a profile would put another PATH in the place of ours
    *("--disable", "unbounded_connection_retries"),  # else it waits for a network for ever
)
LEAN_FEATURES = ("plugins", "apps", "hooks", "goals", "image_generation", "skill_search", "view_image", "sleep_tool", "multi_agent")  # fmt: skip
LEAN_SETTINGS = (
    "agents.enabled=false",
    'shell_environment_policy.exclude=["RUST_LOG","CODEX_API_KEY","CODEX_ACCESS_TOKEN"]',  # not for its tools
    'web_search="disabled"',
    "skills.include_instructions=false",
    "skills.bundled.enabled=false",
    "include_permissions_instructions=false",
    "include_apps_instructions=false",
    "include_collaboration_mode_instructions=false",
    "tools.experimental_request_user_input.enabled=false",
)
LEAN = (
    "--ignore-user-config",  # the only way without the person's MCP servers: one cannot empty that table
    *(word for name in LEAN_FEATURES for word in ("--disable", name)),
    *(word for pair in LEAN_SETTINGS for word in ("-c", pair)),
)
OWN_CONFIG = re.compile(r"^\s*(model_provider|openai_base_url|cli_auth_credentials_store)\s*=", re.MULTILINE)  # fmt: skip
LOGIN = 'log in with "codex login", or set CODEX_API_KEY'
TRIES = 2  # of its own, as far as we let it; it has 5, and no setting of ours makes them fewer
AGAIN = re.compile(r"Reconnecting\.\.\. (?:(\d+)/\d+|waiting for network)")
WEBSOCKET = re.compile(r"\bwss?://|WebSocket")  # it has another way then
STATUS = re.compile(r"(?:unexpected|last) status:? (\d{3})\b")
OWN_WORDS = (
    (Failure.REFUSED, re.compile(r"content_filter")),
    (Failure.OVERLOADED, re.compile(r"high demand")),  # its word for any 5xx
)
REJECTED = re.compile(r'Rejected\(\\?"(.+?)\\?"\)" }')
CUT_SHORT = "Incomplete response"
LOST = "no rollout found for thread id"
NOISE = re.compile(r"^(WARNING: |Reading (additional|prompt)|\d{4}-\d\d-\d\dT).*\n?", re.MULTILINE)
CLOCK = r"(\d{1,2}:\d\d [AP]M)"
AGAIN_AT = re.compile(rf"try again at (?:(\w{{3}}) (\d{{1,2}})(?:st|nd|rd|th), (\d{{4}}) )?{CLOCK}", re.IGNORECASE)  # fmt: skip
FIELD = re.compile(r'([\w.]+)=("[^"]*"|\S+)')
STOPPED = "stopped by its sandbox"
OPEN = 'where a container is the sandbox: [workers.codex] arguments = ["-c", \'sandbox_mode="danger-full-access"\']'
SANDBOX_STEP = f"its sandbox may not work here (try: codex sandbox -- true); {OPEN}"


class Codex(Client):
    name = program = "codex"
    tiers: tuple[Tier, ...] = tuple(Tier)
    sessions: Collection[str] = ("resume", "fork")
    passes: tuple[str, ...] = ("CODEX_*", "OPENAI_*")
    # SIGTERM leaves its tools running
    stop: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
    reads: tuple[str, ...] = ("AGENTS.md",)
    probe = ("sandbox", "--", "true")
    probe_fails = f"its sandbox does not work here, and every command of it would fail: {OPEN}"

    def __init__(self, *, lean: bool = True, now: Callable[[], datetime] = datetime.now) -> None:
        self._lean, self._now = lean, now

    def homes(self, env: Mapping[str, str], home: Path) -> Iterable[Path]:
        return (_home({"HOME": str(home), **env}),)

    def provider(self, model: str | None) -> str | None:
        return "openai"

    def call(self, attempt: Attempt, folder: Path) -> Call:
        own = self._lean and bool(attempt.system)
        return Call(
            argv=(
                *("codex", "exec", *_session(attempt), *FIRST, *_confined(attempt)),
                *(*ALWAYS, *self._profile(attempt, folder), "-"),
            ),
            stdin=attempt.prompt,
            env=QUIET,
            files={SYSTEM: attempt.system} if own else {},
        )  # fmt: skip

    def _profile(self, attempt: Attempt, folder: Path) -> Iterator[str]:
        """Lean: our words in place of its own, none of the person's settings; AGENTS.md is still read."""
        if self._lean:
            yield from LEAN
        if attempt.system:
            key, value = ("developer_instructions", attempt.system)
            if self._lean:
                key, value = ("model_instructions_file", str(folder / SYSTEM))
            yield from ("-c", f"{key}={_toml(value)}")

    def read(self, line: str, reading: Reading) -> Iterable[Progress]:
        event = decode(line)
        match event.get("type"):
            case "thread.started":
                reading.session = text_at(event, "thread_id") or reading.session
                yield Progress(doing="thinking", session=reading.session)
            case "item.started" | "item.updated" | "item.completed":
                over = event.get("type") == "item.completed"
                yield from _item(find(event, "item", dict) or {}, over, reading)
            case "error":
                yield from self._trouble(text_at(event, "message"), reading)
            case "turn.completed":
                reading.finished, reading.failure, reading.detail = True, None, ""
                reading.totals = _usage(find(event, "usage", dict) or {}, EVENT)
                yield Progress(doing="finishing")
            case "turn.failed":
                reading.finished = True
                self._fail(text_at(event, "error.message"), reading)

    def _trouble(self, words: str, reading: Reading) -> Iterator[Progress]:
        """It goes on after a notice, and is not let go on where that cannot help."""
        notice = AGAIN.match(words)
        if notice is None:
            self._fail(words, reading)
            return
        failure = _failure(words)
        yield Progress(doing=f"{failure or 'trouble'}: {words}"[:LONGEST_WORDS])
        if WEBSOCKET.search(words):
            return
        known = failure not in (None, Failure.NETWORK)
        endless = notice[1] is None
        if endless or failure is Failure.AUTH or (known and int(notice[1]) > TRIES):
            reading.hopeless = True
            self._fail(words, reading)

    def _fail(self, words: str, reading: Reading) -> None:
        failure = _failure(words) or Failure.EXIT
        next_step = f": {LOGIN}" if failure is Failure.AUTH and "credits" not in words else ""
        reading.fail(failure, f"{words or 'it failed and did not say why'}{next_step}")
        reading.retry_after_s = trouble.wait_s(words)
        if failure is Failure.QUOTA:
            reading.reset_at = reset_at(words, self._now())

    def read_error(self, line: str, reading: Reading) -> Iterable[Progress]:
        """Its log: each request as soon as it is answered, and what its tools were not allowed to do."""
        reading.denials += [_denial(one) for one in REJECTED.findall(line)]
        if f" {LOG}: " not in line:
            return
        told = {name: value.strip('"') for name, value in FIELD.findall(line)}
        match told.get("event.name"), told.get("event.kind"):
            case "codex.sse_event", "response.completed" if "input_token_count" in told:
                yield from _request(told, reading)
            case "codex.api_request", _ if told.get("http.response.status_code", "200") != "200":
                yield Progress(doing=f"answered with {told['http.response.status_code']}")
            case "codex.sandbox_outcome", _ if told.get("outcome") == "denied":
                reading.denials.append(f"{told.get('tool_name')}: {STOPPED}")

    def conclude(self, ended: Ended, reading: Reading) -> None:
        """If it did not even begin, stderr says why."""
        words = NOISE.sub("", ended.stderr).strip()
        reading.lost |= LOST in words
        gave_up = ended.exit_code == 1 and not reading.finished and reading.failure is None
        never_began = gave_up and reading.session is None
        if never_began and words:
            self._fail(words, reading)
        elif gave_up and not words:
            reading.fail(Failure.KILLED, "it ended without a word, as it does when interrupted")
        if f" {LOG}: " in ended.stderr or never_began:
            _account(reading)
        if reading.denials and all(STOPPED in one for one in reading.denials):
            reading.denials[0] += f"; {SANDBOX_STEP}"

    def examine(self, version: str, env: Mapping[str, str], home: Path) -> Iterable[str]:
        place = _home({"HOME": str(home), **env})
        logged_in = (place / "auth.json").is_file()
        key = bool(env.get("CODEX_API_KEY"))
        if not (logged_in or key or env.get("CODEX_ACCESS_TOKEN")):
            hint = " (it does not read OPENAI_API_KEY)" if env.get("OPENAI_API_KEY") else ""
            yield f"no login found{hint}: {LOGIN}"
        elif logged_in and key:
            yield "CODEX_API_KEY is set and wins over your login: it is billed by use; unset it to use the login"
        config = place / "config.toml"
        if self._lean and config.is_file():
            for name in sorted(set(OWN_CONFIG.findall(config.read_text("utf-8", "replace")))):
                yield f"{name} in {config} is not read in lean runs: say it in [workers.codex] arguments, or set lean = false"


def _session(attempt: Attempt) -> Iterator[str]:
    if attempt.session is not None:
        yield from ("fork" if attempt.session.fork else "resume", attempt.session.id)
    if attempt.route.model:
        yield from ("-m", attempt.route.model)


def _toml(text: str) -> str:
    """A TOML string is a JSON string, but for half characters and DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _confined(attempt: Attempt) -> tuple[str, str]:
    """By its own sandbox, which cannot work in another one: in ours it is told that there is one. Not -s: `exec resume` does not know it."""
    mode = "workspace-write" if attempt.sandbox is None else "danger-full-access"
    return "-c", f'sandbox_mode="{mode}"'


def _home(env: Mapping[str, str]) -> Path:
    return Path(env.get("CODEX_HOME") or Path(env.get("HOME", "/"), ".codex"))


# --- what it does ----------------------------------------------------------------------------------


def _item(item: Event, over: bool, reading: Reading) -> Iterator[Progress]:
    kind, key = text_at(item, "type"), text_at(item, "id")
    match kind:
        case "agent_message":
            reading.text = text_at(item, "text")
            yield Progress(doing=" ".join(reading.text.split())[:LONGEST_WORDS])
        case "reasoning" | "error":  # not an error of the turn: a notice
            yield Progress(doing=" ".join(_words(item).split())[:LONGEST_WORDS])
        case "command_execution" | "file_change" | "mcp_tool_call" | "web_search":
            yield from _tool(key, list(_steps(kind, item)), item, over, reading)


def _words(item: Event) -> str:
    return text_at(item, "text") or text_at(item, "message")


def _tool(
    key: str, steps: list[Step], item: Event, over: bool, reading: Reading
) -> Iterator[Progress]:
    """One call; several steps where it changes several files."""
    status = text_at(item, "status")
    ok = {"completed": True, "failed": False, "declined": False}.get(status)
    for number, one in enumerate(steps):
        name = f"{key}/{number}"
        if name not in reading.open_steps:
            yield reading.begin_step(name, one)
        if over:
            code = find(item, "exit_code", int)
            yield from reading.end_step(name, ok if code is None else code == 0, code)
    if over and status == "declined":
        reading.denials += [f"{one.tool}: {one.target}" for one in steps]


def _steps(kind: str, item: Event) -> Iterator[Step]:
    match kind:
        case "file_change":
            for change in items_at(item, "changes"):
                path = text_at(change, "path")[:LONGEST_TARGET]
                yield Step(kind=StepKind.WRITE, tool=kind, target=path)
        case "command_execution":
            yield step(kind, {"command": unwrapped(text_at(item, "command"))})
        case "mcp_tool_call":
            yield step(f"{text_at(item, 'server')}.{text_at(item, 'tool')}", item.get("arguments"))
        case _:
            yield step(kind, item)


def unwrapped(command: str) -> str:
    """ "/bin/bash -lc 'make it'" -> "make it" """
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return words[2] if len(words) == 3 and words[1] in ("-lc", "-c") else command


# --- its troubles ----------------------------------------------------------------------------------


def _failure(words: str) -> Failure | None:
    status = STATUS.search(words)
    told = trouble.by_status(int(status[1]), words) if status else None
    own = next((failure for failure, pattern in OWN_WORDS if pattern.search(words)), None)
    return told or own or trouble.by_words(words)


def reset_at(words: str, now: datetime) -> float | None:
    """ "try again at 3:05 PM", "at Nov 21st, 2026 3:05 PM": local time, as `now` is. Unix seconds, of the end of that minute."""
    found = AGAIN_AT.search(words)
    if found is None:
        return None
    month, day, year, clock = found.groups()
    date = f"{month} {day} {year}" if year else f"{now:%b %d %Y}"
    try:
        then = datetime.strptime(f"{date} {clock}", "%b %d %Y %I:%M %p").replace(tzinfo=now.tzinfo)
    except ValueError:
        return None
    if not year and then < now - timedelta(hours=1):  # it was said before midnight
        then += timedelta(days=1)
    return then.timestamp() + 60


def _denial(words: str) -> str:
    """ "`/bin/bash -lc 'rm -rf x'` rejected: ..." -> "rm -rf x: ..." """
    command, rejected, because = words.partition("` rejected: ")
    return f"{unwrapped(command.lstrip('`'))}: {because}" if rejected else words


# --- its figures -----------------------------------------------------------------------------------

EVENT = ("input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens", "reasoning_output_tokens")  # fmt: skip
LOGGED = ("input_token_count", "cached_token_count", "cache_write_token_count", "output_token_count", "reasoning_token_count")  # fmt: skip
NOTHING = Usage(
    input_tokens=0, output_tokens=0, cache_read_tokens=0, cache_write_tokens=0, reasoning_tokens=0
)


def _usage(told: Event, names: Sequence[str]) -> Usage:
    """Its input counts the cache too; ours are disjoint."""
    whole, read, write, output, reasoning = (count_at(told, name) for name in names)
    return Usage(
        input_tokens=None if whole is None else max(0, whole - (read or 0) - (write or 0)),
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
    )


def _request(told: Mapping[str, str], reading: Reading) -> Iterator[Progress]:
    """It is told before its tool begins, so only an answer that is on its way can be missing."""
    counts = {name: int(told[name][:15]) for name in LOGGED if told.get(name, "")[:15].isdecimal()}
    used = _usage(counts, LOGGED).model_copy(update={"requests": 1, "lower_bound": True})
    reading.by_message[str(len(reading.by_message))] = used
    reading.model = told.get("model") or reading.model
    yield Progress(usage=booking.add(reading.by_message.values()), model=reading.model)


def _account(reading: Reading) -> None:
    """Each request was told, so its totals are not needed: they forget the answer whose tool was at work when it was killed."""
    over = reading.finished or reading.hopeless or reading.session is None  # nothing was asked
    bound = not over or CUT_SHORT in reading.detail  # of these it drops the figures
    requests = list(reading.by_message.values())
    update = {"requests": len(requests), "lower_bound": bound}
    reading.usage = (booking.add(requests) or NOTHING).model_copy(update=update)
    reading.totals, reading.requests, reading.turns = None, requests, len(requests)
