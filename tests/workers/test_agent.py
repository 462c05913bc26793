"""What the driver makes of how a client ended, whatever the client is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import Failure, Outcome, Price, Progress, Route, Session
from orchestrator.process import Ended
from orchestrator.settings import WorkerSettings
from orchestrator.workers.agent import AgentWorker, folder, judge, write
from orchestrator.workers.claude import Claude
from orchestrator.workers.opencode import OpenCode
from orchestrator.workers.reading import Call, Reading
from tests.workers.handed import ended
from tests.workers.test_claude import attempt

FINISHED = Reading(finished=True)
FAILED = Reading(finished=True, failure=Failure.SERVER, detail="it broke")


@pytest.mark.parametrize(
    ("reading", "end", "failure", "detail"),
    [
        (FINISHED, {}, None, ""),
        (FINISHED, {"exit_code": 1}, None, ""),  # it said so; our checks decide
        (FINISHED, {"exit_code": None, "signal": 9, "pulled": True}, None, ""),
        (FINISHED, {"timed_out": True}, Failure.TIMEOUT, "not done within 9 s"),
        (FINISHED, {"stalled": "no output and no CPU for 9 s"}, Failure.STALLED, "no output and no CPU"),
        (FAILED, {}, Failure.SERVER, "it broke"),
        (FAILED, {"exit_code": 143}, Failure.SERVER, "it broke"),
        (FAILED, {"timed_out": True, "stderr": "late"}, Failure.TIMEOUT, "not done within 9 s\nlate"),
        (Reading(), {}, Failure.NO_RESULT, "it ended with exit 0"),
        (Reading(), {"exit_code": None}, Failure.NO_RESULT, "it was lost"),
        (Reading(), {"exit_code": None, "signal": 9}, Failure.KILLED, "ended by SIGKILL, not by us"),
        (Reading(), {"exit_code": 143}, Failure.KILLED, "ended with exit 143"),
        (Reading(), {"exit_code": 130}, Failure.KILLED, "ended with exit 130"),
        (Reading(), {"exit_code": 139}, Failure.NO_RESULT, "it ended with exit 139"),
        (Reading(text="done"), {"stdout": '{"a": 1}\nplain'}, Failure.NO_RESULT, "\nplain"),
    ],
)  # fmt: skip
def test_only_a_terminal_event_is_a_success(
    reading: Reading, end: dict[str, Any], failure: Failure | None, detail: str
) -> None:
    found, words = judge(reading, ended(**end), attempt())
    assert found is failure
    assert detail in words
    assert '{"a"' not in words


class Script(Claude):
    """A client of the tests: a shell script in place of its program."""

    name = "script"
    passes = ("GIVEN_*",)

    def __init__(self, script: str, files: dict[str, str] | None = None) -> None:
        super().__init__()
        self.script, self.files, self.heard = script, files or {}, 0

    def call(self, attempt: Any, folder: Path) -> Call:
        where = {"FOLDER": str(folder)}
        return Call(argv=("bash", "-c", self.script), stdin="asked", env=where, files=self.files)

    def read(self, line: str, reading: Reading) -> Iterable[Progress]:
        self.heard += 1
        yield from super().read(line, reading)


async def do(client: Script, place: Path, **settings: Any) -> Outcome:
    basics = {"PATH": os.environ["PATH"]}
    given = attempt(workspace=str(place), transcript=str(place / "1.log"), environment=basics)
    worker = AgentWorker(client, WorkerSettings(program="bash", **settings), {}, grace_s=0.2)
    return await worker.run(given, lambda progress: None)


END = """echo '{"type": "result", "is_error": false, "session_id": "s", "result": "'"$SAID"'"}'"""


async def test_it_gets_its_files_its_words_and_only_its_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GIVEN_KEY", "yes")
    monkeypatch.setenv("SECRET", "no")
    script = f'SAID="$(cat) $(cat $FOLDER/a) $GIVEN_KEY${{SECRET:-.}} $0"\n{END}'
    outcome = await do(Script(script, {"a": "in a file"}), tmp_path, arguments=("more",))
    assert (outcome.failure, outcome.text) == (None, "asked in a file yes. more")
    place = folder(attempt(transcript=str(tmp_path / "1.log")))
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (place, place / "a")]
    assert modes == [0o700, 0o600]  # there may be a key in it
    assert (tmp_path / "1.log").exists()


async def test_what_goes_on_after_its_last_word_is_ended(tmp_path: Path):
    outcome = await do(Script(f"SAID=ok\n{END}\nexec sleep 600"), tmp_path)
    assert (outcome.failure, outcome.text) == (None, "ok")
    assert outcome.duration_s < 10


async def test_what_is_hopeless_is_ended_at_once(tmp_path: Path):
    retry = """echo '{"type": "system", "subtype": "api_retry", "error_status": 401}'"""
    outcome = await do(Script(f"{retry}\nexec sleep 600"), tmp_path)
    assert (outcome.failure, outcome.duration_s < 10) == (Failure.AUTH, True)


async def test_a_failure_keeps_the_end_of_what_was_said(tmp_path: Path):
    outcome = await do(Script("printf 'x%.0s' {1..5000}; echo the end; exit 3"), tmp_path)
    assert outcome.tail.endswith("the end\n")
    assert len(outcome.tail) <= 2000
    assert (await do(Script(f"SAID=ok\n{END}"), tmp_path)).tail == ""


async def test_what_is_missing_says_the_next_step(tmp_path: Path):
    worker = AgentWorker(Claude(), WorkerSettings(program="no-such-agent"), {})
    given = attempt(workspace=str(tmp_path), transcript=str(tmp_path / "1.log"))
    outcome = await worker.run(given, lambda progress: None)
    assert outcome.failure is Failure.MISSING
    assert "no-such-agent is not on the PATH" in outcome.detail
    outcome = await do(Script("true"), tmp_path / "nowhere")
    assert outcome.failure is Failure.NO_RESULT


async def test_a_lost_session_is_begun_anew_once(tmp_path: Path):
    """The client says that it is lost both times: it is not asked a third time."""
    client = Script("echo; echo No conversation found with session ID: s >&2; exit 1")
    outcome = await do(client, tmp_path)
    assert (outcome.failure, client.heard) == (Failure.EXIT, 1)  # it had no session
    call: dict[str, Any] = {"workspace": str(tmp_path), "transcript": str(tmp_path / "1.log")}
    given = attempt(
        session={"id": "s", "fork": False}, environment={"PATH": os.environ["PATH"]}, **call
    )
    worker = AgentWorker(client, WorkerSettings(program="bash"), {})
    assert (await worker.run(given, lambda progress: None)).failure is Failure.EXIT
    assert client.heard == 3


async def test_doctor_asks_for_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "claude"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    for script, version, problem in [
        ("echo 2.1.329; echo more", "2.1.329", None),
        ("echo broken >&2; exit 3", None, "--version failed: broken"),
    ]:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        condition = await AgentWorker(Claude(), WorkerSettings(), {}).examine()
        assert condition.version == version
        assert (problem or "") in (condition.problem or "")
    absent = AgentWorker(Claude(), WorkerSettings(program="no-such-agent"), {})
    assert "not on the PATH" in ((await absent.examine()).problem or "")


def test_a_file_of_a_call_replaces_the_one_of_before(tmp_path: Path):
    for text in ("a longer text", "short"):
        write(Call(argv=("x",), files={"a": text}), tmp_path / "new")
    assert (tmp_path / "new/a").read_text() == "short"


def test_an_end_by_an_unknown_signal_has_a_name():
    assert ended(signal=77).signal_name == "signal 77"
    assert isinstance(ended(), Ended)


# --- what the driver counts, and ends -------------------------------------------------------------

STEP = '{"type":"step_finish","sessionID":"ses_1","part":{"reason":"tool-calls","tokens":{"input":1000,"output":100}}}'
SAYS_STEPS = f"for n in 1 2 3; do echo '{STEP}'; done"
OWN = {"a/model": Price(input=1.0, output=10.0)}  # 0.002 a step


class Stepping(OpenCode):
    """OpenCode, as far as it is read; what it says is a script of ours."""

    def __init__(self, script: str) -> None:
        super().__init__()
        self.script, self.starts = script, 0

    def call(self, attempt: Any, folder: Path) -> Call:
        self.starts += 1
        return Call(argv=("bash", "-c", self.script))


async def step(
    client: Stepping, place: Path, model: str = "a/model", **more: Any
) -> tuple[Outcome, list[Progress]]:
    heard: list[Progress] = []
    route = Route(worker="opencode", model=model, confidence=1.0, reason="a test")
    basics = {"PATH": os.environ["PATH"]}
    usual = {"workspace": str(place), "transcript": str(place / "1.log"), "environment": basics}
    worker = AgentWorker(client, WorkerSettings(program="bash"), {}, OWN, grace_s=0.2)
    return await worker.run(attempt(**usual, route=route, **more), heard.append), heard


@pytest.mark.parametrize(
    ("cap", "failure", "words"),
    [
        ({"max_turns": 2}, Failure.MAX_TURNS, "stopped after 2 turns"),
        ({"max_usd": 0.005}, Failure.BUDGET, "stopped at $0.0060 of $0.0050"),
    ],
)
async def test_who_knows_no_cap_is_stopped_one_request_late(
    tmp_path: Path, cap: dict[str, Any], failure: Failure, words: str
):
    outcome, _ = await step(Stepping(f"{SAYS_STEPS}; exec sleep 600"), tmp_path, **cap)
    assert (outcome.failure, outcome.detail) == (failure, words)
    assert outcome.duration_s < 10


@pytest.mark.parametrize("cap", [{"max_turns": 3}, {"max_usd": 0.006}])
async def test_who_stays_below_its_cap_is_let_be(tmp_path: Path, cap: dict[str, Any]):
    end = STEP.replace("tool-calls", "stop")
    script = SAYS_STEPS.replace("1 2 3", "1 2") + f"; echo '{end}'"
    assert (await step(Stepping(script), tmp_path, **cap))[0].ok


async def test_what_it_says_after_its_cap_is_only_that_we_ended_it(tmp_path: Path):
    aborted = '{"type":"error","error":{"name":"MessageAbortedError","data":{"message":"no"}}}'
    lines = " ".join(f"'{line}'" for line in (STEP, STEP, STEP, aborted))
    client = Stepping(f"printf '%s\\n' {lines}; exit 1")
    outcome, _ = await step(client, tmp_path, max_turns=2)
    assert outcome.failure is Failure.MAX_TURNS


async def test_what_it_used_until_now_has_its_price(tmp_path: Path):
    """An attempt that is killed has told nothing else."""
    _, heard = await step(Stepping(SAYS_STEPS), tmp_path)
    told = [one.usage for one in heard if one.usage]
    assert [one.cost_usd for one in told] == pytest.approx([0.002, 0.004, 0.006])
    assert {one.cost_basis for one in told} == {"priced"}


LOST = "echo Error: Session not found >&2; exit 1"


@pytest.mark.parametrize(("before", "starts"), [("true", 2), (f"echo '{STEP}'", 1)])
async def test_what_has_cost_something_is_not_begun_anew(tmp_path: Path, before: str, starts: int):
    class Always(Stepping):
        def conclude(self, ended: Ended, reading: Reading) -> None:
            super().conclude(ended, reading)
            reading.lost = True

    client = Always(f"{before}; {LOST}")
    await step(client, tmp_path, session=Session(id="ses_1", fork=False))
    assert client.starts == starts


async def test_a_success_is_not_done_again(tmp_path: Path):
    class Always(Stepping):
        def conclude(self, ended: Ended, reading: Reading) -> None:
            reading.finished = reading.lost = True

    client = Always("true")
    outcome, _ = await step(client, tmp_path, session=Session(id="ses_1", fork=False))
    assert (outcome.ok, client.starts) == (True, 1)


@pytest.mark.parametrize(
    ("session", "kept"),
    [
        ("ses_1", True),
        ("0199:a/b.c-d", True),
        ("--yolo", False),
        ("a b", False),
        ("a\\u0000EVIL=1", False),
        ("a" * 201, False),
        ("\u00e9t\u00e9", False),
    ],
)
async def test_a_session_is_a_plain_name_or_none(tmp_path: Path, session: str, kept: bool):
    script = f"""echo '{STEP.replace("ses_1", session)}'"""
    outcome, heard = await step(Stepping(script), tmp_path)
    assert (outcome.session is not None) == kept
    assert any(one.session for one in heard) == kept


async def test_an_agent_gets_the_keys_of_its_provider_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "OPENCODE_X"):
        monkeypatch.setenv(name, "given")
    client = Stepping("env -0 | tr '\\0' '\\n' | sed -n 's/=given//p'; exit 3")
    outcome, _ = await step(client, tmp_path, model="anthropic/x")
    assert sorted(outcome.tail.split()) == ["ANTHROPIC_API_KEY", "OPENCODE_X"]
