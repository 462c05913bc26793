"""Claude Code: `claude -p` and its stream of JSON. Looks at `is_error` first and at `subtype` last, and sums no lines."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from orchestrator.model import Attempt, Failure, Progress, QuotaWindow, Tier, Usage
from orchestrator.process import Ended
from orchestrator.workers import booking, trouble
from orchestrator.workers.reading import (
    Call,
    Client,
    Event,
    Reading,
    amount_at,
    count_at,
    decode,
    find,
    items_at,
    step,
    text_at,
)

TOOLS = "Bash,Read,Edit,Write"
ALLOWED = "Bash,Read"  # edits too, but only in the workspace: the mode sees to that, a name here would allow them anywhere
OWN_PAUSE_S = 5.0  # its own first pauses are shorter: a longer one is what the provider asked for
SYSTEM = "system.txt"  # in a file: Linux refuses an argument of 128 KB
QUIET = {
    "CLAUDE_CODE_MAX_RETRIES": "2",  # more of them hold a slot for minutes; gates wait better
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
}
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
CLOUDS = "CLAUDE_CODE_USE_"  # BEDROCK, VERTEX, FOUNDRY: billed there
AT_HOME = ("firstParty", "")  # older clients do not tell
INSTRUCTIONS = ("CLAUDE.md", ".claude/CLAUDE.md", "AGENTS.md")
MILLISECONDS = 1e11  # as seconds that is in the year 5138
MOST_WINDOWS = 8  # of one account
BY_REASON = {
    "max_turns": Failure.MAX_TURNS,
    "budget_exhausted": Failure.BUDGET,
    "prompt_too_long": Failure.CONTEXT,
}
BY_WORD = {  # of an api_retry, and of an error that the client itself met
    "rate_limit": Failure.RATE_LIMIT,
    "authentication_failed": Failure.AUTH,
    "billing_error": Failure.AUTH,
    "model_not_found": Failure.UNKNOWN_MODEL,
    "overloaded": Failure.OVERLOADED,
    "connection_failed": Failure.NETWORK,
    "server_error": Failure.SERVER,
    "refusal": Failure.REFUSED,
}
LOST = "No conversation found with session ID"
NEXT_STEP = 'log in with "claude /login", or set ANTHROPIC_API_KEY'
NAMESPACE = uuid.UUID("5f0d8c1e-7c55-4f0e-9d3b-5f6b6c0f8a11")


class Claude(Client):
    name = program = "claude"
    tiers: tuple[Tier, ...] = tuple(Tier)
    sessions: Collection[str] = ("resume", "fork")
    passes: tuple[str, ...] = (
        "ANTHROPIC_*",
        "CLAUDE_CONFIG_DIR",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_USE_*",
        "AWS_*",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CLOUD_ML_REGION",
    )
    # only on SIGINT it still tells what it used
    stop: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
    caps: Collection[str] = ("turns", "usd")
    oldest = (2, 1, 259)  # --permission-prompts

    def __init__(self, *, lean: bool = True, env: Mapping[str, str] = os.environ) -> None:
        self._lean, self._env = lean, env
        self.reads: tuple[str, ...] = () if lean else INSTRUCTIONS
        self.told: tuple[str, ...] = INSTRUCTIONS if lean else ()

    def homes(self, env: Mapping[str, str], home: Path) -> Iterable[Path]:
        own = env.get("CLAUDE_CONFIG_DIR")
        return (Path(own) if own else home / ".claude",)

    def own_files(self, env: Mapping[str, str], home: Path) -> Iterable[Path]:
        return () if env.get("CLAUDE_CONFIG_DIR") else (home / ".claude.json",)

    def provider(self, model: str | None) -> str | None:
        return "anthropic"

    def call(self, attempt: Attempt, folder: Path) -> Call:
        return Call(
            argv=("claude", *_mode(), *_session(attempt), *_caps(attempt), *self._profile(folder)),
            stdin=attempt.prompt,
            env=QUIET,
            files={SYSTEM: attempt.system},
        )

    def _profile(self, folder: Path) -> Iterator[str]:
        """Lean: a tenth of its own instructions, none of the person's plug-ins, and no settings.

        Those of the project could send the key to another host and run commands: whoever works there can write them.
        Without them it reads no CLAUDE.md either, so we tell it.
        """
        if not self._lean:
            yield from ("--append-system-prompt-file", str(folder / SYSTEM))
            return
        yield from ("--tools", TOOLS, "--disable-slash-commands", "--strict-mcp-config")
        yield from ("--setting-sources", "", "--settings", '{"disableAllHooks":true}')
        yield from ("--system-prompt-file", str(folder / SYSTEM))

    def read(self, line: str, reading: Reading) -> Iterable[Progress]:
        event = decode(line)
        match event.get("type"):
            case "system":
                reading.notional |= self._is_subscription(event)
                yield from _system(event, reading)
            case "assistant":
                yield from _assistant(event, reading)
            case "user":
                yield from _tool_results(event, reading)
            case "rate_limit_event":
                yield from _quota(event, reading)
            case "result":
                yield from _result(event, reading)

    def _is_subscription(self, event: Event) -> bool:
        """It tells no source of a key for a login, but neither for a token of a gateway, nor for Bedrock and its like."""
        others = [name for name in self._env if name in KEYS or name.startswith(CLOUDS)]
        return text_at(event, "apiKeySource") == "none" and not any(map(self._env.get, others))

    def conclude(self, ended: Ended, reading: Reading) -> None:
        """If it did not even begin, stderr says why; later there is only noise on it."""
        words = ended.stderr.strip()
        reading.lost |= LOST in words
        if reading.session is None and reading.failure is None and words and ended.exit_code:
            reading.fail(trouble.by_words(words) or Failure.EXIT, words)

    def examine(self, version: str, env: Mapping[str, str], home: Path) -> Iterable[str]:
        config = Path(env.get("CLAUDE_CONFIG_DIR") or home / ".claude")
        logged_in = (config / ".credentials.json").is_file() or "CLAUDE_CODE_OAUTH_TOKEN" in env
        keys = [name for name in KEYS if env.get(name)]
        if not (logged_in or keys or any(name.startswith(CLOUDS) for name in env)):
            yield f"no login found: {NEXT_STEP}"
        elif logged_in and keys:
            yield f"{keys[0]} is set and wins over your login: it is billed by use; unset it to use the plan"


def _mode() -> Iterator[str]:
    yield from ("-p", "--verbose", "--output-format", "stream-json")
    yield from ("--permission-mode", "acceptEdits", "--permission-prompts", "none")
    yield from ("--allowedTools", ALLOWED)


def _session(attempt: Attempt) -> Iterator[str]:
    if attempt.route.model:
        yield from ("--model", attempt.route.model)
    if attempt.session is None:
        yield from ("--session-id", str(uuid.uuid5(NAMESPACE, attempt.conversation)))
        return
    yield from ("--resume", attempt.session.id)
    if attempt.session.fork:
        yield "--fork-session"


def _caps(attempt: Attempt) -> Iterator[str]:
    if attempt.max_turns is not None:
        yield from ("--max-turns", str(attempt.max_turns))
    if attempt.max_usd is not None:
        yield from ("--max-budget-usd", f"{attempt.max_usd:.4f}")


# --- its events ------------------------------------------------------------------------------------


def _system(event: Event, reading: Reading) -> Iterator[Progress]:
    match event.get("subtype"):
        case "init":
            reading.session, reading.model = text_at(event, "session_id"), text_at(event, "model")
            yield Progress(doing="thinking", session=reading.session, model=reading.model)
        case "api_retry":
            word, status = text_at(event, "error"), find(event, "error_status", int)
            failure = trouble.by_status(status) or BY_WORD.get(word)
            if failure is Failure.AUTH:  # it would go on for minutes
                reading.hopeless = True
                reading.fail(failure, f"the key was refused ({status or word}): {NEXT_STEP}")
            delay_s = (amount_at(event, "retry_delay_ms") or 0.0) / 1000
            reading.retry_after_s = delay_s if delay_s > OWN_PAUSE_S else None
            number, soon = count_at(event, "attempt"), f", again in {delay_s:.0f} s"
            yield Progress(
                doing=f"{failure or word}: its own try {number}{soon if delay_s else ''}"
            )
        case "permission_denied":
            yield Progress(doing=f"denied: {text_at(event, 'tool_name')}")


def _assistant(event: Event, reading: Reading) -> Iterator[Progress]:
    """One answer comes as several lines with one id and the same usage; its output is counted at the start only."""
    model, key = text_at(event, "message.model"), text_at(event, "message.id")
    if model != "<synthetic>" and key:
        reading.by_message[key] = _usage(event)
        yield Progress(usage=_so_far(reading))
    for block in items_at(event, "message.content"):
        if block.get("type") == "tool_use":
            yield reading.begin_step(
                text_at(block, "id"), step(text_at(block, "name"), block.get("input"))
            )
        elif words := text_at(block, "text"):
            yield Progress(doing=" ".join(words.split())[:120])
    if event.get("is_api_error_message"):
        _note_error(event, reading)


def _note_error(event: Event, reading: Reading) -> None:
    failure = BY_WORD.get(text_at(event, "error"))
    if failure is not None and reading.failure is None:
        reading.fail(failure, text_at(event, "message.content.0.text"))


def _tool_results(event: Event, reading: Reading) -> Iterator[Progress]:
    for block in items_at(event, "message.content"):
        if block.get("type") == "tool_result":
            failed = block.get("is_error") is True
            yield from reading.end_step(text_at(block, "tool_use_id"), not failed)


def _quota(event: Event, reading: Reading) -> Iterator[Progress]:
    info = find(event, "rate_limit_info", dict) or {}
    kind, refuses = text_at(info, "rateLimitType"), info.get("status") == "rejected"
    if refuses:
        reading.reset_at = _seconds_at(info)
        reading.window = kind or None
    told = find(info, "unifiedWindows", dict) or {}
    found = {name: one for name, one in told.items() if isinstance(one, dict)}
    if kind:  # other windows of a plan, such as that of one model, are told here only
        found.setdefault(kind, info)
    windows = tuple(_windows(found, kind if refuses else ""))
    if windows:
        yield Progress(windows=windows)


def _windows(found: Mapping[str, Event], refused: str) -> Iterator[QuotaWindow]:
    for name, one in list(found.items())[:MOST_WINDOWS]:
        used = amount_at(one, "utilization")
        is_refused = name == refused or one.get("status") == "rejected"
        if used is not None or is_refused:
            yield QuotaWindow(
                provider="anthropic",
                name=name[:40],
                utilization=1.0 if used is None else used,
                resets_at=_seconds_at(one),
                is_refused=is_refused,
            )


def _seconds_at(told: Event) -> float | None:
    at = find(told, "resetsAt", float)
    return at / 1000 if at is not None and at > MILLISECONDS else at


def _result(event: Event, reading: Reading) -> Iterator[Progress]:
    reading.finished = True
    reading.session = text_at(event, "session_id") or reading.session
    reading.text = text_at(event, "result")
    reading.turns = count_at(event, "num_turns")
    reading.denials = [_denial(one) for one in items_at(event, "permission_denials")]
    _book(event, reading)
    if event.get("is_error") is not False:
        _fail(event, reading)
    else:
        reading.failure, reading.detail = None, ""  # what it met on the way is over
        reading.retry_after_s = None
    yield Progress(doing="finishing", usage=reading.usage, totals=reading.totals)


def _fail(event: Event, reading: Reading) -> None:
    """`subtype` says "success" even of an HTTP error: the reason and the status decide, then what was met before."""
    if reading.hopeless:
        return  # we ended it: what it says of that is not what was wrong
    errors = [one for one in find(event, "errors", list) or [] if isinstance(one, str)]
    words = reading.text or "; ".join(errors) or text_at(event, "subtype")
    status = find(event, "api_error_status", int)
    reading.lost = LOST in words
    failure = (
        BY_REASON.get(text_at(event, "terminal_reason"))
        or (Failure.REFUSED if event.get("stop_reason") == "refusal" else None)
        or (Failure.QUOTA if reading.window else None)
        or trouble.by_status(status, words)
        or BY_WORD.get(text_at(event, "api_error"))
        or reading.failure
        or trouble.by_words(words)
        or (Failure.KILLED if "aborted" in text_at(event, "terminal_reason") else Failure.EXIT)
    )
    step = f": {NEXT_STEP}" if failure is Failure.AUTH else ""
    reading.fail(failure, f"{words}{step}")
    reading.retry_after_s = trouble.wait_s(words) or reading.retry_after_s


def _denial(denial: Event) -> str:
    asked = step(text_at(denial, "tool_name"), denial.get("tool_input"))
    return f"{asked.tool}: {asked.target}" if asked.target else asked.tool


# --- its figures -----------------------------------------------------------------------------------


def _usage(event: Event) -> Usage:
    return Usage(
        input_tokens=count_at(event, "message.usage.input_tokens"),
        output_tokens=count_at(event, "message.usage.output_tokens"),
        cache_read_tokens=count_at(event, "message.usage.cache_read_input_tokens"),
        cache_write_tokens=count_at(event, "message.usage.cache_creation_input_tokens"),
        requests=1,
        lower_bound=True,
    )


def _so_far(reading: Reading) -> Usage | None:
    return booking.add(reading.by_message.values())


def _book(event: Event, reading: Reading) -> None:
    """What this process used is told since 2.1.329; before, only what the whole session used, over every resume.

    `usage` is not to be believed: it lags where a cap ends the run, and counts an answer twice that was asked for again.
    """
    since = find(event, "model_usage_since_last_result", dict)
    models = find(event, "modelUsage", dict) or {} if since is None else since
    reading.notional &= all(text_at(one, "provider") in AT_HOME for one in models.values())
    figures = _over_models(models, reading.notional)
    if since is None:
        reading.totals = figures
    else:
        told = [one for one in (reading.usage, figures) if one is not None]
        reading.usage = booking.add(told)
    reading.model = next(iter(models)) if len(models) == 1 else reading.model


def _over_models(models: Mapping[str, Event], notional: bool) -> Usage:
    cost: float | None = sum(amount_at(one, "costUSD") or 0.0 for one in models.values())
    if any(text_at(one, "costBasis") == "unknown" for one in models.values()):
        cost = None  # it guesses the price of a model that it does not know
    return Usage(
        input_tokens=_over(models, "inputTokens"),
        output_tokens=_over(models, "outputTokens"),
        cache_read_tokens=_over(models, "cacheReadInputTokens"),
        cache_write_tokens=_over(models, "cacheCreationInputTokens"),
        reasoning_tokens=_over(models, "thinkingTokens"),
        cost_usd=cost,
        cost_basis="unknown" if cost is None else "notional" if notional else "reported",
    )


def _over(models: Mapping[str, Event], name: str) -> int:
    return sum(count_at(one, name) or 0 for one in models.values())
