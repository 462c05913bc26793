"""Gemini CLI: its prompt on stdin, its stream of JSON. Takes neither exit 0 nor its retry hints for what they seem, and never writes to the person's own settings."""

from __future__ import annotations

import re
import signal
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from orchestrator.model import Attempt, Failure, Progress, StepKind, Tier, Usage
from orchestrator.process import Ended
from orchestrator.workers import trouble
from orchestrator.workers.reading import (
    LONGEST_WORDS,
    Call,
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
BY_TYPE = {
    "FatalAuthenticationError": Failure.AUTH,
    "FatalTurnLimitedError": Failure.MAX_TURNS,
}
BY_WORDS = (  # before the common words: it says "quota" of every 429, and Google says "billing" of every quota
    (Failure.QUOTA, re.compile(r"exhausted your|exceeded your current quota|capacity exceeded", re.I)),
)  # fmt: skip
ADVICE = "\nPlease wait and try again later. To increase your limits"
STATUS = re.compile(r'"code":\s*(\d{3})\b')
DENIED = ("policy_violation", "path_not_in_workspace", "permission_denied")
OUTSIDE = "Path not in workspace"
NEXT_STEP = 'start "gemini" once and log in, or set GEMINI_API_KEY'
NAMESPACE = uuid.UUID("0f6a3a56-3f0c-4a53-b1a5-5d3c4f6c2b77")


class Gemini:
    name = program = "gemini"
    tiers: tuple[Tier, ...] = tuple(Tier)
    sessions: Collection[str] = ("resume",)
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
                reading.session, reading.model = text_at(event, "session_id"), text_at(event, "model")
                reading.turns = 1
                yield Progress(doing="thinking", session=reading.session, model=reading.model)
            case "message" if event.get("role") == "assistant":
                yield from _words(event, reading)
            case "tool_use":
                yield from _tool(event, reading)
            case "tool_result":
                yield from _tool_result(event, reading)
            case "error":
                reading.detail = text_at(event, "message") or reading.detail
                yield Progress(doing=_short(reading.detail))
            case "result":
                yield from _result(event, reading)

    def conclude(self, ended: Ended, reading: Reading) -> None:
        """The exit code knows the HTTP status where the words do not; it is 0 after a signal."""
        code = ended.exit_code or 0
        if reading.finished and reading.failure is None or code == 0:
            return
        words = reading.detail or _last_words(ended.stderr)
        failure = BY_EXIT.get(code) or _failure(words, code + HTTP_EXIT) or reading.failure
        if failure is not None or not reading.finished:
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
