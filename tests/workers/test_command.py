"""Agents that only settings know: the examples of docs/agents.md, as they stand there, played by programs that print what the vendors document."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import (
    Attempt,
    Failure,
    Outcome,
    Progress,
    Route,
    RunId,
    Session,
    TaskId,
    Tier,
    Usage,
)
from orchestrator.settings import Settings, load
from orchestrator.workers.agent import AgentWorker
from orchestrator.workers.command import Command

DOCS = Path(__file__).resolve().parents[2] / "docs" / "agents.md"
EXAMPLES = {
    name: text
    for text in re.findall(
        r"^```toml\n(.*?)^```", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    for name in re.findall(r"^\[workers\.(\w+)\]$", text, re.MULTILINE)
}
PROMPT, SYSTEM = "say it's done\n", "rules\n"
# Notes how it was called, then does as it is told below.
PLAYER = """\
import pathlib, sys
note = pathlib.Path({note!r})
files = [pathlib.Path(word) for word in " ".join(sys.argv[1:]).split() if word.endswith(".txt")]
note.write_text("\\n".join([*sys.argv[1:], "stdin:" + sys.stdin.read(), *(f"{{f.name}}:{{f.read_text()}}" for f in files)]))
sys.stdout.write({out!r})
sys.stderr.write({err!r})
sys.exit({code})
"""


class Stage:
    """A project with settings, and programs that play what they are given."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ("bin", "work", "runs", ".orchestrator"):
            (place / name).mkdir()

    def settings(self, text: str) -> Settings:
        (self.place / ".orchestrator" / "config.toml").write_text(text)
        return load(self.place)

    def plays(self, name: str, out: str, err: str = "", code: int = 0) -> None:
        script = self.place / "bin" / f"{name}.py"
        note = str(self.place / "called")
        script.write_text(PLAYER.format(note=note, out=out, err=err, code=code))
        program = self.place / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(script)])} "$@"\n')
        program.chmod(0o755)

    @property
    def called(self) -> list[str]:
        return (self.place / "called").read_text().splitlines()

    def worker(self, name: str, text: str | None = None) -> AgentWorker:
        settings = self.settings(EXAMPLES[name] if text is None else text)
        own = settings.worker(name)
        return AgentWorker(Command(name, own), own, settings.models.of(name), settings.prices)

    async def run(
        self, worker: AgentWorker, session: Session | None = None, **more: Any
    ) -> tuple[Outcome, list[Progress]]:
        heard: list[Progress] = []
        attempt = self.attempt(worker, session, **more)
        return await worker.run(attempt, heard.append), heard

    def attempt(self, worker: AgentWorker, session: Session | None, **more: Any) -> Attempt:
        model = worker.models.get(Tier.HAIKU)
        given: dict[str, Any] = {
            "run": RunId("r"),
            "task": TaskId("p/1"),
            "name": "a task",
            "number": 1,
            "action": "",
            "system": SYSTEM,
            "prompt": PROMPT,
            "route": Route(worker=worker.name, model=model, confidence=1.0, reason="a test"),
            "workspace": str(self.place / "work"),
            "timeout_s": 20.0,
            "stall_s": 20.0,
            "session": session,
            "transcript": str(self.place / "runs" / "1.log"),
            "environment": {"PATH": f"{self.place / 'bin'}:/usr/bin:/bin"},
        }
        return Attempt(**{**given, **more})


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def figures(usage: Usage | None) -> Mapping[str, object]:
    return {} if usage is None else usage.model_dump(exclude_none=True)


def test_the_page_has_three_examples():
    assert list(EXAMPLES) == ["aider", "cursor", "mule"]


# --- aider: text ----------------------------------------------------------------------------------

AIDER = """\
Aider v0.86.2
Model: anthropic/claude-haiku-5-5 with diff edit format

I wrote the file.
Applied edit to hello.txt
Tokens: 1.2k sent, 300 received. Cost: $0.01 message, $0.01 session.
Fixed a typo.
Tokens: 2.5k sent, 1.0k cache write, 40 received. Cost: $0.02 message, $0.03 session.
"""


async def test_aider_is_read_as_it_is_documented(stage: Stage):
    stage.plays("aider", AIDER)
    worker = stage.worker("aider")
    outcome, heard = await stage.run(worker)
    assert (outcome.failure, outcome.text.endswith("$0.03 session.")) == (None, True)
    assert figures(outcome.usage) == {
        "input_tokens": 3700,
        "output_tokens": 340,
        "requests": 2,
        "cost_usd": 0.03,
        "cost_basis": "reported",
        "lower_bound": False,
    }
    assert worker.provider("anthropic/claude-haiku-5-5") == "anthropic"
    assert "I wrote the file." in [one.doing for one in heard]
    files = stage.place / "runs" / "1.files"
    assert stage.called[:4] == [
        "--message-file", str(files / "prompt.txt"), "--model", "anthropic/claude-haiku-5-5",
    ]  # fmt: skip
    assert "\n".join(stage.called).endswith(f"stdin:\nprompt.txt:{SYSTEM}\n{PROMPT}".rstrip("\n"))


async def test_aider_that_was_refused_exits_with_0_and_has_failed(stage: Stage):
    said = "litellm.AuthenticationError: AnthropicException - invalid x-api-key\n"
    stage.plays("aider", f"Aider v0.86.2\n{said}")
    outcome, _ = await stage.run(stage.worker("aider"))
    assert (outcome.failure, outcome.exit_code) == (Failure.AUTH, 0)
    assert "invalid x-api-key" in outcome.detail


async def test_aider_that_got_over_a_rate_limit_has_succeeded(stage: Stage):
    stage.plays("aider", f"litellm.RateLimitError: slow down\nRetrying in 0.2 seconds...\n{AIDER}")
    outcome, _ = await stage.run(stage.worker("aider"))
    assert outcome.ok


async def test_aider_without_an_answer_has_no_result(stage: Stage):
    stage.plays("aider", "Aider v0.86.2\nNothing to do.\n")
    outcome, _ = await stage.run(stage.worker("aider"))
    assert outcome.failure is Failure.NO_RESULT


# --- Cursor: ndjson -------------------------------------------------------------------------------

CURSOR = """\
{"type":"system","subtype":"init","apiKeySource":"env","cwd":"/w","session_id":"c6b6","model":"sonnet-5.5","permissionMode":"default"}
{"type":"user","message":{"role":"user","content":[{"type":"text","text":"Read the file"}]},"session_id":"c6b6"}
{"type":"tool_call","subtype":"started","call_id":"t1","tool_call":{"readToolCall":{"args":{"path":"a"}}},"session_id":"c6b6"}
{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"Done."}]},"session_id":"c6b6"}
{"type":"result","subtype":"success","is_error":false,"duration_ms":1234,"duration_api_ms":1234,"result":"Done.","session_id":"c6b6","request_id":"r"}
"""


async def test_cursor_is_read_as_it_is_documented(stage: Stage):
    stage.plays("agent", CURSOR)
    worker = stage.worker("cursor")
    outcome, heard = await stage.run(worker)
    assert (outcome.failure, outcome.text) == (None, "Done.")
    assert (outcome.session, outcome.model) == ("c6b6", "sonnet-5.5")
    assert outcome.usage is not None
    assert outcome.usage.tokens is None
    assert (heard[0].session, heard[0].model) == ("c6b6", "sonnet-5.5")
    assert worker.sessions == ("resume",)
    prompt = stage.place / "runs" / "1.files" / "prompt.txt"
    assert f"Read the file {prompt} and do what it says." in stage.called


async def test_cursor_is_gone_on_with(stage: Stage):
    stage.plays("agent", CURSOR.replace("}\n", ',"usage":{"inputTokens":7,"outputTokens":3}}\n'))
    outcome, _ = await stage.run(stage.worker("cursor"), Session(id="c6b6", fork=False))
    assert stage.called[stage.called.index("--resume") + 1] == "c6b6"
    assert outcome.usage is not None
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (7, 3)


@pytest.mark.parametrize(
    ("err", "failure"),
    [
        ("Error: Authentication required. Set CURSOR_API_KEY", Failure.AUTH),
        ("Error: usage limit reached", Failure.QUOTA),
        ("Error: something else", Failure.EXIT),
        ("", Failure.EXIT),
    ],
)
async def test_cursor_that_fails_says_why_on_stderr(stage: Stage, err: str, failure: Failure):
    stage.plays("agent", "", err, 1)
    outcome, _ = await stage.run(stage.worker("cursor"))
    assert outcome.failure is failure
    assert err in outcome.detail


async def test_cursor_that_stops_in_the_middle_has_no_result(stage: Stage):
    stage.plays("agent", "".join(CURSOR.splitlines(keepends=True)[:-1]))
    outcome, _ = await stage.run(stage.worker("cursor"))
    assert (outcome.failure, outcome.session) == (Failure.NO_RESULT, "c6b6")


# --- the mule: all the rest -----------------------------------------------------------------------

MULE = """\
a mule also brays
{"event":"loaded","trip":"t-1","toll":{"in":1000,"out":20,"cached":600,"usd":0.5}}
{"event":"stood still","trip":"t-1","load":{"state":"delivered","note":"it is there","steps":3,"refused":["go to sea",{"to":"hell"}]},"toll":{"in":3000,"out":90,"cached":2000,"usd":1.25}}
"""


async def test_the_mule_tells_all_that_there_is(stage: Stage):
    stage.plays("mule", MULE)
    worker = stage.worker("mule")
    assert (worker.tiers, worker.models, worker.sessions) == ((), {}, ("resume", "fork"))
    outcome, heard = await stage.run(worker)
    assert (outcome.failure, outcome.text, outcome.turns) == (None, "it is there", 3)
    assert outcome.denials == ("go to sea", '{"to": "hell"}')
    assert figures(outcome.usage) == {
        "input_tokens": 1000,
        "output_tokens": 90,
        "cache_read_tokens": 2000,
        "cost_usd": 1.25,
        "cost_basis": "reported",
        "lower_bound": False,
    }
    assert heard[0].usage is not None
    assert heard[0].usage.input_tokens == 400
    files, work = stage.place / "runs" / "1.files", stage.place / "work"
    assert stage.called == [
        "carry", "--events", "--rules", str(files / "system.txt"), "--in", str(work),
        f"stdin:{PROMPT}".strip(), "", f"system.txt:{SYSTEM}".strip(),
    ]  # fmt: skip


@pytest.mark.parametrize("fork", [False, True])
async def test_a_mule_that_goes_on_is_billed_for_what_is_new(stage: Stage, fork: bool):
    stage.plays("mule", MULE)
    booked = Usage(input_tokens=900, output_tokens=50, cache_read_tokens=1500, cost_usd=1.0)
    session = Session(id="t-0", fork=fork, booked=booked)
    outcome, _ = await stage.run(stage.worker("mule"), session)
    assert outcome.usage is not None
    usage = outcome.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd) == (100, 40, 0.25)
    assert stage.called[6:9] == ["--load", "t-0", "--foal" if fork else "stdin:say it's done"]


async def test_a_mule_that_stands_still_elsewhere_says_why(stage: Stage):
    stage.plays(
        "mule", MULE.replace('"delivered"', '"lost","complaint":"rate limit, try again in 9s"')
    )
    outcome, _ = await stage.run(stage.worker("mule"))
    assert (outcome.failure, outcome.retry_after_s) == (Failure.RATE_LIMIT, 9.0)
    assert outcome.detail == "rate limit, try again in 9s"


async def test_a_mule_that_stands_still_elsewhere_and_says_nothing_has_failed(stage: Stage):
    stage.plays("mule", MULE.replace('"delivered"', '"lost"').replace('"note":"it is there",', ""))
    outcome, _ = await stage.run(stage.worker("mule"))
    assert (outcome.failure, outcome.detail[:27]) == (Failure.EXIT, "it says that it did not suc")


async def test_what_a_dead_mule_told_is_the_least_that_it_used(stage: Stage):
    stage.plays("mule", "".join(MULE.splitlines(keepends=True)[:2]), "fell", 3)
    outcome, _ = await stage.run(stage.worker("mule"))
    assert (outcome.failure, outcome.detail) == (Failure.EXIT, "fell")
    assert outcome.usage is not None
    assert (outcome.usage.lower_bound, outcome.usage.input_tokens) == (True, 400)


# --- what the examples do not show ----------------------------------------------------------------


async def test_one_object_over_many_lines_is_read_at_the_end(stage: Stage):
    text = '[workers.one]\nargv = ["one"]\nformat = "json"\nsuccess = { ok = true }\npaths.text = "a.0"\n'
    stage.plays("one", 'warning: {"old": 1}\n{\n "ok": true,\n "a": ["yes"]\n}\n', code=1)
    outcome, _ = await stage.run(stage.worker("one", text))
    assert (outcome.failure, outcome.text) == (None, "yes")
    stage.plays("one", '{"ok": 1, "a": ["no"]}\n')
    outcome, _ = await stage.run(stage.worker("one", text))
    assert (outcome.failure, outcome.detail) == (Failure.EXIT, "no")
    stage.plays("one", '{"ok": true')
    outcome, _ = await stage.run(stage.worker("one", text))
    assert outcome.failure is Failure.NO_RESULT


async def test_text_without_a_mark_is_believed_by_its_exit_code_and_doctor_says_so(stage: Stage):
    text = (
        '[workers.plain]\nargv = ["plain", "{{model}}", "{\\"a\\":1}"]\nenv_pass = ["PLAIN_KEY"]\n'
    )
    stage.plays("plain", "hello\n")
    worker = stage.worker("plain", text)
    outcome, _ = await stage.run(worker, system="")
    assert (outcome.failure, outcome.text) == (None, "hello")
    assert stage.called == ["{model}", '{"a":1}', f"stdin:{PROMPT}".strip()]
    stage.plays("plain", "hello\n", code=2)
    outcome, _ = await stage.run(worker)
    assert outcome.failure is Failure.EXIT
    own = load(stage.place).worker("plain")
    notes = list(Command("plain", own).examine("1", {}, stage.place))
    assert [note.split(":")[0] for note in notes] == [
        "none of PLAIN_KEY is set",
        "exit 0 counts as done, and only the task's own check tells more",
    ]


async def test_a_placeholder_in_a_value_is_not_replaced_again(stage: Stage):
    text = '[workers.odd]\nargv = ["odd", "-m={model}"]\n[models.haiku]\nodd = "{workspace}{{model}}"\n'
    stage.plays("odd", "hello\n")
    await stage.run(stage.worker("odd", text))
    assert stage.called[0] == "-m={workspace}{{model}}"


@pytest.mark.parametrize(
    "said",
    [
        "I could not repair the authentication tests",
        "The rate limit test still fails: 429 expected",
    ],
)
async def test_an_answer_that_speaks_of_trouble_is_not_in_it(stage: Stage, said: str):
    """AUTH would stop the whole run, and RATE_LIMIT close a gate."""
    ends = f'{{"ok": false, "say": "{said}"}}\n'
    head = 'success = { ok = true }\npaths.text = "say"\n'
    for text, out in [
        ('[workers.one]\nargv = ["one"]\n', said),
        (f'[workers.one]\nargv = ["one"]\nformat = "json"\n{head}', ends),
        (f'[workers.one]\nargv = ["one"]\nformat = "ndjson"\nend = {{ ok = false }}\n{head}', ends),
    ]:
        stage.plays("one", out, code=1)
        outcome, _ = await stage.run(stage.worker("one", text))
        assert (outcome.failure, outcome.detail) == (Failure.EXIT, said)
        assert outcome.retry_after_s is None


@pytest.mark.parametrize(
    ("out", "err", "failure", "wait_s"),
    [
        ("", "rate limit: try again in 20s", Failure.RATE_LIMIT, 20),
        ("", "429 Too Many Requests, retry after 20 seconds", Failure.RATE_LIMIT, 20),
        ("some work\n", "quota exceeded, resets in 3600s", Failure.QUOTA, 3600),
        ("rate limit: try again in 20s\n", "", Failure.RATE_LIMIT, 20),
        ("Error: rate limit exceeded\n", "at main.js:3", Failure.RATE_LIMIT, None),
        ("thinking ...\nError: 529 overloaded\n", "", Failure.OVERLOADED, None),
        ("Error: invalid api key\n", "", Failure.EXIT, None),
        ("I did all, but\n" * 8 + "Error: 429\n", "", Failure.EXIT, None),
    ],
)
async def test_a_limit_that_plain_text_tells_is_one_with_its_wait(
    stage: Stage, out: str, err: str, failure: Failure, wait_s: float | None
):
    stage.plays("one", out, err, 1)
    outcome, _ = await stage.run(stage.worker("one", '[workers.one]\nargv = ["one"]\n'))
    assert (outcome.failure, outcome.retry_after_s) == (failure, wait_s)


async def test_what_it_calls_its_error_counts_though_its_answer_comes_after(stage: Stage):
    text = '[workers.one]\nargv = ["one"]\nformat = "ndjson"\nend = { end = true }\nsuccess = { ok = true }\npaths.text = "say"\npaths.error = "wrong"\n'
    stage.plays("one", '{"wrong": "429 slow down"}\n{"end": true, "say": "I gave up"}\n')
    outcome, _ = await stage.run(stage.worker("one", text))
    assert (outcome.failure, outcome.detail) == (Failure.RATE_LIMIT, "429 slow down")


async def test_who_counts_each_request_is_stopped_at_its_cap(stage: Stage):
    text = '[workers.one]\nargv = ["one"]\nformat = "ndjson"\nusage = "sum"\nsuccess = { ok = true }\npaths.output_tokens = "out"\n'
    stage.plays("one", '{"out": 1}\n' * 3 + '{"ok": true}\n')
    outcome, _ = await stage.run(stage.worker("one", text), max_turns=2)
    assert outcome.failure is Failure.MAX_TURNS
