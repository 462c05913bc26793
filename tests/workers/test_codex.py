"""Codex: how it is called, and those of its words that the contract does not play."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import Attempt, Failure, Route, RunId, Session, Step, StepKind, TaskId
from orchestrator.process import Ended
from orchestrator.workers.codex import LEAN, LOG, Codex, reset_at, unwrapped
from orchestrator.workers.reading import Reading

FOLDER = Path("/runs/1.files")
NOON = datetime(2026, 11, 21, 12, tzinfo=timezone(timedelta(hours=-5)))
SYSTEM = 'say "hello" in C:\\new\n\x7f\U0001f600'


def attempt(session: Session | None = None, system: str = SYSTEM) -> Attempt:
    return Attempt(
        run=RunId("r"),
        task=TaskId("p/1"),
        name="say hello",
        number=1,
        action="",
        system=system,
        prompt="the task",
        route=Route(worker="codex", model="gpt-6-luna", confidence=1.0, reason="a test"),
        workspace="/work",
        timeout_s=9.0,
        stall_s=9.0,
        session=session,
        transcript="/runs/1.log",
        environment={},
    )


def settings(argv: tuple[str, ...]) -> dict[str, Any]:
    pairs = (word for flag, word in pairwise(argv) if flag == "-c")
    return {key: value for pair in pairs for key, value in tomllib.loads(pair).items()}


def event(kind: str, **more: Any) -> str:
    return json.dumps({"type": kind, **more})


def item(kind: str, **more: Any) -> str:
    return event("item.completed", item={"id": "item_1", "type": kind, **more})


def failed(words: str) -> str:
    return event("turn.failed", error={"message": words})


def logged(name: str, **fields: object) -> str:
    told = " ".join(f"{key.replace('__', '.')}={value}" for key, value in fields.items())
    return f'2026-11-21T08:13:02Z  INFO {LOG}: event.name="codex.{name}" {told}'


def answered(whole: int, read: int, write: int, output: int) -> str:
    return logged(
        "sse_event",
        event__kind="response.completed",
        input_token_count=whole,
        cached_token_count=read,
        cache_write_token_count=write,
        output_token_count=output,
        reasoning_token_count=1,
        model="gpt-6-luna",
    )


def heard(*lines: str, errors: tuple[str, ...] = (), **ended: Any) -> Reading:
    client, reading = Codex(now=lambda: NOON), Reading()
    for line in errors:
        list(client.read_error(line, reading))
    for line in lines:
        list(client.read(line, reading))
    rest = {"signal": None, "stdout": "", "timed_out": False, "stalled": False, "duration_s": 1.0}
    stderr = "".join(f"{line}\n" for line in errors)
    client.conclude(Ended(**{"exit_code": 1, "stderr": stderr, **rest, **ended}), reading)
    return reading


def steps(*lines: str) -> list[Step]:
    client, reading = Codex(), Reading()
    told = [one for line in lines for one in client.read(line, reading)]
    return [one.step for one in told if one.step is not None]


BEGUN = event("thread.started", thread_id="t-1")


# --- how it is called ------------------------------------------------------------------------------


def test_lean_it_reads_our_instructions_from_a_file():
    call = Codex().call(attempt(), FOLDER)
    assert call.argv[:4] == ("codex", "exec", "-m", "gpt-6-luna")
    assert call.argv[-1] == "-"
    assert call.stdin == "the task"
    assert call.files == {"system.md": SYSTEM}
    told = settings(call.argv)
    assert told["model_instructions_file"] == "/runs/1.files/system.md"
    assert told["sandbox_mode"] == "workspace-write"
    assert "--ignore-user-config" in call.argv


def test_not_lean_it_keeps_the_persons_settings_and_its_own_instructions():
    call = Codex(lean=False).call(attempt(), FOLDER)
    assert settings(call.argv)["developer_instructions"] == SYSTEM
    assert call.files == {}
    assert not {word for word in LEAN if word.startswith("--ignore")} & set(call.argv)


def test_without_instructions_of_ours_it_keeps_its_own():
    call = Codex().call(attempt(system=""), FOLDER)
    assert "model_instructions_file" not in settings(call.argv)
    assert call.files == {}


@pytest.mark.parametrize(("fork", "word"), [(False, "resume"), (True, "fork")])
def test_it_goes_on_with_a_session(fork: bool, word: str):
    argv = Codex().call(attempt(Session(id="s-1", fork=fork)), FOLDER).argv
    assert argv[:4] == ("codex", "exec", word, "s-1")


# --- what it does ----------------------------------------------------------------------------------


def test_a_change_of_two_files_is_two_steps():
    changes = [{"path": "/w/a", "kind": "add"}, {"path": "/w/b", "kind": "update"}]
    found = steps(item("file_change", changes=changes, status="completed"))
    assert [(one.kind, one.target, one.ok) for one in found] == [
        (StepKind.WRITE, "/w/a", True),
        (StepKind.WRITE, "/w/b", True),
    ]


def test_a_command_is_told_without_its_shell():
    line = item(
        "command_execution", command="/bin/bash -lc 'make it'", exit_code=2, status="failed"
    )
    (found,) = steps(line)
    assert (found.kind, found.target, found.ok, found.exit_code) == (
        StepKind.RUN,
        "make it",
        False,
        2,
    )
    assert unwrapped("don't") == "don't"


def test_a_search_and_a_tool_of_a_server_are_steps():
    search = item("web_search", query="lark", status="completed")
    tool = item("mcp_tool_call", server="db", tool="ask", arguments={"query": "x"}, status="failed")
    assert [(one.kind, one.tool, one.target, one.ok) for one in steps(search, tool)] == [
        (StepKind.SEARCH, "web_search", "lark", True),
        (StepKind.OTHER, "db.ask", "x", False),
    ]


def test_what_is_declined_is_denied():
    reading = heard(item("command_execution", command="rm x", exit_code=None, status="declined"))
    assert reading.denials == ["command_execution: rm x"]


def test_its_log_tells_what_it_rejected():
    line = (
        "2026 ERROR codex_core::tools::router: error=exec_command failed: CreateProcess { message: "
        '"Rejected(\\"`/bin/bash -lc \'rm -rf x\'` rejected: not here\\")" }'
    )
    assert heard(BEGUN, errors=(line,)).denials == ["rm -rf x: not here"]


def test_a_sandbox_that_stops_everything_may_not_work_at_all():
    stopped = logged("sandbox_outcome", tool_name="exec_command", outcome="denied")
    first, second = heard(BEGUN, errors=(stopped, stopped)).denials
    assert first.startswith("exec_command: stopped by its sandbox; its sandbox may not work")
    assert second == "exec_command: stopped by its sandbox"
    assert heard(BEGUN, errors=(logged("sandbox_outcome", outcome="allowed"),)).denials == []


# --- how it ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        ("exceeded retry limit, last status: 429 Too Many Requests", Failure.RATE_LIMIT),
        ("Quota exceeded. Check your plan and billing details.", Failure.QUOTA),
        ("You\u2019ve hit your usage limit. Try again later.", Failure.QUOTA),
        ("Your workspace is out of credits. Ask your admin.", Failure.AUTH),
        ("Selected model is at capacity. Please try a different model.", Failure.OVERLOADED),
        ("We\u2019re currently experiencing high demand, which may ...", Failure.OVERLOADED),
        ("Codex ran out of room in the model's context window.", Failure.CONTEXT),
        ("unexpected status 401 Unauthorized: no, url: x", Failure.AUTH),
        ("unexpected status 404 Not Found: model: x, url: y", Failure.UNKNOWN_MODEL),
        ("Missing environment variable: `OPENAI_API_KEY`.", Failure.AUTH),
        ("Connection failed: error sending request", Failure.NETWORK),
        ("stream disconnected before completion: Incomplete response returned, reason: content_filter", Failure.REFUSED),
        ("Incomplete response returned, reason: max_output_tokens", Failure.EXIT),
        ("", Failure.EXIT),
    ],
)  # fmt: skip
def test_its_words_tell_why_it_failed(words: str, failure: Failure):
    reading = heard(BEGUN, failed(words))
    assert (reading.failure, reading.finished) == (failure, True)
    assert words in reading.detail
    assert reading.detail


@pytest.mark.parametrize(
    ("words", "opens"),
    [
        ("or try again at 3:05 PM.", datetime(2026, 11, 21, 15, 6, tzinfo=NOON.tzinfo)),
        ("or try again at 11:59 AM.", datetime(2026, 11, 21, 12, 0, tzinfo=NOON.tzinfo)),
        ("or try again at 1:00 AM.", datetime(2026, 11, 22, 1, 1, tzinfo=NOON.tzinfo)),
        ("Try again at Dec 2nd, 2026 3:05 PM.", datetime(2026, 12, 2, 15, 6, tzinfo=NOON.tzinfo)),
        ("Try again at Feb 30th, 2026 3:05 PM.", None),
        ("or try again at 13:05 PM.", None),
        ("Try again later.", None),
    ],
)
def test_a_used_up_quota_opens_at_the_end_of_the_minute_it_names(
    words: str, opens: datetime | None
):
    expected = opens and opens.astimezone(UTC).timestamp()
    assert reset_at(words, NOON) == expected
    assert heard(BEGUN, failed(f"You\u2019ve hit your usage limit {words}")).reset_at == expected


@pytest.mark.parametrize(
    ("words", "hopeless", "failure"),
    [
        ("Reconnecting... 2/5 (We\u2019re currently experiencing high demand)", False, None),
        ("Reconnecting... 3/5 (We\u2019re currently experiencing high demand)", True, Failure.OVERLOADED),
        ("Reconnecting... 1/5 (unexpected status 401 Unauthorized: no, url: http://x)", True, Failure.AUTH),
        ("Reconnecting... 5/5 (unexpected status 401 Unauthorized: no, url: wss://x)", False, None),
        ("Reconnecting... 4/5 (stream disconnected before completion: idle)", False, None),
        ("Reconnecting... waiting for network (Connection failed: error sending request)", True, Failure.NETWORK),
    ],
)  # fmt: skip
def test_it_is_ended_when_it_tries_again_what_cannot_succeed(
    words: str, hopeless: bool, failure: Failure | None
):
    reading = Reading()
    assert next(iter(Codex().read(event("error", message=words), reading))).doing
    list(Codex().read(event("error", message=words), reading))
    assert (reading.hopeless, reading.failure) == (hopeless, failure)


def test_what_it_met_on_the_way_is_over_when_it_is_done():
    done = event("turn.completed", usage={"input_tokens": 9, "output_tokens": 1})
    reading = heard(BEGUN, event("error", message="Connection failed"), done, exit_code=0)
    assert (reading.finished, reading.failure, reading.detail) == (True, None, "")


def test_an_end_without_a_word_is_an_interruption():
    log = (answered(100, 0, 0, 5),)
    assert heard(BEGUN, errors=log).failure is Failure.KILLED
    assert heard(BEGUN, errors=(*log, "thread 'main' panicked")).failure is None
    assert heard(BEGUN, errors=log, exit_code=0).failure is None


def test_it_says_why_it_did_not_begin():
    words = "Error: thread/resume: thread/resume failed: no rollout found for thread id x"
    reading = heard(stderr=f"WARNING: proceeding, even though\n{words}\n")
    assert reading.lost
    assert (reading.failure, reading.detail) == (Failure.EXIT, words)
    assert reading.usage is not None
    assert (reading.usage.tokens, reading.usage.lower_bound) == (0, False)


# --- its figures -----------------------------------------------------------------------------------


def test_each_request_is_counted_and_its_cache_is_not_input():
    log = (answered(100, 60, 10, 5), answered(300, 200, 0, 7))
    done = event("turn.completed", usage={"input_tokens": 900, "output_tokens": 12})
    reading = heard(BEGUN, done, errors=log)
    assert reading.usage is not None
    told = reading.usage.model_dump(exclude={"cost_usd", "cost_basis"})
    assert told == {
        "input_tokens": 130,
        "cache_read_tokens": 260,
        "cache_write_tokens": 10,
        "output_tokens": 12,
        "reasoning_tokens": 2,
        "requests": 2,
        "lower_bound": False,
    }
    assert [one.input_tokens for one in reading.requests] == [30, 100]
    assert (reading.totals, reading.model, reading.turns) == (None, "gpt-6-luna", 2)


def test_an_answer_may_be_missing_where_it_did_not_end():
    reading = heard(BEGUN, errors=(answered(100, 0, 0, 5),), exit_code=None, signal=9)
    assert reading.usage is not None
    assert reading.usage.lower_bound


def test_its_totals_count_where_its_log_is_silent():
    usage = {"input_tokens": 100, "cached_input_tokens": 60, "output_tokens": 5}
    reading = heard(BEGUN, event("turn.completed", usage=usage), exit_code=0)
    assert reading.usage is None
    assert reading.totals is not None
    assert (reading.totals.input_tokens, reading.totals.cache_read_tokens) == (40, 60)


@pytest.mark.parametrize("count", ["", "x", "-1", "9" * 5000, "\u00b2"])
def test_an_odd_count_is_unknown_or_bounded(count: str):
    line = logged("sse_event", event__kind="response.completed", input_token_count=count)
    reading = heard(BEGUN, errors=(line,))
    assert reading.usage is not None
    assert (reading.usage.input_tokens or 0) < 10**15


# --- doctor ----------------------------------------------------------------------------------------


def test_it_needs_a_login_and_does_not_take_every_key(tmp_path: Path):
    def told(**env: str) -> str:
        return " ".join(Codex().examine("codex-cli 0.169.0", env, tmp_path))

    assert "no login found: log in" in told()
    assert "does not read OPENAI_API_KEY" in told(OPENAI_API_KEY="k")
    assert told(CODEX_API_KEY="k") == ""
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/auth.json").write_text("{}")
    assert told() == ""
    assert "billed by use" in told(CODEX_API_KEY="k")
    assert "no login found" in told(CODEX_HOME=str(tmp_path))


def test_settings_that_lean_runs_leave_out_are_named(tmp_path: Path):
    (tmp_path / "auth.json").write_text("{}")
    (tmp_path / "config.toml").write_text('model = "x"\nmodel_provider = "azure"\n')
    env = {"CODEX_HOME": str(tmp_path)}
    (told,) = Codex().examine("", env, tmp_path)
    assert told.startswith("model_provider in ")
    assert list(Codex(lean=False).examine("", env, tmp_path)) == []
