"""OpenCode: `opencode run` and its events. It has no event for its end: exit, and the reason of its last step, decide together."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Collection, Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from orchestrator import redact
from orchestrator.model import Attempt, Failure, Progress, Tier, Usage
from orchestrator.process import Ended
from orchestrator.workers import booking, keys, trouble
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

TRIED = re.compile(r'message="stream error".*error\.error="(?:AI_APICallError: )?([^"]*)')
AGENT = "orchestrator"  # ours: an agent's own permissions come after all others, whoever wrote them
CONFIG = "opencode.json"
PERMISSIONS = {  # the last rule that fits wins; "ask" would end the run, as nobody answers
    "edit": "allow",
    "bash": "allow",
    "read": {"*": "allow", "*.env": "deny", "*.env.*": "deny", "*.env.example": "allow"},
    "webfetch": "deny",
    "websearch": "deny",
    "question": "deny",
    "doom_loop": "deny",
    "external_directory": "deny",
}
LEAN_PERMISSIONS = {"*": "deny", **PERMISSIONS}  # what is not named is not even told to the model
ALWAYS = {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_SHARE": "1"}
LEAN = {
    "OPENCODE_PURE": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_CLAUDE_CODE": "1",
    "OPENCODE_DISABLE_EXTERNAL_SKILLS": "1",
    "OPENCODE_DISABLE_PROJECT_CONFIG": "1",  # its MCP servers; the instructions are named by us then
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
}
PLUGIN = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": "*"}}}}
NO_INSTALL = {  # else it fetches its plug-in kit from npm into every new configuration folder
    "node_modules": "",
    "package-lock.json": json.dumps(PLUGIN),
}
DENIED = re.compile(r"specified a rule which prevents|rejected permission")
UNKNOWN = re.compile(r"Model not found: ([^\s\"]+?)\.?(?: Did you mean: ([^?\"]*)\?|[)\s\"]|$)")
UNIFIED = "anthropic-ratelimit-unified-"
LOST = "Session not found"
COMPLAINT = re.compile(r"(?:\x1b\[[\d;]*m)*Error\b|(?:.* )?level=ERROR ")
LONGEST_TIME, MILLISECONDS = 15, 1e11  # digits; from here on it is no number of seconds
LOGIN = "log in with: opencode auth login, or set the key of its provider"
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY", "DEEPSEEK_API_KEY", "XAI_API_KEY")  # fmt: skip


XDG = {
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "XDG_CONFIG_HOME": ".config",
    "XDG_CACHE_HOME": ".cache",
}


class OpenCode(Client):
    name = program = "opencode"
    tiers: tuple[Tier, ...] = tuple(Tier)
    sessions: Collection[str] = ("resume",)  # a copy goes on working in the folder of the original
    passes: tuple[str, ...] = ("OPENCODE_*", *KEYS, "AWS_*", "AZURE_*", "GOOGLE_APPLICATION_CREDENTIALS")  # fmt: skip
    stop: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    reads: tuple[str, ...] = ("AGENTS.md", "CLAUDE.md")

    def __init__(self, *, lean: bool = True) -> None:
        self._lean = lean

    def needs(self, model: str | None, env: Mapping[str, str]) -> tuple[str, ...]:
        return (*keys.of(model), "OPENCODE_*")

    def homes(self, env: Mapping[str, str], home: Path) -> Iterable[Path]:
        """Also where its settings are: it writes a file beside them."""
        own = env.get("OPENCODE_CONFIG_DIR")
        places = (Path(env.get(name) or home / place) for name, place in XDG.items())
        return (*(place / "opencode" for place in places), *([Path(own)] if own else []))

    def provider(self, model: str | None) -> str | None:
        """anthropic/claude-haiku-5-5 -> anthropic"""
        prefix, slash, _ = (model or "").partition("/")
        return prefix if slash else None

    def call(self, attempt: Attempt, folder: Path) -> Call:
        config = json.dumps(self._config(attempt))
        # its folder, not the person's: their own AGENTS.md stays out, their providers stay
        if self._lean:
            env = {**ALWAYS, **LEAN, "OPENCODE_CONFIG_DIR": str(folder)}
            return Call(
                argv=tuple(_argv(attempt)),
                stdin=attempt.prompt,
                env=env,
                files={CONFIG: config, **NO_INSTALL},
            )
        return Call(
            argv=tuple(_argv(attempt)),
            stdin="\n".join(filter(None, (attempt.system, attempt.prompt))),
            env={**ALWAYS, "OPENCODE_CONFIG": str(folder / CONFIG)},
            files={CONFIG: config},
        )

    def _config(self, attempt: Attempt) -> Mapping[str, Any]:
        if not self._lean:
            return {"agent": {AGENT: {"mode": "primary", "permission": PERMISSIONS}}}
        agent = {"mode": "primary", "permission": LEAN_PERMISSIONS}
        return {
            "agent": {AGENT: {**agent, **({"prompt": attempt.system} if attempt.system else {})}},
            "instructions": [str(Path(attempt.workspace) / name) for name in self.reads],
            "snapshot": False,  # copies of the workspace in a git of its own: we have commits
        }

    def read(self, line: str, reading: Reading) -> Iterable[Progress]:
        event = decode(line)
        session = text_at(event, "sessionID")
        if session and reading.session is None:
            reading.session = session
            yield Progress(doing="thinking", session=session)
        match event.get("type"):
            case "text":
                if find(event, "part.synthetic", bool) is not True:
                    reading.text = text_at(event, "part.text")
                    yield Progress(doing=" ".join(reading.text.split())[:LONGEST_WORDS])
            case "tool_use":
                yield from _tool(event, reading)
            case "step_finish":
                yield from _step(event, reading)
            case "error":
                _error(event, reading)

    def read_error(self, line: str, reading: Reading) -> Iterable[Progress]:
        """Its own tries again stand in its log alone; its last word has the headers, so it is let be."""
        if found := TRIED.search(line):
            yield Progress(doing=f"tries again: {found[1]}"[:LONGEST_WORDS])

    def conclude(self, ended: Ended, reading: Reading) -> None:
        """Its last event is its last word: error, or a step that stopped by itself. Exit 1 may only tell of an overflow that it mended."""
        if ended.exit_code is None:
            return
        complaints = _complaints(ended.stderr)
        reading.lost = LOST in complaints and not reading.requests
        last = next(filter(None, map(decode, reversed(ended.stdout.splitlines()))), {})
        reason = text_at(last, "part.reason") if last.get("type") == "step_finish" else ""
        if reason == "stop" and (ended.exit_code == 0 or reading.failure is Failure.CONTEXT):
            reading.finished, reading.failure, reading.detail = True, None, ""
        elif reading.failure is None:
            _give_up(reason, ended, reading)
        elif reading.failure is Failure.EXIT:
            _explain(complaints, reading)
        told_all = last.get("type") == "error" or reason not in ("", "tool-calls")
        if reading.usage is not None and told_all:
            reading.usage = reading.usage.model_copy(update={"lower_bound": False})

    def examine(self, version: str, env: Mapping[str, str], home: Path) -> Iterable[str]:
        data = Path(env.get("XDG_DATA_HOME") or home / ".local/share")
        logged_in = (data / "opencode" / "auth.json").is_file()
        if not logged_in and not any(env.get(name) for name in KEYS):
            yield f"no login found: {LOGIN}"
        for name in ("OPENCODE_CONFIG_DIR",) if self._lean else ("OPENCODE_CONFIG",):
            if name in env:
                yield f"{name} is not used in our runs: put it into ~/.config/opencode/{CONFIG}"


def _argv(attempt: Attempt) -> Iterator[str]:
    yield from ("opencode", "run", "--format", "json", "--agent", AGENT)
    yield f"--title={redact.text(attempt.name)[:80] or AGENT}"  # else it asks a model for one, unreported
    yield from ("--print-logs", "--log-level", "ERROR")  # only there it says which model is unknown
    if attempt.route.model:
        yield from ("--model", attempt.route.model)
    if attempt.session is not None:
        yield from ("--session", attempt.session.id)


# --- its events ------------------------------------------------------------------------------------


def _tool(event: Event, reading: Reading) -> Iterator[Progress]:
    """It comes once, when the tool has ended. Whoever uses a tool has got over a prompt that was too long."""
    if reading.failure is Failure.CONTEXT:
        reading.failure, reading.detail = None, ""
    made = step(text_at(event, "part.tool"), find(event, "part.state.input", dict))
    words = f"{made.tool}: {made.target}" if made.target else made.tool
    if DENIED.search(text_at(event, "part.state.error")):
        reading.denials.append(words)
    well = text_at(event, "part.state.status") == "completed"
    code = find(event, "part.state.metadata.exit", int)
    told = made.model_copy(update={"ok": well and not code, "exit_code": code})
    yield Progress(doing=" ".join(words.split())[:LONGEST_WORDS], step=told)


def _step(event: Event, reading: Reading) -> Iterator[Progress]:
    """Of this step alone; all classes are disjoint, and output is without reasoning. It guesses no price: then its cost is 0."""
    output, reasoning = (count_at(event, f"part.tokens.{one}") for one in ("output", "reasoning"))
    cost = find(event, "part.cost", float) or None
    reading.requests.append(
        Usage(
            input_tokens=count_at(event, "part.tokens.input"),
            output_tokens=None if output is None else output + (reasoning or 0),
            cache_read_tokens=count_at(event, "part.tokens.cache.read"),
            cache_write_tokens=count_at(event, "part.tokens.cache.write"),
            reasoning_tokens=reasoning,
            requests=1,
            cost_usd=cost,
            cost_basis="unknown" if cost is None else "reported",
            lower_bound=True,  # until it has ended by itself
        )
    )
    reading.turns = len(reading.requests)
    reading.usage = booking.add(reading.requests)
    yield Progress(usage=reading.usage)


def _error(event: Event, reading: Reading) -> None:
    """A prompt that is too long is made shorter and sent again, for ever: the second time in a row is enough."""
    words, name = text_at(event, "error.data.message"), text_at(event, "error.name")
    if reading.usage is None:
        reading.usage = Usage.nothing()
    if name == "ContextOverflowError":
        reading.hopeless = reading.failure is Failure.CONTEXT
        reading.fail(Failure.CONTEXT, words)
        return
    status = find(event, "error.data.statusCode", int)
    failure = trouble.by_status(status, words) or (
        Failure.AUTH if name == "ProviderAuthError" else trouble.by_words(words)
    )
    told = f"{words} (HTTP {status})" if status else words or name
    hint = f": {LOGIN}" if failure is Failure.AUTH else ""
    reading.fail(failure or Failure.EXIT, f"{told}{hint}")
    _wait(find(event, "error.data.responseHeaders", dict) or {}, reading)


def _wait(headers: Mapping[str, Any], reading: Reading) -> None:
    """It is the only client that hands these on."""
    reading.retry_after_s = _seconds(headers) or trouble.wait_s(reading.detail)
    reset = _moment(text_at(headers, f"{UNIFIED}reset"))
    if reset is not None:
        reading.reset_at = reset
        reading.window = text_at(headers, f"{UNIFIED}representative-claim") or None
    if text_at(headers, f"{UNIFIED}status") == "rejected":
        reading.failure = Failure.QUOTA


def _moment(told: str) -> float | None:
    """Unix seconds, of these or of milliseconds; nonsense is no time."""
    if not (told.isascii() and told.isdigit() and len(told) <= LONGEST_TIME):
        return None
    number = float(told)
    return number / 1000 if number > MILLISECONDS else number


def _seconds(headers: Mapping[str, Any]) -> float | None:
    """retry-after in seconds, or as a date, which counts from the date of the answer."""
    told = text_at(headers, "retry-after")
    try:
        seconds = float(told)
        return seconds if 0 <= seconds < MILLISECONDS else None  # inf and nan are none
    except ValueError:
        pass
    try:
        until, now = (parsedate_to_datetime(one) for one in (told, text_at(headers, "date")))
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):
        return None


# --- its end ---------------------------------------------------------------------------------------


def _give_up(reason: str, ended: Ended, reading: Reading) -> None:
    if reason == "tool-calls" and reading.denials:
        reading.fail(Failure.DENIED, f"it ended at what it may not do: {reading.denials[-1]}")
    elif reason == "content-filter":
        reading.fail(Failure.REFUSED, "the answer was withheld by a content filter")
    elif reason:
        failure = Failure.EXIT if reason == "length" else Failure.NO_RESULT
        reading.fail(failure, f"its last step ended with {reason!r}, not with 'stop'")
    elif ended.exit_code:
        reading.fail(Failure.EXIT, ended.stderr.strip()[-2000:])
        _explain(_complaints(ended.stderr), reading)


def _complaints(stderr: str) -> str:
    """Its own lines alone: what its tools print may stand between them."""
    return "\n".join(line for line in stderr.splitlines() if COMPLAINT.match(line))


def _explain(stderr: str, reading: Reading) -> None:
    """Its events only say "Unexpected server error"; its log knows. A model that it knows itself lacks a login."""
    if found := UNKNOWN.search(stderr):
        model, known = found[1], (found[2] or "").split(", ")
        if model.partition("/")[2] in known:
            reading.fail(Failure.AUTH, f"no login for {model}: {LOGIN}")
        else:
            reading.fail(Failure.UNKNOWN_MODEL, f"there is no model {model}: see opencode models")
    elif failure := trouble.by_words(stderr):
        reading.fail(failure, reading.detail)
