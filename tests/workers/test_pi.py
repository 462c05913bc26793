"""pi's reader, whatever it is given; and how it is called."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Failure, Progress, Session
from orchestrator.workers.agent import judge
from orchestrator.workers.pi import Pi
from orchestrator.workers.reading import Reading
from tests.workers.handed import attempt as any_attempt
from tests.workers.handed import ended

MODEL = "anthropic/claude-haiku-4-5"
attempt = partial(any_attempt, "pi", MODEL)
HEAD = {"type": "session", "id": "s"}
START = {"type": "agent_start"}
USAGE = {"input": 10, "output": 5, "cacheRead": 3, "cacheWrite": 2}


def told(*events: Any, **end: Any) -> tuple[Reading, list[Progress]]:
    reading, client = Reading(), Pi()
    progress = [one for event in events for one in client.read(json.dumps(event), reading)]
    client.conclude(ended(**end), reading)
    return reading, progress


def answer(stop: str = "stop", words: str = "", text: str = "ok", cost: float = 0.5) -> list[Any]:
    """An answer, and the end of the agent after it."""
    message = {
        "role": "assistant",
        "provider": "anthropic",
        "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": text}] if text else [],
        "usage": {**USAGE, "cost": {"total": cost}},
        "stopReason": stop,
        "errorMessage": words,
    }
    return [
        {"type": "message_end", "message": message},
        {"type": "agent_end", "messages": [message]},
    ]


def retry(number: int) -> dict[str, Any]:
    return {"type": "auto_retry_start", "attempt": number, "maxAttempts": 3}


# --- anything at all -----------------------------------------------------------------------------

keys = st.sampled_from(
    ["type", "message", "role", "content", "usage", "stopReason", "messages", "attempt", "toolCallId", "args"]
)  # fmt: skip
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["session", "assistant", "message_end", "agent_end", "agent_start", "tool_execution_end", "stop"])
)  # fmt: skip
values = st.recursive(leaves, lambda v: st.lists(v) | st.dictionaries(keys, v), max_leaves=12)


@given(st.lists(st.dictionaries(keys, values)))
def test_no_event_can_break_the_reader(events: list[Any]):
    told(*events)


# --- how it ends ---------------------------------------------------------------------------------


def test_exit_0_and_the_end_of_the_agent_are_no_success():
    for stop in ("error", "aborted", "length", "toolUse"):
        reading, _ = told(HEAD, START, *answer(stop))
        assert judge(reading, ended(), attempt())[0] is not None
    reading, _ = told(HEAD, START, *answer())
    assert judge(reading, ended(), attempt())[0] is None


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        ("429 slow down", Failure.RATE_LIMIT),
        ("401 Incorrect API key", Failure.AUTH),
        ("404 nonesuch", Failure.UNKNOWN_MODEL),
        ("529 overloaded", Failure.OVERLOADED),
        ("400 the maximum context length is 8192 tokens", Failure.CONTEXT),
        ("Provider finish_reason: content_filter", Failure.REFUSED),
        ("Connection error.", Failure.NETWORK),
        ("connect ECONNREFUSED 127.0.0.1:9", Failure.NETWORK),
        ("Connection refused", Failure.NETWORK),
        ("stop_reason: refusal", Failure.REFUSED),
        ("429 content_filter", Failure.RATE_LIMIT),
        ("something else", Failure.EXIT),
    ],
)
def test_its_words_begin_with_the_status(words: str, failure: Failure):
    reading, _ = told(HEAD, START, *answer("error", words, text=""))
    assert reading.failure is failure
    assert reading.detail.startswith(words)


def test_after_the_end_it_may_begin_again():
    failed = answer("error", "529 overloaded", text="")
    reading, _ = told(HEAD, START, *failed, retry(1), START, *answer())
    assert (reading.finished, reading.failure, reading.hopeless) == (True, None, False)


def test_it_is_ended_when_it_would_try_a_third_time():
    failed = answer("error", "529 overloaded", text="")
    reading, _ = told(
        HEAD, START, *failed, retry(1), START, *failed, retry(2), START, exit_code=143
    )
    assert (reading.hopeless, reading.failure) == (True, Failure.OVERLOADED)


def test_exit_143_is_a_signal_that_was_not_ours():
    reading, _ = told(HEAD, START, exit_code=143)
    assert judge(reading, ended(), attempt())[0] is Failure.KILLED


def test_what_we_ended_at_its_cap_may_have_asked_once_more():
    reading, client = Reading(), Pi()
    for event in (HEAD, START, answer("toolUse")[0]):
        list(client.read(json.dumps(event), reading))
    reading.hopeless = True
    reading.fail(Failure.MAX_TURNS, "stopped after 0 turns")
    client.conclude(ended(exit_code=143), reading)
    assert reading.usage is not None
    assert reading.usage.lower_bound


def test_a_session_that_is_not_there_is_lost():
    reading, _ = told(exit_code=1, stderr="No session found matching 'x'")
    assert reading.lost


# --- its figures ---------------------------------------------------------------------------------


def test_the_answers_are_added_up():
    reading, progress = told(HEAD, START, *answer("toolUse"), *answer())
    usage = reading.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.requests) == (20, 10, 2)
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (6, 4)
    assert (usage.cost_usd, usage.cost_basis, usage.lower_bound) == (1.0, "reported", False)
    live = [one.usage for one in progress if one.usage]
    assert [(one.lower_bound, one.cost_usd) for one in live] == [(True, None), (True, None)]


def test_the_price_of_a_model_that_it_does_not_know_is_not_believed():
    known, _ = told(HEAD, START, *answer(cost=0))
    guessed, _ = told(
        HEAD, START, *answer(), stderr='Warning: Model "x" not found. Using custom model id.'
    )
    assert [one.usage and one.usage.cost_usd for one in (known, guessed)] == [None, None]


@pytest.mark.parametrize(
    ("events", "bound"),
    [
        ([START, *answer("error", "terminated", text="half")], True),
        ([START, *answer("error", "429 slow down", text="")], False),
        ([START, answer("toolUse")[0]], True),  # and then nothing more
        ([START, {"type": "compaction_start"}, *answer()], True),
    ],
)
def test_figures_that_may_be_more_are_a_lower_bound(events: list[Any], bound: bool):
    reading, _ = told(HEAD, *events)
    assert reading.usage is not None
    assert reading.usage.lower_bound is bound


# --- how it is called ----------------------------------------------------------------------------


def test_it_is_called_with_our_words_in_place_of_its_own():
    call = Pi().call(attempt(), Path("/f"))
    assert (call.stdin, call.files) == ("say hello", {"system.md": "the rules"})
    assert call.argv[-2:] == ("--system-prompt", "/f/system.md")
    assert {"--no-extensions", "--no-skills"} < set(call.argv)
    whole = Pi(lean=False).call(attempt(), Path("/f"))
    assert whole.argv[-2:] == ("--append-system-prompt", "/f/system.md")
    assert "--no-extensions" not in whole.argv


def test_a_session_is_gone_on_with_or_copied():
    def named(fork: bool) -> tuple[str, ...]:
        return Pi().call(attempt(session=Session(id="s", fork=fork)), Path("/f")).argv

    assert named(False)[named(False).index("s") - 1] == "--session"
    assert named(True)[named(True).index("s") - 1] == "--fork"


def test_the_provider_stands_before_the_slash():
    found = [Pi().provider(model) for model in ("openrouter/anthropic/x", "sonnet", None)]
    assert found == ["openrouter", None, None]


def test_doctor_says_how_to_log_in(tmp_path: Path):
    (said,) = Pi().examine("0.73.1", {}, tmp_path)
    assert "no login found" in said
    assert list(Pi().examine("0.73.1", {"XAI_API_KEY": "k"}, tmp_path)) == []
    (tmp_path / "auth.json").write_text('{\n"anthropic": {}}', "utf-8")
    assert list(Pi().examine("0.73.1", {"PI_CODING_AGENT_DIR": str(tmp_path)}, tmp_path)) == []
