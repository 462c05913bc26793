"""Claude's reader, whatever it is given; and how it is called."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Failure, Progress, Session
from orchestrator.workers.agent import judge
from orchestrator.workers.claude import Claude
from orchestrator.workers.reading import Reading
from tests.workers.handed import attempt as any_attempt
from tests.workers.handed import ended

HERE = Path("/w")
MODEL = "claude-haiku-5-5"
attempt = partial(any_attempt, "claude", MODEL)


def told(*events: Any, **end: Any) -> tuple[Reading, list[Progress]]:
    reading, client = Reading(), Claude()
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    progress = [one for line in lines for one in client.read(line, reading)]
    client.conclude(ended(**end), reading)
    return reading, progress


# --- anything at all -----------------------------------------------------------------------------

words = st.sampled_from(
    [
        "system",
        "init",
        "api_retry",
        "assistant",
        "user",
        "result",
        "rate_limit_event",
        "tool_use",
        "tool_result",
        "text",
        "success",
    ]
)
keys = st.sampled_from(
    [
        "type",
        "subtype",
        "is_error",
        "message",
        "content",
        "id",
        "usage",
        "model",
        "input_tokens",
        "session_id",
        "rate_limit_info",
        "status",
        "resetsAt",
        "modelUsage",
        "model_usage_since_last_result",
        "inputTokens",
        "costUSD",
        "permission_denials",
        "errors",
        "terminal_reason",
        "error",
        "api_error_status",
        "error_status",
        "num_turns",
        "total_cost_usd",
        "tool_use_id",
        "name",
        "input",
        "stop_reason",
    ]
)
odd = st.sampled_from([10**400, -(10**400), 1e308, "\ud83d", "\0", -1, 1e16])
atoms = st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=5) | odd
values = st.recursive(
    atoms,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
events = (
    st.fixed_dictionaries({"type": words}, optional={"message": values, "subtype": words}) | values
)
lines = st.one_of(
    st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "replace")),
    values.map(json.dumps),
    st.dictionaries(keys, values, max_size=6).map(json.dumps),
    events.map(json.dumps),
)


def ends_well(line: str) -> bool:
    try:
        event = json.loads(line)
    except ValueError:
        return False
    return (
        isinstance(event, dict) and event.get("type") == "result" and event.get("is_error") is False
    )


@given(st.lists(lines, max_size=8))
def test_nothing_that_it_prints_breaks_the_reader_or_passes_for_success(said: list[str]) -> None:
    reading, progress = told(*said)
    failure, _ = judge(reading, ended(), attempt())
    assert failure is not None or any(map(ends_well, said))
    for one in progress:  # as the journal keeps it, and reads it again
        assert Progress.model_validate_json(one.model_dump_json()) == one
    json.dumps([reading.detail, reading.text, reading.session], ensure_ascii=False).encode()


@given(st.dictionaries(keys, values, max_size=6), st.sampled_from([True, None, 0, "", "no"]))
def test_only_a_plain_no_to_is_error_is_a_success(more: dict[str, Any], error: Any) -> None:
    reading, _ = told({**more, "type": "result", "subtype": "success", "is_error": error})
    failure, detail = judge(reading, ended(), attempt())
    assert failure is not None
    assert isinstance(detail, str)


# --- its traps -----------------------------------------------------------------------------------


def answer(id: str, *blocks: Any, output: int = 1, model: str = MODEL) -> dict[str, Any]:
    usage = {
        "input_tokens": 10,
        "output_tokens": output,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 2,
    }
    return {
        "type": "assistant",
        "message": {"id": id, "model": model, "content": blocks, "usage": usage},
    }


def test_the_lines_of_one_answer_are_counted_once():
    call = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls\n-l"}}
    _, progress = told(
        answer("m1", {"type": "text", "text": "So."}), answer("m1", call), answer("m2")
    )
    usages = [one.usage for one in progress if one.usage]
    assert [(one.input_tokens, one.requests) for one in usages] == [(10, 1), (10, 1), (20, 2)]
    assert all(one.lower_bound for one in usages)
    assert [one.doing for one in progress if one.doing] == ["So.", "Bash: ls -l"]


def test_what_the_client_makes_up_costs_nothing():
    reading, progress = told(
        answer("m1", {"type": "text", "text": "API Error"}, model="<synthetic>")
    )
    assert (reading.by_message, [one.usage for one in progress]) == ({}, [None])


def test_a_tool_is_a_step_when_it_has_answered():
    call = {"type": "tool_use", "id": "t1", "name": "Write", "input": {"file_path": "a.py"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "is_error": True}
    _, progress = told(
        answer("m1", call), {"type": "user", "message": {"content": [result, result]}}
    )
    (step,) = [one.step for one in progress if one.step]
    assert (step.kind, step.tool, step.target, step.ok) == ("write", "Write", "a.py", False)


def result(**more: Any) -> dict[str, Any]:
    models = {MODEL: {"inputTokens": 30, "outputTokens": 4, "costUSD": 0.5, "costBasis": "list"}}
    return {"type": "result", "is_error": False, "session_id": "s", "modelUsage": models, **more}


def test_an_older_client_tells_only_the_totals_of_its_session():
    reading, progress = told(result())
    assert reading.usage is None
    assert reading.totals
    assert (reading.totals.input_tokens, reading.totals.cost_usd) == (30, 0.5)
    assert progress[-1].totals == reading.totals


def test_several_results_of_one_process_are_added():
    since = {MODEL: {"inputTokens": 7, "outputTokens": 2, "costUSD": 0.25, "costBasis": "list"}}
    reading, _ = told(*[result(model_usage_since_last_result=since)] * 2)
    assert reading.totals is None
    assert reading.usage
    assert (reading.usage.input_tokens, reading.usage.cost_usd) == (14, 0.5)


def test_a_price_that_it_guesses_is_unknown():
    models = {
        "my-model": {"inputTokens": 7, "outputTokens": 2, "costUSD": 9.0, "costBasis": "unknown"}
    }
    reading, _ = told(result(model_usage_since_last_result=models))
    assert reading.usage
    assert (reading.usage.cost_usd, reading.usage.cost_basis, reading.model) == (
        None,
        "unknown",
        "my-model",
    )


def test_a_subscription_pays_in_words_only():
    init = {
        "type": "system",
        "subtype": "init",
        "session_id": "s",
        "model": MODEL,
        "apiKeySource": "none",
    }

    def basis(source: str | None, provider: str = "firstParty", **env: str) -> str | None:
        figures = {"costUSD": 0.1, "provider": provider}
        reading, usage = Reading(), result(model_usage_since_last_result={MODEL: figures})
        for event in ({**init, "apiKeySource": source}, usage):
            list(Claude(env=env).read(json.dumps(event), reading))
        assert reading.usage
        assert reading.usage.cost_usd == 0.1
        return reading.usage.cost_basis

    assert basis("none", CLAUDE_CODE_OAUTH_TOKEN="t", CLAUDE_CODE_USE_BEDROCK="") == "notional"
    assert basis("none", provider="bedrock") == "reported"
    assert basis("none", ANTHROPIC_AUTH_TOKEN="t") == "reported"
    assert basis("none", CLAUDE_CODE_USE_VERTEX="1") == "reported"
    for source in ("ANTHROPIC_API_KEY", "apiKeyHelper", "/login managed key", "", None):
        assert basis(source) == "reported", source


def test_a_reset_is_told_in_seconds_or_milliseconds():
    for at in (4_102_444_800, 4_102_444_800_000):
        info = {"status": "rejected", "resetsAt": at, "rateLimitType": "five_hour"}
        reading, _ = told({"type": "rate_limit_event", "rate_limit_info": info})
        assert (reading.reset_at, reading.window) == (4_102_444_800.0, "five_hour")


def test_a_refused_key_is_hopeless_before_it_has_tried_for_minutes():
    retry = {
        "type": "system",
        "subtype": "api_retry",
        "attempt": 1,
        "error_status": 401,
        "error": "x",
    }
    reading, progress = told(retry, signal=2, exit_code=None)
    assert (reading.hopeless, reading.failure) == (True, Failure.AUTH)
    assert "claude /login" in reading.detail
    assert progress[0].doing == "auth: its own try 1"


def test_trouble_on_the_way_is_forgotten_when_it_ends_well():
    error = {
        **answer("m1", model="<synthetic>"),
        "is_api_error_message": True,
        "error": "overloaded",
    }
    reading, _ = told(error, result())
    assert (reading.failure, reading.detail, reading.finished) == (None, "", True)
    reading, _ = told(error, exit_code=1)
    assert (reading.failure, reading.finished) == (Failure.OVERLOADED, False)


def test_stderr_counts_only_where_it_did_not_begin():
    reading, _ = told(exit_code=1, stderr="error: unknown option '--x'\n")
    assert (reading.failure, reading.detail) == (Failure.EXIT, "error: unknown option '--x'")
    reading, _ = told(exit_code=0, stderr="a warning")
    assert reading.failure is None
    init = {"type": "system", "subtype": "init", "session_id": "s"}
    reading, _ = told(init, exit_code=1, stderr="a warning")
    assert reading.failure is None
    reading, _ = told(exit_code=1, stderr="No conversation found with session ID: s")
    assert reading.lost


# --- how it is called ----------------------------------------------------------------------------


def words_of(**more: Any) -> str:
    return " ".join(Claude().call(attempt(**more), HERE).argv)


def test_the_prompt_goes_by_stdin_and_the_session_has_our_name():
    call = Claude().call(attempt(), HERE)
    assert call.stdin == "say hello"
    assert "say hello" not in call.argv
    assert "--resume" not in call.argv
    assert call.argv == Claude().call(attempt(), HERE).argv
    again = Claude().call(attempt(number=2), HERE).argv
    assert again != call.argv
    review = Claude().call(attempt(transcript="/w/1.review.log"), HERE).argv
    assert review != call.argv, "it refuses a name that is in use"


def test_it_goes_on_with_a_session_or_a_copy_of_it():
    assert "--resume s" in words_of(session=Session(id="s", fork=False))
    assert "--fork-session" not in words_of(session=Session(id="s", fork=False))
    assert "--resume s --fork-session" in words_of(session=Session(id="s", fork=True))


def test_caps_are_handed_over():
    assert "--max-turns 7 --max-budget-usd 0.5000" in words_of(max_turns=7, max_usd=0.5)
    assert "--max" not in words_of()


def test_a_worker_that_is_not_lean_keeps_what_the_person_has():
    call = Claude(lean=False).call(attempt(), HERE)
    argv = call.argv
    assert argv[-2:] == ("--append-system-prompt-file", str(HERE / "system.txt"))
    assert call.files == {"system.txt": "the rules"}
    assert not {"--tools", "--setting-sources", "--strict-mcp-config"} & set(argv)


def test_lean_it_reads_no_settings_and_is_told_the_project_s_instructions_by_us():
    lean, full = Claude(), Claude(lean=False)
    argv = lean.call(attempt(), HERE).argv
    assert argv[argv.index("--setting-sources") + 1] == ""
    assert (lean.reads, full.told) == ((), ())
    assert lean.told == full.reads == ("CLAUDE.md", ".claude/CLAUDE.md", "AGENTS.md")


def test_doctor_hears_of_a_missing_login_and_of_a_key_that_wins(tmp_path: Path):
    client, key = Claude(), {"ANTHROPIC_API_KEY": "k"}
    assert "no login found" in "".join(client.examine("2.1.329", {}, tmp_path))
    assert list(client.examine("2.1.329", key, tmp_path)) == []
    assert list(client.examine("2.1.329", {"CLAUDE_CODE_USE_BEDROCK": "1"}, tmp_path)) == []
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude/.credentials.json").write_text("{}")
    assert list(client.examine("2.1.329", {}, tmp_path)) == []
    assert "is billed by use" in "".join(client.examine("2.1.329", key, tmp_path))


def test_how_full_each_window_is_is_told_as_it_was_recorded():
    """With the token of a plan; with a key it tells nothing."""
    info = {
        "status": "allowed_warning",
        "resetsAt": 1795820000,
        "rateLimitType": "seven_day",
        "utilization": 0.4,
        "isUsingOverage": False,
        "unifiedWindows": {
            "five_hour": {"utilization": 0.91, "resetsAt": 1795220000, "status": "allowed_warning"},
            "seven_day": {"utilization": 0.4, "resetsAt": 1795820000, "status": "allowed"},
        },
    }
    reading, progress = told({"type": "rate_limit_event", "rate_limit_info": info})
    (one,) = progress
    assert [(w.name, w.utilization, w.resets_at, w.is_refused) for w in one.windows] == [
        ("five_hour", 0.91, 1795220000.0, False),
        ("seven_day", 0.4, 1795820000.0, False),
    ]
    assert (reading.window, reading.reset_at) == (None, None)


def test_a_window_that_refuses_and_one_of_a_single_model_are_told_too():
    full = {"five_hour": {"utilization": 1, "resetsAt": 1795220000}}
    info = {"status": "rejected", "resetsAt": 1795220000, "rateLimitType": "five_hour"}
    _, (one,) = told(
        {"type": "rate_limit_event", "rate_limit_info": {**info, "unifiedWindows": full}}
    )
    assert [(w.name, w.utilization, w.is_refused) for w in one.windows] == [
        ("five_hour", 1.0, True)
    ]
    opus = {"status": "allowed", "rateLimitType": "seven_day_opus", "utilization": 0.5}
    _, (one,) = told({"type": "rate_limit_event", "rate_limit_info": opus})
    assert [(w.name, w.utilization) for w in one.windows] == [("seven_day_opus", 0.5)]
    for nonsense in (
        {},
        {"unifiedWindows": {"x": 3}},
        {"unifiedWindows": {"x": {"utilization": -1}}},
    ):
        _, progress = told({"type": "rate_limit_event", "rate_limit_info": nonsense})
        assert progress == []
