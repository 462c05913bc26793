"""Gemini CLI: its prompt on stdin, its stream of JSON. Takes neither exit 0 nor its retry hints for what they seem, and never writes to the person's own settings."""

from __future__ import annotations

import re
import signal
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from orchestrator.model import Attempt, Failure, Progress, StepKind, Tier, Usage
from orchestrator.process import Ended
from orchestrator.workers import booking, trouble
from orchestrator.workers.reading import (
    LONGEST_WORDS,
    Call,
    Client,
    Event,
    Reading,
    count_at,
    decode,
    find,
    step,
    text_at,
)

QUIET = {
    "GEMINI_CLI_NO_RELAUNCH": "1",  # one process: the launcher swallows signals
    "GEMINI_TELEMETRY_ENABLED": "false",
    "NO_COLOR": "1",
}
SYSTEM, POLICY = "system.md", "tools.toml"
UNUSED = (  # half of its prompt; a shell does what those of them that matter do
    "activate_skill", "ask_user", "enter_plan_mode", "exit_plan_mode", "glob", "google_web_search", "grep_search",
    "invoke_agent", "list_background_processes", "list_directory", "read_background_output", "read_many_files",
    "save_memory", "update_topic", "web_fetch", "write_todos",
)  # fmt: skip
BY_EXIT = {
    41: Failure.AUTH,
    53: Failure.MAX_TURNS,
}
HTTP_EXIT = 256  # an HTTP error ends it with the status mod 256: 429 -> 173
BY_NAME = {  # on stderr alone
    "ModelNotFoundError": Failure.UNKNOWN_MODEL,
    "TerminalQuotaError": Failure.QUOTA,
}
BY_TYPE = {
    "FatalAuthenticationError": Failure.AUTH,
    "FatalTurnLimitedError": Failure.MAX_TURNS,
}
BY_WORDS = (  # before the common words: Google says "billing" of every quota, and this client "context window" of silence
    (Failure.QUOTA, re.compile(r"exhausted your|exceeded your current quota", re.IGNORECASE)),
    (Failure.NO_RESULT, re.compile(r"model returned (an empty response|reasoning thoughts)")),
    (Failure.REFUSED, re.compile(r"model response was blocked")),
)
STOPS = {
    "Loop detected": Failure.EXIT,
    "Maximum session turns": Failure.MAX_TURNS,
    "Agent execution": Failure.EXIT,  # a hook said so
}
NOTHING = Usage(
    input_tokens=0, output_tokens=0, cache_read_tokens=0, reasoning_tokens=0, requests=0
)
ADVICE = "\nPlease wait and try again later. To increase your limits"
STATUS = re.compile(r'"code":\s*(\d{3})\b')
DENIED = ("policy_violation", "path_not_in_workspace", "permission_denied")
OUTSIDE = "Path not in workspace"
LOGINS = ("oauth_creds.json", "gemini-credentials.json")
CLOUD = ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA", "GEMINI_CLI_USE_COMPUTE_ADC")
AGAIN = re.compile(r"Attempt (\d+) failed.*?Retrying with backoff\W*(.*)")
TRIES = 2
NEXT_STEP = 'start "gemini" once and log in, or set GEMINI_API_KEY'
NAMESPACE = uuid.UUID("0f6a3a56-3f0c-4a53-b1a5-5d3c4f6c2b77")


class Gemini(Client):
    name = program = "gemini"
    tiers: tuple[Tier, ...] = tuple(Tier)
    # its --resume sends each tool's answer twice, which Google refuses
    sessions: Collection[str] = ()
    passes: tuple[str, ...] = (
        "GEMINI_API_KEY*",
        "GEMINI_CLI_CUSTOM_HEADERS",
        "GEMINI_CLI_HOME",
        "GEMINI_CLI_SYSTEM_*",  # where an administrator put the machine's settings
        "GEMINI_CLI_USE_COMPUTE_ADC",
        "GOOGLE_*",
        "CLOUDSDK_*",
        "CLOUD_SHELL",
        "CODE_ASSIST_*",
    )
    stop: tuple[signal.Signals, ...] = (signal.SIGTERM,)  # it tells nothing on any signal
    reads: tuple[str, ...] = ("GEMINI.md",)

    def __init__(self, *, lean: bool = True) -> None:
        self._lean = lean

    def homes(self, env: Mapping[str, str], home: Path) -> Iterable[Path]:
        return (Path(env.get("GEMINI_CLI_HOME") or home) / ".gemini",)

    def provider(self, model: str | None) -> str | None:
        return "google"

    def call(self, attempt: Attempt, folder: Path) -> Call:
        argv = ("gemini", *_mode(), *_session(attempt))
        if not self._lean:
            return Call(argv=argv, stdin=f"{attempt.system}\n{attempt.prompt}", env=QUIET)
        return Call(
            argv=(*argv, *_profile(folder)),
            stdin=attempt.prompt,
            env={**QUIET, "GEMINI_SYSTEM_MD": str(folder / SYSTEM)},
            files={SYSTEM: attempt.system or "\n", POLICY: _policy()},
        )

    def read(self, line: str, reading: Reading) -> Iterable[Progress]:
        event = decode(line)
        match event.get("type"):
            case "init":
                reading.session, reading.model = (
                    text_at(event, "session_id"),
                    text_at(event, "model"),
                )
                reading.turns = 1
                yield Progress(doing="thinking", session=reading.session, model=reading.model)
            case "message" if event.get("role") == "assistant":
                yield from _words(event, reading)
            case "tool_use":
                yield from _tool(event, reading)
            case "tool_result":
                yield from _tool_result(event, reading)
            case "error":
                yield from _notice(event, reading)
            case "result":
                yield from _result(event, reading)

    def read_error(self, line: str, reading: Reading) -> Iterable[Progress]:
        """Its own tries again stand on stderr alone: ten of them, over minutes."""
        again = AGAIN.match(line)
        if again is None or reading.finished:
            return
        yield Progress(doing=f"its own try {again[1]}: {_short(again[2])}"[:LONGEST_WORDS])
        if int(again[1]) > TRIES:
            reading.hopeless = True
            words = again[2].partition(ADVICE)[0]
            _fail(reading, _failure(words, None) or Failure.NETWORK, words)

    def conclude(self, ended: Ended, reading: Reading) -> None:
        """The exit code knows the HTTP status where the words do not; it is 0 after a signal."""
        code = ended.exit_code or 0
        if reading.session is None and code:
            reading.usage = NOTHING  # it did not begin
        if reading.hopeless and reading.failure:
            return  # we ended it: its exit code tells of that
        if (reading.finished and reading.failure is None) or code == 0:
            return
        words = reading.detail or _last_words(ended.stderr)
        named = next((BY_NAME[name] for name in BY_NAME if name in ended.stderr), None)
        failure = BY_EXIT.get(code) or named or _failure(words, code + HTTP_EXIT) or reading.failure
        _fail(reading, failure or Failure.EXIT, words)

    def examine(self, version: str, env: Mapping[str, str], home: Path) -> Iterable[str]:
        place = Path(env.get("GEMINI_CLI_HOME") or home) / ".gemini"
        settings = _settings(place / "settings.json")
        chosen = text_at(settings, "security.auth.selectedType")
        key = env.get("GEMINI_API_KEY")
        cloud = [name for name in CLOUD if env.get(name)]
        logged_in = any((place / name).is_file() for name in LOGINS)
        if not (key or cloud or logged_in or chosen in ("compute-default-credentials", "gateway")):
            yield f"no login found: {NEXT_STEP}"
        elif env.get("GOOGLE_GEMINI_BASE_URL") and not chosen:
            yield f"GOOGLE_GEMINI_BASE_URL needs security.auth.selectedType in {place}/settings.json"
        tries = count_at(settings, "general.maxAttempts")
        if tries is None or tries > TRIES:
            yield f"it repeats a refused request {tries or 10} times: set general.maxAttempts to {TRIES} in {place}/settings.json"


# --- how it is called ------------------------------------------------------------------------------


def _mode() -> Iterator[str]:
    yield from ("--output-format", "stream-json", "--approval-mode", "yolo", "--skip-trust")


def _session(attempt: Attempt) -> Iterator[str]:
    if attempt.route.model:
        yield from ("--model", attempt.route.model)
    yield from ("--session-id", str(uuid.uuid5(NAMESPACE, attempt.conversation)))


def _profile(folder: Path) -> Iterator[str]:
    """A fifth of its own prompt, none of the person's extensions and servers. A person's own policies still hold: ours only denies."""
    yield from ("--extensions", "none", "--allowed-mcp-server-names", "none")
    yield from ("--admin-policy", str(folder / POLICY))


def _policy() -> str:
    names = ", ".join(f'"{name}"' for name in UNUSED)
    return f'[[rule]]\ntoolName = [{names}]\ndecision = "deny"\npriority = 900\n'


# --- its events ------------------------------------------------------------------------------------


def _words(event: Event, reading: Reading) -> Iterator[Progress]:
    """They come in crumbs: what is shown grows until it fills the line."""
    shown = _short(reading.text)
    if _answers(reading):
        reading.text = ""
        yield Progress(usage=booking.add(reading.by_message.values()))
    reading.text += text_at(event, "content")
    if (line := _short(reading.text)) != shown:
        yield Progress(doing=line)


def _answers(reading: Reading) -> bool:
    """Whether this is the first we hear of an answer; it tells no figures, but that there was one more request."""
    key = str(reading.turns)
    first = key not in reading.by_message
    reading.by_message[key] = Usage(requests=1, lower_bound=True)
    return first


def _tool(event: Event, reading: Reading) -> Iterator[Progress]:
    if _answers(reading):
        yield Progress(usage=booking.add(reading.by_message.values()))
    tool, given = text_at(event, "tool_name"), event.get("parameters")
    yield reading.begin_step(text_at(event, "tool_id"), step(tool, given))


def _tool_result(event: Event, reading: Reading) -> Iterator[Progress]:
    """It calls a command a success whatever its exit code: then we do not know."""
    key, ok = text_at(event, "tool_id"), event.get("status") == "success"
    begun = reading.open_steps.get(key)
    if begun is not None and not ok and _is_denied(event):
        reading.denials.append(f"{begun.tool}: {begun.target}" if begun.target else begun.tool)
    unknown = ok and begun is not None and begun.kind is StepKind.RUN
    yield from reading.end_step(key, None if unknown else ok)
    if not reading.open_steps:
        reading.turns = (reading.turns or 0) + 1


def _is_denied(event: Event) -> bool:
    words = text_at(event, "error.message")
    return text_at(event, "error.type") in DENIED or words.startswith(OUTSIDE)


def _notice(event: Event, reading: Reading) -> Iterator[Progress]:
    """Some of them are its end, and "success" comes all the same."""
    words = text_at(event, "message")
    reading.detail = words or reading.detail
    if failure := next((STOPS[start] for start in STOPS if words.startswith(start)), None):
        reading.fail(failure, words)
    yield Progress(doing=_short(words))


def _result(event: Event, reading: Reading) -> Iterator[Progress]:
    reading.finished = True
    broke_off = event.get("status") != "success" and str(reading.turns) in reading.by_message
    _book(event, reading, broke_off)
    reading.turns = len(reading.by_message) or None
    if event.get("status") != "success":
        words = text_at(event, "error.message").partition(ADVICE)[0] or reading.detail
        failure = BY_TYPE.get(text_at(event, "error.type")) or _failure(words, None)
        _fail(
            reading, failure or Failure.EXIT, words or "it ended with an error and gave no reason"
        )
    yield Progress(doing="finishing", usage=reading.usage)


# --- its troubles ----------------------------------------------------------------------------------


def _failure(words: str, status: int | None) -> Failure | None:
    told = next((failure for failure, pattern in BY_WORDS if pattern.search(words)), None)
    if found := STATUS.search(words):
        status = int(found[1])
    return told or trouble.by_status(status, words) or trouble.by_words(words)


def _fail(reading: Reading, failure: Failure, words: str) -> None:
    reading.retry_after_s = trouble.wait_s(words)
    reading.fail(failure, f"{words}: {NEXT_STEP}" if failure is Failure.AUTH else words)


def _short(text: str) -> str:
    return " ".join(text.split())[:LONGEST_WORDS]


def _last_words(stderr: str) -> str:
    lines = [
        line for line in stderr.splitlines() if line.strip() and not line.startswith("    at ")
    ]
    return "\n".join(lines[-3:])


# --- its figures -----------------------------------------------------------------------------------


def _book(event: Event, reading: Reading, broke_off: bool) -> None:
    """Kept on failure too, but for an answer that broke off. Its input includes the cached; its total the thoughts, its output does not."""
    models = find(event, "stats.models", dict) or {}
    if models:
        reading.model = max(models, key=lambda name: count_at(models[name], "total_tokens") or 0)
    prompt, cached = count_at(event, "stats.input_tokens"), count_at(event, "stats.cached")
    output, total = count_at(event, "stats.output_tokens"), count_at(event, "stats.total_tokens")
    if prompt is None or output is None:
        return
    thoughts = max(0, total - prompt - output) if total is not None else None
    reading.usage = Usage(
        input_tokens=max(0, prompt - (cached or 0)),
        output_tokens=output + (thoughts or 0),
        cache_read_tokens=cached,
        reasoning_tokens=thoughts,
        lower_bound=broke_off,
    )


def _settings(path: Path) -> Event:
    """It allows comments in them; then we do not look."""
    try:
        return decode(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
