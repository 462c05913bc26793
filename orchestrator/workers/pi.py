"""pi: one prompt in, its stream of JSON out. Believes no exit code, which is 0 of every failure, and no end of the agent: it may begin again after it."""

from __future__ import annotations

import re
import signal
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

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
    items_at,
    step,
    text_at,
)

QUIET = {"PI_OFFLINE": "1", "PI_TELEMETRY": "0"}
SYSTEM = "system.md"
TRIES = 2  # each of them is three requests of its provider's library
KEYS = (
    "ANTHROPIC_API_KEY", "ANTHROPIC_OAUTH_TOKEN", "OPENAI_API_KEY", "AZURE_OPENAI_*", "DEEPSEEK_API_KEY",
    "GEMINI_API_KEY", "GROQ_API_KEY", "CEREBRAS_API_KEY", "XAI_API_KEY", "FIREWORKS_API_KEY", "OPENROUTER_API_KEY",
    "AI_GATEWAY_API_KEY", "ZAI_API_KEY", "MISTRAL_API_KEY", "MINIMAX_API_KEY", "MOONSHOT_API_KEY",
    "OPENCODE_API_KEY", "KIMI_API_KEY", "CLOUDFLARE_*", "XIAOMI_*", "AWS_*",
)  # fmt: skip
OWN_PLACES = ("PI_CODING_AGENT_DIR", "PI_CODING_AGENT_SESSION_DIR")
PLACES = ("PI_CODING_AGENT_*", "PI_PACKAGE_DIR")
CLOUD = ("AZURE_OPENAI_API_KEY", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK")
FAILED = ("error", "aborted")
STATUS = re.compile(r"(\d{3})\b")  # its words begin with it
REFUSED = re.compile(r"content_filter|\brefusal\b", re.IGNORECASE)
LOST = "No session found matching"
GUESS = "Using custom model id"  # on stderr: then it takes another model's price
NOTHING = Usage(
    input_tokens=0, output_tokens=0, cache_read_tokens=0, cache_write_tokens=0, requests=0
)
TERMINATED = 143
CUT_OFF = (None, Failure.KILLED, Failure.MAX_TURNS, Failure.BUDGET)  # it may have asked once more
NEXT_STEP = 'start "pi" and use /login, or set the key of the provider'


class Pi(Client):
    name = program = "pi"
    tiers: tuple[Tier, ...] = tuple(Tier)
    sessions: Collection[str] = ("resume", "fork")
    passes: tuple[str, ...] = (*KEYS, *PLACES)
    stop: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    reads: tuple[str, ...] = ("AGENTS.md", "CLAUDE.md")

    def __init__(self, *, lean: bool = True) -> None:
        self._lean = lean

    def needs(self, model: str | None, env: Mapping[str, str]) -> tuple[str, ...]:
        return (*keys.of(model), *PLACES)

    def homes(self, env: Mapping[str, str], home: Path) -> Iterable[Path]:
        own = [env[name] for name in OWN_PLACES if env.get(name)]
        return (home / ".pi", *map(Path, own))

    def provider(self, model: str | None) -> str | None:
        """The part of "provider/id" before the slash."""
        prefix, slash, _ = (model or "").partition("/")
        return prefix if slash else None

    def call(self, attempt: Attempt, folder: Path) -> Call:
        system = str(folder / SYSTEM)
        argv = ("pi", "--mode", "json", "-p", *_session(attempt), *self._profile(system))
        return Call(
            argv=argv, stdin=attempt.prompt, env=QUIET, files={SYSTEM: attempt.system or "\n"}
        )

    def _profile(self, system: str) -> Iterator[str]:
        """Lean: our words in place of its own, none of the person's plug-ins; AGENTS.md is still read."""
        if not self._lean:
            yield from ("--append-system-prompt", system)
            return
        yield from ("--no-extensions", "--no-skills", "--no-prompt-templates", "--no-themes")
        yield from ("--system-prompt", system)

    def read(self, line: str, reading: Reading) -> Iterable[Progress]:
        event = decode(line)
        match event.get("type"):
            case "session":
                reading.session = text_at(event, "id") or None
                yield Progress(doing="thinking", session=reading.session)
            case "agent_start" if not reading.hopeless:  # whatever was before, it goes on
                reading.failure, reading.detail, reading.finished = None, "", False
            case "message_end" if text_at(event, "message.role") == "assistant":
                yield from _answer(event, reading)
            case "tool_execution_start":
                asked = step(text_at(event, "toolName"), event.get("args"))
                yield reading.begin_step(text_at(event, "toolCallId"), asked)
            case "tool_execution_end":
                ok = event.get("isError") is False
                yield from reading.end_step(text_at(event, "toolCallId"), ok)
            case "agent_end":
                yield from _end(event, reading)
            case "compaction_start":  # one request more, of which it tells no figures
                reading.requests.append(Usage(requests=1, lower_bound=True))
                yield Progress(doing="making its conversation shorter")
            case "auto_retry_start":
                yield from _again(event, reading)

    def conclude(self, ended: Ended, reading: Reading) -> None:
        """What it says before it begins, it says on stderr; that it was ended, in its exit code."""
        words, silent = ended.stderr.strip(), reading.failure is None and not reading.finished
        reading.lost = LOST in words
        if silent and ended.exit_code == TERMINATED:
            reading.fail(Failure.KILLED, "ended by SIGTERM, not by us")
        elif silent and words and ended.exit_code:
            reading.fail(trouble.by_words(words) or Failure.EXIT, words)
        if reading.failure is Failure.AUTH:
            reading.detail = f"{reading.detail}: {NEXT_STEP}"
        over = reading.finished or reading.failure not in CUT_OFF
        _book(reading, over=over, guessed=GUESS in words)

    def examine(self, version: str, env: Mapping[str, str], home: Path) -> Iterable[str]:
        place = Path(env.get("PI_CODING_AGENT_DIR") or home / ".pi/agent")
        logged_in = any(_has(place / name) for name in ("auth.json", "models.json"))
        if not logged_in and not any(name in env for name in (*KEYS, *CLOUD)):
            yield f"no login found: {NEXT_STEP}"


def _session(attempt: Attempt) -> Iterator[str]:
    if attempt.route.model:
        yield from ("--model", attempt.route.model)
    if attempt.session is not None:
        yield from ("--fork" if attempt.session.fork else "--session", attempt.session.id)


def _has(path: Path) -> bool:
    try:
        return bool(decode(path.read_text("utf-8").replace("\n", " ")))
    except (OSError, ValueError):
        return False


# --- its events ------------------------------------------------------------------------------------


def _answer(event: Event, reading: Reading) -> Iterator[Progress]:
    """Each answer comes once, with its own figures. One that failed has them only as far as they came."""
    maker, model = text_at(event, "message.provider"), text_at(event, "message.model")
    reading.model = f"{maker}/{model}" if maker and model else reading.model
    content = items_at(event, "message.content")
    broke_off = text_at(event, "message.stopReason") in FAILED
    if not broke_off:
        reading.turns = (reading.turns or 0) + 1
    if not broke_off or content:
        reading.requests.append(_usage(event, lower_bound=broke_off))
    texts = [text_at(block, "text") for block in content]
    reading.text = "\n".join(filter(None, texts)) or reading.text
    doing = " ".join(reading.text.split())[:LONGEST_WORDS]
    yield Progress(doing=doing, model=reading.model, usage=_so_far(reading))


def _end(event: Event, reading: Reading) -> Iterator[Progress]:
    last = "messages.-1"
    words, stop = text_at(event, f"{last}.errorMessage"), text_at(event, f"{last}.stopReason")
    if stop == "stop":
        reading.finished = True
        yield Progress(doing="finishing")
    elif stop == "aborted":
        reading.fail(Failure.KILLED, words or "it was aborted")
    else:
        found = STATUS.match(words)
        status = int(found[1]) if found else None
        failure = trouble.by_status(status, words) or trouble.by_words(words)
        if failure is None and REFUSED.search(words):
            failure = Failure.REFUSED
        reading.fail(
            failure or Failure.EXIT, words or f"its last answer ended with {stop or 'nothing'}"
        )
        reading.retry_after_s = trouble.wait_s(words)


def _again(event: Event, reading: Reading) -> Iterator[Progress]:
    number = count_at(event, "attempt") or 0
    reading.hopeless = number >= TRIES
    yield Progress(doing=f"{reading.failure or 'failed'}: its own try {number + 1}")


# --- its figures -----------------------------------------------------------------------------------


def _usage(event: Event, *, lower_bound: bool) -> Usage:
    """A price of 0 is one that it does not know."""
    cost = find(event, "message.usage.cost.total", float) or None
    return Usage(
        input_tokens=count_at(event, "message.usage.input"),
        output_tokens=count_at(event, "message.usage.output"),
        cache_read_tokens=count_at(event, "message.usage.cacheRead"),
        cache_write_tokens=count_at(event, "message.usage.cacheWrite"),
        requests=1,
        cost_usd=cost,
        cost_basis="unknown" if cost is None else "reported",
        lower_bound=lower_bound,
    )


def _so_far(reading: Reading) -> Usage | None:
    """Without a price: only at its end it is known whether it guessed."""
    known = booking.add(reading.requests)
    without = {"cost_usd": None, "cost_basis": "unknown", "lower_bound": True}
    return known.model_copy(update=without) if known else None


def _book(reading: Reading, *, over: bool, guessed: bool) -> None:
    """`over`: nothing more was asked. A price that it guessed for a model it does not know is no price."""
    known = booking.add(reading.requests) or (NOTHING if over else None)
    if known is None:
        return
    bound = known.lower_bound or not over
    free = {"cost_usd": None, "cost_basis": "unknown"} if guessed else {}
    reading.usage = known.model_copy(update={"lower_bound": bound, **free})
