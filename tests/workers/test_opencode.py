"""OpenCode: how it is called, and those of its ends that the contract does not play."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import Attempt, Failure, Route, RunId, Session, StepKind, TaskId
from orchestrator.process import Ended
from orchestrator.workers.opencode import OpenCode
from orchestrator.workers.reading import Reading

FOLDER = Path("/runs/1.files")


def attempt(session: Session | None = None) -> Attempt:
    return Attempt(
        run=RunId("r"),
        task=TaskId("p/1"),
        name="say hello",
        number=1,
        action="",
        system="the rules",
        prompt="the task",
        route=Route(worker="opencode", model="a/b/c", confidence=1.0, reason="a test"),
        workspace="/work",
        timeout_s=9.0,
        stall_s=9.0,
        session=session,
        transcript="/runs/1.log",
        environment={},
    )


def event(kind: str, **more: Any) -> str:
    return json.dumps({"type": kind, "sessionID": "ses_1", **more})


def finish(reason: str, cost: float = 0.5) -> str:
    tokens = {"input": 10, "output": 7, "reasoning": 2, "cache": {"read": 5, "write": 3}}
    return event("step_finish", part={"reason": reason, "tokens": tokens, "cost": cost})


def error(name: str = "APIError", **data: Any) -> str:
    return event("error", error={"name": name, "data": {"message": "no", **data}})


def used(tool: str, given: dict[str, str], **state: Any) -> str:
    return event("tool_use", part={"tool": tool, "state": {"input": given, **state}})


TOO_LONG = error("ContextOverflowError")
WROTE = used("write", {"filePath": "/work/a"}, status="completed", metadata={})
REJECTED = used(
    "read", {"filePath": "/etc/x"}, status="error",
    error="The user rejected permission to use this specific tool call.",
)  # fmt: skip


def read(*lines: str, code: int | None = 0, stderr: str = "") -> Reading:
    reading, client = Reading(), OpenCode()
    for line in lines:
        list(client.read(line, reading))
    ended = Ended(
        exit_code=code,
        signal=None if code is not None else 15,
        stdout="\n".join(lines),
        stderr=stderr,
        timed_out=False,
        stalled="",
        pulled=False,
        duration_s=1.0,
    )
    client.conclude(ended, reading)
    return reading


# --- how it is called -----------------------------------------------------------------------------


def test_lean_it_has_its_own_rules_and_four_tools():
    call = OpenCode().call(attempt(), FOLDER)
    config = json.loads(call.files["opencode.json"])
    agent = config["agent"]["orchestrator"]
    assert agent["prompt"] == "the rules"
    assert call.stdin == "the task"
    assert next(iter(agent["permission"].items())) == ("*", "deny")
    assert agent["permission"]["external_directory"] == "deny"
    assert config["instructions"] == ["/work/AGENTS.md", "/work/CLAUDE.md"]
    assert call.env["OPENCODE_CONFIG_DIR"] == str(FOLDER)
    assert "OPENCODE_CONFIG_CONTENT" not in call.env
    assert call.argv[call.argv.index("--model") + 1] == "a/b/c"
    assert "--title=say hello" in call.argv


def test_not_lean_it_keeps_all_that_the_person_has():
    call = OpenCode(lean=False).call(attempt(), FOLDER)
    config = json.loads(call.files["opencode.json"])
    assert "prompt" not in config["agent"]["orchestrator"]
    assert "*" not in config["agent"]["orchestrator"]["permission"]
    assert call.stdin == "the rules\nthe task"
    assert set(call.env) == {
        "OPENCODE_CONFIG", "OPENCODE_DISABLE_AUTOUPDATE", "OPENCODE_DISABLE_SHARE",
    }  # fmt: skip


def test_a_session_is_named():
    call = OpenCode().call(attempt(Session(id="ses_1", fork=False)), FOLDER)
    assert call.argv[-2:] == ("--session", "ses_1")


@pytest.mark.parametrize(("model", "provider"), [("a/b/c", "a"), ("b", None), (None, None)])
def test_the_provider_is_the_prefix(model: str | None, provider: str | None):
    assert OpenCode().provider(model) == provider


def test_doctor_is_told_of_a_missing_login_and_of_a_setting_that_is_not_used(tmp_path: Path):
    [login] = OpenCode().examine("1", {}, tmp_path)
    assert "opencode auth login" in login
    assert list(OpenCode().examine("1", {"OPENAI_API_KEY": "k"}, tmp_path)) == []
    (tmp_path / ".local/share/opencode").mkdir(parents=True)
    (tmp_path / ".local/share/opencode/auth.json").write_text("{}")
    [unused] = OpenCode().examine("1", {"OPENCODE_CONFIG_DIR": "/x"}, tmp_path)
    assert unused.startswith("OPENCODE_CONFIG_DIR is not used")


# --- its figures and steps ------------------------------------------------------------------------


def test_steps_add_up_and_reasoning_is_part_of_output():
    reading = read(WROTE, finish("tool-calls"), finish("stop"))
    assert reading.finished
    assert reading.usage is not None
    assert reading.usage.model_dump() == {
        "input_tokens": 20, "output_tokens": 18, "cache_read_tokens": 10, "cache_write_tokens": 6,
        "reasoning_tokens": 4, "requests": 2, "cost_usd": 1.0, "cost_basis": "reported", "lower_bound": False,
    }  # fmt: skip
    assert (reading.turns, len(reading.requests)) == (2, 2)


def test_a_price_that_it_does_not_know_is_not_nothing():
    usage = read(finish("stop", cost=0)).usage
    assert usage is not None
    assert (usage.cost_usd, usage.cost_basis) == (None, "unknown")


def test_a_command_that_failed_is_a_step_that_failed():
    ran = used("bash", {"command": "false"}, status="completed", metadata={"exit": 1})
    progress = list(OpenCode().read(ran, Reading(session="ses_1")))
    [step] = [one.step for one in progress if one.step]
    assert (step.kind, step.target, step.ok, step.exit_code) == (StepKind.RUN, "false", False, 1)


# --- its ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "code", "failure"),
    [
        ((finish("stop"),), 0, None),
        ((finish("stop"),), 1, Failure.NO_RESULT),
        ((finish("stop"), WROTE), 0, None),
        ((finish("length"),), 0, Failure.EXIT),
        ((finish("content-filter"),), 0, Failure.REFUSED),
        ((REJECTED, finish("tool-calls")), 0, Failure.DENIED),
        ((WROTE, finish("tool-calls")), 0, Failure.NO_RESULT),
        ((), 1, Failure.EXIT),
    ],
)
def test_only_a_last_step_that_stopped_by_itself_is_a_success(
    lines: tuple[str, ...], code: int, failure: Failure | None
):
    reading = read(*lines, code=code)
    assert reading.failure is failure
    assert reading.finished == (failure is None and lines == (finish("stop"),))


def test_who_was_killed_did_not_finish_and_told_the_least():
    reading = read(finish("stop"), code=None)
    assert not reading.finished
    assert reading.usage is not None
    assert reading.usage.lower_bound


def test_who_ended_by_itself_told_all_and_who_was_cut_off_did_not():
    ends = (finish("stop"),), (finish("length"),), (finish("stop"), error())
    assert [usage.lower_bound for one in ends if (usage := read(*one).usage)] == [False] * 3
    usage = read(WROTE, finish("tool-calls")).usage
    assert usage is not None
    assert usage.lower_bound


def test_a_prompt_that_stays_too_long_is_given_up():
    reading = read(TOO_LONG, finish("stop"), TOO_LONG, code=None)
    assert (reading.hopeless, reading.failure) == (True, Failure.CONTEXT)
    assert not read(TOO_LONG, finish("stop"), WROTE, TOO_LONG, code=None).hopeless


def test_a_prompt_that_was_made_shorter_is_no_failure():
    reading = read(TOO_LONG, finish("stop"), finish("stop"), code=1)
    assert (reading.finished, reading.failure) == (True, None)
    assert not read(finish("stop"), TOO_LONG, code=1).finished


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"retry-after": "90"}, 90.0),
        ({"retry-after": "Fri, 20 Nov 2026 23:36:29 GMT", "date": "Fri, 20 Nov 2026 23:34:29 GMT"}, 120.0),
        ({"retry-after": "Fri, 20 Nov 2026 23:36:29 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_it_hands_on_how_long_to_wait(headers: dict[str, str], waits: float | None):
    reading = read(error(statusCode=429, responseHeaders=headers), code=1)
    assert (reading.failure, reading.retry_after_s) == (Failure.RATE_LIMIT, waits)


LOG = 'level=ERROR error="ProviderModelNotFoundError: Model not found: {}" cause="..."\n'


@pytest.mark.parametrize(
    ("told", "failure", "words"),
    [
        ("a/nope.", Failure.UNKNOWN_MODEL, "there is no model a/nope:"),
        ("a/c-4.5.", Failure.UNKNOWN_MODEL, "there is no model a/c-4.5:"),
        ("a/nop. Did you mean: nope?", Failure.UNKNOWN_MODEL, "there is no model a/nop:"),
        ("a/c-4. Did you mean: c-4, c-4-1?", Failure.AUTH, "no login for a/c-4:"),
    ],
)
def test_only_its_log_knows_of_a_model_that_is_not_there(told: str, failure: Failure, words: str):
    reading = read(error("UnknownError"), code=1, stderr=LOG.format(told))
    assert reading.failure is failure
    assert reading.detail.startswith(words)


def test_a_session_that_is_not_there_is_lost():
    assert read(code=1, stderr="Error: Session not found").lost
    assert not read(finish("stop")).lost
    assert read(code=1, stderr="\x1b[91m\x1b[1mError: \x1b[0mSession not found").lost
    assert not read(code=1, stderr="a test said: Session not found").lost
    assert not read(finish("tool-calls"), code=1, stderr="Error: Session not found").lost


def test_only_its_own_lines_are_read_for_trouble():
    said = "I could not repair the authentication tests"
    assert read(code=1, stderr=said).failure is Failure.EXIT
    assert read(error("UnknownError"), code=1, stderr=said).failure is Failure.EXIT
    log = 'timestamp=1 level=ERROR run=1 message=process error="fetch failed"'
    assert read(code=1, stderr=log).failure is Failure.NETWORK


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("1795251338", 1795251338.0),
        ("1795251338385", 1795251338.385),
        ("\u00b2", None),
        ("\u0663", None),
        ("9" * 400, None),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_when_a_quota_opens_is_a_time_or_unknown(told: str, at: float | None):
    headers = {"anthropic-ratelimit-unified-reset": told}
    assert read(error(statusCode=429, responseHeaders=headers), code=1).reset_at == at
