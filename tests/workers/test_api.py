"""Our own agent over the providers' interfaces: in each dialect, in its workspace and nowhere else, with bounded answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import redact
from orchestrator.model import Attempt, Failure, Outcome, Progress, Route, RunId, Session, TaskId
from orchestrator.settings import WorkerSettings
from orchestrator.workers.api import ApiWorker, access
from orchestrator.workers.api.confined import Folder, Refused, fits
from orchestrator.workers.api.instructions import LONGEST
from orchestrator.workers.api.tools import LONGEST_LINE, SHOWN_BYTES, Answer, Tools
from tests.agents import clients
from tests.agents.canary import Canary
from tests.agents.clients import FAKE_KEY
from tests.agents.script import Billed
from tests.agents.server import ModelServer
from tests.agents.steps import Step, Used, call, fail, hang, say, shell, write
from tests.workers.cases import CASES, FOREVER, Case
from tests.workers.columns.api import COLUMN
from tests.workers.contract import Place, RealStage, judge, only_environment, play

needs_extra = pytest.mark.skipif(
    find_spec("pydantic_ai") is None, reason="the extra [api] is not installed"
)
USED = Used(input=900, output=60, cache_read=300, cache_write=40, reasoning=20)


class ApiStage(RealStage):
    """There is no program: only the model server, and a canary where the world would be."""

    def __init__(self, place: Place, case: Case, server: ModelServer, canary: Canary) -> None:
        self.place, self.server, self.url = place, server, server.url
        env: dict[str, str | None] = {
            **clients.environment(place.home, server, place.bin, canary=canary),
            **case.env,
        }
        if case.world == "no key":
            env |= dict.fromkeys(COLUMN.keys)
        if case.world == "refused":
            server.refuse()
        self.env = {name: value for name, value in env.items() if value is not None}
        self._before, self._asked = (Billed(), Billed()), 0


@contextmanager
def stage(case: Case, root: Path) -> Iterator[ApiStage]:
    with ModelServer({}) as server, Canary() as canary:
        yield ApiStage(Place(root).make(), case, server, canary)
    assert canary.attempts == []


@needs_extra
@pytest.mark.parametrize("case", COLUMN.cases, ids=lambda case: case.name)
async def test_it_keeps_the_contract(case: Case, tmp_path: Path):
    with stage(case, tmp_path) as place:
        played = await play(COLUMN, case, place)
    judge(COLUMN, case, played)


@needs_extra
async def test_the_project_is_heard_and_the_request_is_small(tmp_path: Path):
    case = CASES["success"]
    with stage(case, tmp_path) as place:
        (place.place.work / "AGENTS.md").write_text("The word is PROJECT.\n")
        (place.place.work / "CLAUDE.md").symlink_to("AGENTS.md")
        await play(COLUMN, case, place)
        first = place.server.requests[0]
    assert first.system.count("The word is PROJECT.") == 1
    assert first.bytes <= COLUMN.bytes


# --- one attempt ----------------------------------------------------------------------------------


def attempt(root: Path, model: str, **change: Any) -> Attempt:
    work = root / "work"
    work.mkdir(exist_ok=True)
    fields: dict[str, Any] = {
        "run": RunId("r"),
        "task": TaskId("p/1"),
        "name": "say hello",
        "number": 1,
        "action": "",
        "system": "You work alone.",
        "prompt": "Say hello.",
        "route": Route(worker="api", model=model, confidence=1.0, reason="a test"),
        "workspace": str(work),
        "timeout_s": 20.0,
        "stall_s": 20.0,
        "transcript": str(root / "runs/1.log"),
        "environment": {"PATH": os.environ["PATH"]},
    }
    return Attempt(**{**fields, **change})


async def run(
    root: Path, server: ModelServer, model: str, *, local: bool = False, **change: Any
) -> tuple[Outcome, list[Progress]]:
    told: list[Progress] = []
    settings = WorkerSettings(base_url=f"{server.url}/v1" if local else None)
    with only_environment(clients.environment(root, server, root)):
        outcome = await ApiWorker(settings, {}).run(attempt(root, model, **change), told.append)
    return outcome, told


CLAUDE = "anthropic/claude-haiku-5-5"
DIALECTS = {
    "anthropic": (CLAUDE, True),
    "responses": ("openai/gpt-5-mini", True),
    "gemini": ("google/gemini-2.5-flash", True),
    "chat": ("local/llama", False),
}


@needs_extra
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_dialect_works_and_is_booked(dialect: str, tmp_path: Path):
    model, has_price = DIALECTS[dialect]
    steps = [
        call("write_file", {"path": "a/b.txt", "content": "hi\n"}, usage=USED),
        call("bash", {"command": "cat a/b.txt; exit 3"}, usage=USED),
        call("nonesuch", {}, usage=USED),
        say("Done.", usage=USED),
    ]
    with ModelServer({"default": steps}) as server:
        outcome, told = await run(tmp_path, server, model, local=dialect == "chat")
        billed, requests = server.total(), server.requests
    assert outcome.ok, outcome
    assert {one.dialect for one in requests} == {dialect}
    assert (tmp_path / "work/a/b.txt").read_text() == "hi\n"
    usage = outcome.usage
    assert usage
    assert not usage.lower_bound
    booked = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.requests)
    assert (*booked, usage.cache_write_tokens) == (
        *(billed.input, billed.output, billed.cache_read, 4),
        billed.cache_write,
    )
    assert (usage.reasoning_tokens, outcome.turns, outcome.text) == (80, 4, "Done.")
    assert (usage.cost_usd is not None) == has_price
    assert outcome.model == model
    steps_told = [(one.step.tool, one.step.ok, one.step.exit_code) for one in told if one.step]
    assert steps_told == [
        ("write_file", True, None),
        ("bash", False, 3),
        ("nonesuch", False, None),
    ]
    assert told[0].session == outcome.session
    figures = [(one.usage.requests, one.usage.lower_bound) for one in told if one.usage]
    assert figures == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
        (3, False),
        (3, True),
        (4, False),
    ]


@needs_extra
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("step", "failure", "after_s", "asked"),
    [
        (fail(401, times=FOREVER), Failure.AUTH, None, 1),
        (fail(429, headers={"retry-after": "77"}, times=FOREVER), Failure.RATE_LIMIT, 77.0, 1),
        (fail(503, times=FOREVER), Failure.OVERLOADED, None, 3),
        (say("no", "refusal"), Failure.REFUSED, None, 1),
        (say("half", "length"), Failure.EXIT, None, 1),
    ],
    ids=["401", "429", "503", "refusal", "length"],
)
async def test_every_dialect_tells_its_troubles(
    dialect: str, step: Step, failure: Failure, after_s: float, asked: int, tmp_path: Path
):
    """Two more tries for what passes, none for what does not or wants us to wait for long."""
    with ModelServer({"default": [step]}) as server:
        outcome, _ = await run(tmp_path, server, DIALECTS[dialect][0], local=dialect == "chat")
        assert len(server.requests) == asked
    assert (outcome.failure, outcome.retry_after_s) == (failure, after_s), outcome
    assert outcome.detail


@needs_extra
async def test_no_key_is_written_down_or_handed_on(tmp_path: Path):
    told = f"invalid api key: {FAKE_KEY}"
    steps = [shell("env; echo never-a-key"), fail(401, message=told)]
    with ModelServer({"default": steps}) as server:
        outcome, _ = await run(tmp_path, server, CLAUDE)
        assert FAKE_KEY in server.requests[0].headers["authorization"]
    assert "invalid api key: [key]" in outcome.detail
    files = [path.read_text() for path in (tmp_path / "runs").iterdir()]
    assert len(files) == 2
    assert all(FAKE_KEY not in text and "never-a-key" in text for text in files)


@needs_extra
async def test_no_secret_of_ours_is_in_its_transcript_nor_in_its_session(tmp_path: Path):
    """Also of another variable than its key; a file with one is the agent's to read, and ours not to keep."""
    redact.learn({"OTHER_TOKEN": "tok-4f1c-7a22"})
    (tmp_path / "work").mkdir()
    (tmp_path / "work/notes.txt").write_text("it is tok-4f1c-7a22")
    steps = [call("read_file", {"path": "notes.txt"}), say("I saw tok-4f1c-7a22")]
    with ModelServer({"default": steps}) as server:
        await run(tmp_path, server, CLAUDE)
    files = [path.read_text() for path in (tmp_path / "runs").iterdir()]
    assert len(files) == 2
    assert all("tok-4f1c-7a22" not in text for text in files)
    assert all(text.count("[redacted: OTHER_TOKEN]") >= 2 for text in files)


@needs_extra
async def test_another_endpoint_never_gets_a_vendors_key(tmp_path: Path):
    with ModelServer({"default": [say("hi")]}) as server:
        await run(tmp_path, server, "local/llama", local=True)
        assert FAKE_KEY not in str(server.requests[0].headers)


@needs_extra
async def test_half_an_answer_is_not_carried_out(tmp_path: Path):
    """It may look whole: a file of which the end is missing."""
    block = {"type": "tool_use", "id": "t1", "name": "write_file"}
    half = {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{**block, "input": {"path": "half.txt", "content": "hal"}}],
        "stop_reason": "max_tokens",
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    with ModelServer({"default": [fail(200, body=half), say("Done.")]}) as server:
        outcome, _ = await run(tmp_path, server, CLAUDE)
        assert "smaller pieces" in json.dumps(server.requests[1].body)
    assert outcome.ok
    assert not (tmp_path / "work/half.txt").exists()


async def time_out(
    root: Path, server: ModelServer, begun: Callable[[], bool], *steps: Step
) -> Outcome:
    """Its time is over when it has come so far: it gets twice as much until a busy machine has."""
    timeout_s = 1.5
    while True:
        server.load("default", steps)
        outcome, _ = await run(root, server, CLAUDE, timeout_s=timeout_s)
        if begun():
            return outcome
        timeout_s *= 2


@needs_extra
async def test_its_time_is_over(tmp_path: Path):
    steps = [write("a.txt", "x", usage=USED), hang(600)]
    with ModelServer({}) as server:
        outcome = await time_out(tmp_path, server, lambda: not server.left["default"], *steps)
    assert outcome.failure is Failure.TIMEOUT
    assert outcome.usage
    assert (outcome.usage.requests, outcome.usage.lower_bound) == (1, True)


@needs_extra
async def test_it_stops_before_its_cap_of_money_not_behind_it(tmp_path: Path):
    steps = [write(f"{n}.txt", "x", usage=Used(input=10_000, output=100)) for n in range(5)]
    with ModelServer({"default": steps}) as server:
        outcome, _ = await run(tmp_path, server, CLAUDE, max_usd=0.0025)
    assert outcome.failure is Failure.BUDGET
    assert outcome.usage
    assert outcome.usage.cost_usd == pytest.approx(0.0021)  # two turns; a third would be 0.00315


@needs_extra
async def test_a_tool_that_was_cut_off_is_told_to_the_one_who_goes_on(tmp_path: Path):
    """Providers refuse a conversation in which a call has no answer."""
    steps = [shell("touch begun; tail -f /dev/null"), say("hi")]
    with ModelServer({}) as server:
        first = await time_out(tmp_path, server, (tmp_path / "work/begun").exists, *steps)
        session = Session(id=first.session or "", fork=False)
        again, _ = await run(tmp_path, server, CLAUDE, session=session, number=2)
        last = server.requests[-1].body["messages"][-1]["content"]
    assert (first.failure, again.ok) == (Failure.TIMEOUT, True)
    assert [block["type"] for block in last] == ["tool_result", "text"]
    assert "interrupted" in json.dumps(last[0])


@needs_extra
async def test_a_damaged_session_begins_anew_and_a_foreign_name_is_not_opened(tmp_path: Path):
    runs = tmp_path / "runs"
    runs.mkdir()
    good = "5f0d8c1e-7c55-4f0e-9d3b-5f6b6c0f8a11"
    (runs / f"{good}.messages.jsonl").write_text('{"kind": "no such"}\n')
    with ModelServer({"default": [say("hi")]}) as server:
        first, _ = await run(tmp_path, server, CLAUDE)
    kept = runs / f"{first.session}.messages.jsonl"
    kept.rename(tmp_path / "outside.messages.jsonl")
    for name in (good, "../outside", good.upper()):
        with ModelServer({"default": [say("hi")]}) as server:
            session = Session(id=name, fork=False)
            outcome, told = await run(tmp_path, server, CLAUDE, session=session)
            assert server.requests[0].messages == 1
        assert outcome.ok
        assert outcome.session != name
        assert any("begins anew" in one.doing for one in told)


@needs_extra
async def test_a_review_leaves_the_conversation_of_its_attempt_as_it_is(tmp_path: Path):
    with ModelServer({"default": [say("hi")]}) as server:
        worked, _ = await run(tmp_path, server, CLAUDE)
        kept = (tmp_path / f"runs/{worked.session}.messages.jsonl").read_bytes()
        log = str(tmp_path / "runs/1.review.log")
        reviewed, _ = await run(tmp_path, server, CLAUDE, prompt="Judge it.", transcript=log)
    assert worked.session != reviewed.session
    assert (tmp_path / f"runs/{worked.session}.messages.jsonl").read_bytes() == kept


@needs_extra
async def test_a_message_cut_off_by_a_crash_is_left_out(tmp_path: Path):
    with ModelServer({"default": [say("one"), say("two")]}) as server:
        first, _ = await run(tmp_path, server, CLAUDE)
        path = tmp_path / f"runs/{first.session}.messages.jsonl"
        path.write_bytes(path.read_bytes() + b'{"parts": [{"conte')
        session = Session(id=first.session or "", fork=False)
        again, _ = await run(tmp_path, server, CLAUDE, session=session, number=2)
        assert server.requests[1].messages == 3
    assert again.session == first.session
    assert all(json.loads(line) for line in path.read_text().splitlines())


@needs_extra
async def test_long_instructions_are_cut_and_links_out_are_not_read(tmp_path: Path):
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "secret.md").write_text("SECRET")
    (work / "AGENTS.md").symlink_to(tmp_path / "secret.md")
    (work / "CLAUDE.md").write_text("x" * (LONGEST + 5))
    with ModelServer({"default": [say("hi")]}) as server:
        await run(tmp_path, server, CLAUDE)
        system = server.requests[0].system
    assert "SECRET" not in system
    assert "[... 5 bytes cut ...]" in system


@pytest.mark.parametrize(
    ("model", "env", "failure", "says"),
    [
        ("claude", {}, Failure.UNKNOWN_MODEL, "provider/model"),
        (None, {}, Failure.UNKNOWN_MODEL, "provider/model"),
        ("local/llama", {}, Failure.UNKNOWN_MODEL, "base_url"),
        ("google/g", {"ANTHROPIC_API_KEY": "k"}, Failure.AUTH, "GEMINI_API_KEY"),
    ],
)
def test_who_cannot_be_asked_is_told_with_the_next_step(
    model: str | None, env: dict[str, str], failure: Failure, says: str
):
    with pytest.raises(access.NoAccess, match=says) as told:
        access.find(model, env, None)
    assert told.value.failure is failure


LAZY = """
import sys, anyio
from orchestrator.settings import WorkerSettings
from orchestrator.workers.api import ApiWorker
worker = ApiWorker(WorkerSettings(), {})
worker.missing(), anyio.run(worker.examine)
heavy = {name.split(".")[0] for name in sys.modules} & {"pydantic_ai", "anthropic", "openai", "google", "httpx2"}
assert not heavy, heavy
sys.modules["pydantic_ai"] = None  # as if it were not installed
assert "plan-orchestrator[api]" in worker.missing()
assert "plan-orchestrator[api]" in anyio.run(worker.examine).problem
"""


def test_nothing_heavy_is_loaded_before_it_is_asked():
    subprocess.run([sys.executable, "-c", LAZY], check=True, timeout=30)


# --- its tools ------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["..", ".", "", "a", "in", "out", "file", "loop", "up", "pipe", "~", "a\0", "\ud800", "x" * 300]
)
PATHS = st.one_of(st.lists(NAMES, max_size=6).map("/".join), st.text(max_size=20))


@contextmanager
def traps() -> Iterator[tuple[Path, Path]]:
    """A workspace with links in and out, and what lies beside it."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        work, beside = root / "work", root / "beside"
        (work / "in").mkdir(parents=True)
        beside.mkdir()
        (beside / "file").write_text("SECRET")
        (work / "file").write_text("mine")
        (work / "out").symlink_to(beside)
        (work / "up").symlink_to("..")
        (work / "in/out").symlink_to(beside / "file")
        (work / "in/new").symlink_to(beside / "new")
        (work / "loop").symlink_to("loop")
        os.mkfifo(work / "pipe")
        yield work, beside


@given(PATHS, st.sampled_from(["plain", "absolute"]))
def test_no_path_leaves_the_workspace(path: str, kind: str):
    with traps() as (work, beside):
        folder = Folder(work)
        given_path = f"{beside}/{path}" if kind == "absolute" else path
        with suppress(Refused):
            assert "SECRET" not in folder.read(given_path)
        with suppress(Refused):
            folder.write(given_path, "WRITTEN")
            assert folder.read(given_path) == "WRITTEN"
            folder.edit(given_path, "WRITTEN", "again")
        assert {one.name: one.read_text() for one in beside.iterdir()} == {"file": "SECRET"}
        assert sorted(one.name for one in work.parent.iterdir()) == ["beside", "work"]


@pytest.mark.parametrize(
    "path", ["out/file", "in/out", "up/beside/file", "in/new", "../x", "/etc/x"]
)
def test_each_way_out_is_refused(path: str):
    with traps() as (work, beside):
        for act in (Folder(work).read, lambda one: Folder(work).write(one, "x")):
            with pytest.raises(Refused, match="workspace"):
                act(path)
        assert not (beside / "new").exists()


def test_a_link_inside_is_followed_and_what_is_no_file_is_not():
    with traps() as (work, _):
        (work / "in/mine").symlink_to("../file")
        folder = Folder(work)
        assert folder.read("in/mine") == "mine"
        for odd in ("pipe", "in", "", "."):
            with pytest.raises(Refused):
                folder.read(odd)
            with pytest.raises(Refused):
                folder.write(odd, "x")


class Swapped(Folder):
    """A folder becomes a link out in the moment after its path was looked at."""

    def __init__(self, root: Path, target: Path) -> None:
        super().__init__(root)
        self._place, self._target = root / "in", target

    def _parts(self, path: str) -> tuple[str, ...]:
        parts = super()._parts(path)
        if not self._place.is_symlink():
            self._place.rename(self._place.with_name("was"))
            self._place.symlink_to(self._target)
        return parts


def test_a_link_that_is_swapped_in_meanwhile_is_not_followed():
    with traps() as (work, beside):
        with pytest.raises(Refused):
            Swapped(work, beside).edit("in/file", "SECRET", "x")
        assert (beside / "file").read_text() == "SECRET"


TEXTS = st.text(alphabet="ab\n\r é😀", max_size=30)


@given(TEXTS, TEXTS, TEXTS)
def test_an_edit_changes_one_place_or_nothing(text: str, old: str, new: str):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "f")
        path.write_bytes(text.encode())
        try:
            Folder(Path(name)).edit("f", old, new)
        except Refused:
            assert path.read_bytes().decode() == text
            return
        now = path.read_bytes().decode()
        assert now in (*spots(text, old, new), *spots(text, crlf(old), crlf(new)))


def crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def spots(text: str, old: str, new: str) -> list[str]:
    """The text with the one place replaced; nothing if there is not one."""
    places = [at for at in range(len(text)) if text.startswith(old, at)]
    return [text[:at] + new + text[at + len(old) :] for at in places] if len(places) == 1 else []


def test_an_edit_keeps_the_line_ends_of_the_file(tmp_path: Path):
    (tmp_path / "f").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    Folder(tmp_path).edit("f", "one\ntwo", "1\n2")
    assert (tmp_path / "f").read_bytes() == b"1\r\n2\r\nthree\r\n"


@pytest.mark.parametrize(
    ("path", "pattern", "fit"),
    [
        ("a/b/c.py", "**/*.py", True),
        ("c.py", "**/*.py", True),
        ("a/b/c.py", "a/*.py", False),
        ("a/b/c.py", "a/**", True),
        ("a/b/c.py", "a/**/c.py", True),
        ("a/b", "a", False),
        ("a/" * 60 + "b", "**/" * 60 + "c", False),
    ],
)
def test_globs(path: str, pattern: str, fit: bool):
    assert fits(path.split("/"), pattern.split("/")) is fit


async def use(root: Path, name: str, **arguments: Any) -> Answer:
    return await Tools(attempt(root, "m/m")).use(name, arguments)


async def test_what_a_tool_says_is_bounded_and_says_so(tmp_path: Path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "long.txt").write_text("".join(f"line {n}\n" for n in range(3000)))
    (work / "wide.txt").write_text("x" * 100_000)
    (work / "many").mkdir()
    for number in range(600):
        (work / f"many/{number:03}.c").touch()
    shown = await use(tmp_path, "read_file", path="long.txt", start=11, lines=2)
    assert shown.text == "line 10\nline 11\n\n[lines 11 to 12 of 3000]"
    assert "characters cut" in (await use(tmp_path, "read_file", path="wide.txt")).text
    assert "more than 500" in (await use(tmp_path, "list_files", pattern="*.c")).text
    said = await use(tmp_path, "bash", command="yes | head -c 1000000")
    assert "bytes cut" in said.text
    found = await use(tmp_path, "search", regex="x+", pattern="*.txt")
    assert len(found.text) <= 2 * LONGEST_LINE + 100
    sizes = [len(one.text) for one in (shown, said, found)]
    assert max(sizes) <= SHOWN_BYTES + 300


async def test_search_finds_lines_and_a_bad_expression_is_told(tmp_path: Path):
    work = tmp_path / "work"
    (work / ".git").mkdir(parents=True)
    (work / "a.py").write_text("one\ntwo\n")
    (work / ".git/b.py").write_text("two\n")
    (tmp_path / "secret.py").write_text("two\n")
    (work / "link.py").symlink_to(tmp_path / "secret.py")
    assert (await use(tmp_path, "search", regex="tw[o]")).text == "a.py:2:two"
    assert (await use(tmp_path, "search", regex="-rf")).text == "nothing found"
    assert not (await use(tmp_path, "search", regex="(")).ok


async def test_a_command_that_does_not_end_is_ended(tmp_path: Path):
    said = await use(tmp_path, "bash", command="echo begun; tail -f /dev/null", timeout_s=3)
    assert (said.ok, "begun" in said.text, "not done within 3 s" in said.text) == (
        False,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("read_file", {}),
        ("read_file", {"path": 3}),
        ("read_file", {"path": "f", "start": 0}),
        ("write_file", {"path": "a"}),
        ("bash", {"command": "a\0b"}),
        ("bash", {"command": "ls", "timeout_s": -1}),
        ("list_files", {"pattern": "x" * 5000}),
        ("nonesuch", {}),
    ],
)
async def test_odd_arguments_get_an_answer(name: str, arguments: dict[str, Any], tmp_path: Path):
    said = await use(tmp_path, name, **arguments)
    assert not said.ok
    assert said.text
