"""Gemini's reader, whatever it is given; and how it is called."""

from __future__ import annotations

import json
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Failure, Progress, TaskId
from orchestrator.workers.agent import judge
from orchestrator.workers.gemini import Gemini
from orchestrator.workers.reading import Reading
from tests.workers.handed import attempt as any_attempt
from tests.workers.handed import ended

MODEL = "gemini-2.5-flash"
attempt = partial(any_attempt, "gemini", MODEL)
INIT = {"type": "init", "session_id": "s", "model": MODEL}
DONE = {"type": "result", "status": "success"}
ADVICE = (
    "\nPlease wait and try again later. To increase your limits, request a quota increase through AI Studio,"
    " or switch to another /auth method"
)
STATS = {"total_tokens": 1260, "input_tokens": 1000, "output_tokens": 200, "cached": 400}


def told(*events: Any, **end: Any) -> tuple[Reading, list[Progress]]:
    reading, client = Reading(), Gemini()
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    progress = [one for line in lines for one in client.read(line, reading)]
    client.conclude(ended(**end), reading)
    return reading, progress


def failed(words: str, **end: Any) -> Reading:
    error = {"type": "unknown", "message": words}
    return told(INIT, {"type": "result", "status": "error", "error": error}, **end)[0]


# --- anything at all -----------------------------------------------------------------------------

keys = st.sampled_from(
    ["type", "status", "role", "content", "tool_id", "tool_name", "parameters", "error", "stats", "models", "message"]
)  # fmt: skip
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["init", "message", "assistant", "tool_use", "tool_result", "error", "result", "success"])
)  # fmt: skip
values = st.recursive(leaves, lambda v: st.lists(v) | st.dictionaries(keys, v), max_leaves=12)


@given(st.lists(st.dictionaries(keys, values)))
def test_no_event_can_break_the_reader(events: list[Any]):
    told(*events)


def test_without_a_result_nothing_is_a_success():
    reading, _ = told(INIT, {"type": "message", "role": "assistant", "content": "All done"})
    assert judge(reading, ended(), attempt())[0] is Failure.NO_RESULT


# --- how it ends ---------------------------------------------------------------------------------


def test_its_advice_after_every_429_does_not_make_it_a_used_up_quota():
    limited = failed(f"[API Error: slow down]{ADVICE}", exit_code=173)
    assert (limited.failure, limited.detail) == (Failure.RATE_LIMIT, "[API Error: slow down]")
    quota = failed("[API Error: You exceeded your current quota, check your plan and billing.]")
    assert quota.failure is Failure.QUOTA


def test_a_quota_tells_when_it_opens_again():
    words = "[API Error: You have exhausted your capacity on this model. Your quota will reset after 21h58m30s.]"
    reading = failed(words, exit_code=173)
    assert (reading.failure, reading.retry_after_s) == (Failure.QUOTA, 79110.0)


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        ("Loop detected, stopping execution", Failure.EXIT),
        ("Maximum session turns exceeded", Failure.MAX_TURNS),
        ("Agent execution blocked: a hook", Failure.EXIT),
        ("It reads slowly", None),
    ],
)
def test_a_success_after_it_was_stopped_is_none(words: str, failure: Failure | None):
    reading, _ = told(INIT, {"type": "error", "severity": "warning", "message": words}, DONE)
    assert judge(reading, ended(), attempt())[0] is failure


def test_an_error_without_words_takes_those_of_the_notice_before():
    said = "The model response was blocked due to other policy settings."
    notice = {"type": "error", "severity": "error", "message": said}
    reading, _ = told(INIT, notice, {"type": "result", "status": "error"})
    assert (reading.failure, reading.detail) == (Failure.REFUSED, said)


def test_an_empty_answer_is_not_a_full_context():
    said = "The model returned reasoning thoughts but no final response text. If your context window is near capacity, try using /compress."
    assert failed(said).failure is Failure.NO_RESULT


@pytest.mark.parametrize(
    ("code", "failure"),
    [(41, Failure.AUTH), (53, Failure.MAX_TURNS), (173, Failure.RATE_LIMIT), (247, Failure.OVERLOADED), (244, Failure.SERVER), (147, Failure.AUTH), (1, Failure.EXIT)],
)  # fmt: skip
def test_the_exit_code_knows_what_the_words_do_not(code: int, failure: Failure):
    assert failed("[API Error: it did not work]", exit_code=code).failure is failure


def test_why_we_ended_it_stays():
    """The words are ours then, and its exit code is of our signal."""
    reading = Reading(session="s", hopeless=True)
    reading.fail(Failure.MAX_TURNS, "stopped after 503 turns")
    Gemini().conclude(ended(exit_code=143), reading)
    assert (reading.failure, reading.detail) == (Failure.MAX_TURNS, "stopped after 503 turns")


# --- its figures ---------------------------------------------------------------------------------


def test_it_tells_of_each_request_as_soon_as_it_answers():
    """Who waits for its first word need not wait for its end."""
    word = {"type": "message", "role": "assistant", "content": "a"}
    use = {"type": "tool_use", "tool_name": "read_file", "tool_id": "1", "parameters": {}}
    _, progress = told(INIT, word, word, use, {"type": "tool_result", "tool_id": "1"}, use)
    usages = [one.usage for one in progress if one.usage]
    assert [(one.requests, one.lower_bound, one.tokens) for one in usages] == [
        (1, True, None),
        (2, True, None),
    ]


def test_thoughts_are_what_its_total_has_more():
    reading, _ = told(INIT, {**DONE, "stats": {**STATS, "models": {"gemini-x": STATS}}})
    usage = reading.usage
    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_tokens) == (600, 400)
    assert (usage.output_tokens, usage.reasoning_tokens) == (260, 60)
    assert reading.model == "gemini-x"


def test_each_answer_is_one_request_however_many_tools_it_calls():
    def use(key: str) -> dict[str, Any]:
        return {"type": "tool_use", "tool_name": "read_file", "tool_id": key, "parameters": {}}

    def got(key: str) -> dict[str, Any]:
        return {"type": "tool_result", "tool_id": key, "status": "success"}

    word = {"type": "message", "role": "assistant", "content": "a"}
    one = (word, word, use("1"), use("2"), got("1"), got("2"))
    reading, _ = told(INIT, *one, use("3"), got("3"), word, DONE)
    assert (reading.turns, len(reading.by_message)) == (3, 3)


def test_an_answer_that_broke_off_makes_the_figures_the_least_that_it_can_be():
    word = {"type": "message", "role": "assistant", "content": "a"}
    error = {
        "type": "result",
        "status": "error",
        "error": {"message": "terminated"},
        "stats": STATS,
    }
    broken, _ = told(INIT, word, error)
    whole, _ = told(INIT, error)
    assert broken.usage is not None
    assert whole.usage is not None
    assert (broken.usage.lower_bound, whole.usage.lower_bound) == (True, False)


# --- its steps -----------------------------------------------------------------------------------


def test_of_a_command_it_does_not_tell_whether_it_went_well():
    def ran(tool: str, status: str) -> bool | None:
        use = {
            "type": "tool_use",
            "tool_name": tool,
            "tool_id": "1",
            "parameters": {"command": "x"},
        }
        _, progress = told(use, {"type": "tool_result", "tool_id": "1", "status": status})
        (step,) = [one.step for one in progress if one.step]
        return step.ok

    assert ran("run_shell_command", "success") is None
    assert ran("run_shell_command", "error") is False
    assert ran("write_file", "success") is True


def test_a_path_outside_is_a_denial_and_an_unknown_tool_is_none():
    use = {
        "type": "tool_use",
        "tool_name": "write_file",
        "tool_id": "1",
        "parameters": {"file_path": "/x"},
    }
    outside = {"type": "invalid_tool_params", "message": 'Path not in workspace: "/x"'}
    unknown = {"type": "tool_not_registered", "message": "Tool not found"}
    found = [
        told(use, {"type": "tool_result", "tool_id": "1", "status": "error", "error": error})[
            0
        ].denials
        for error in (outside, unknown)
    ]
    assert found == [["write_file: /x"], []]


# --- how it is called ----------------------------------------------------------------------------


def test_it_is_called_with_our_words_in_place_of_its_own():
    call = Gemini().call(attempt(), Path("/f"))
    assert call.stdin == "say hello"
    assert call.files["system.md"] == "the rules"
    assert call.env["GEMINI_SYSTEM_MD"] == "/f/system.md"
    assert "GEMINI_CLI_SYSTEM_SETTINGS_PATH" not in call.env  # those of the machine stay


def test_our_policy_only_takes_away():
    (rule,) = tomllib.loads(Gemini().call(attempt(), Path("/f")).files["tools.toml"])["rule"]
    assert rule["decision"] == "deny"
    assert not {"read_file", "write_file", "replace", "run_shell_command"} & set(rule["toolName"])


def test_with_all_of_its_own_the_rules_stand_before_the_prompt():
    call = Gemini(lean=False).call(attempt(), Path("/f"))
    assert (call.stdin, call.files) == ("the rules\nsay hello", {})
    assert "--extensions" not in call.argv


def test_an_attempt_has_a_session_of_its_own():
    names = {
        Gemini()
        .call(one, Path("/f"))
        .argv[Gemini().call(one, Path("/f")).argv.index("--session-id") + 1]
        for one in (
            attempt(),
            attempt(number=2),
            attempt(task=TaskId("p/2")),
            attempt(transcript="/w/1.review.log"),
        )
    }
    assert len(names) == 4


# --- doctor --------------------------------------------------------------------------------------


def examined(home: Path, settings: str = "", **env: str) -> list[str]:
    (home / ".gemini").mkdir(exist_ok=True)
    (home / ".gemini/settings.json").write_text(settings, "utf-8")
    return list(Gemini().examine("0.61.0", env, home))


def test_doctor_says_how_to_log_in(tmp_path: Path):
    calm = '{"general": {"maxAttempts": 2}}'
    assert examined(tmp_path, calm, GEMINI_API_KEY="k") == []
    (said,) = examined(tmp_path, calm)
    assert "no login found" in said
    (said,) = examined(tmp_path, calm, GEMINI_API_KEY="k", GOOGLE_GEMINI_BASE_URL="http://x")
    assert "security.auth.selectedType" in said
    (tmp_path / ".gemini/oauth_creds.json").touch()
    assert examined(tmp_path, calm) == []


def test_doctor_says_that_it_repeats_too_often(tmp_path: Path):
    for settings in ("", "not json", '{\n"general": {"maxAttempts": 7}}'):
        (said,) = examined(tmp_path, settings, GEMINI_API_KEY="k")
        assert "set general.maxAttempts to 2" in said
