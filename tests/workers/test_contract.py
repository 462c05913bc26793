"""The contract of all workers: the same cases for each client, as it really is, as it was recorded, and as it must never be."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from signal import SIGINT, SIGTERM
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Element, Failure, Plan, Position, Progress, Task
from orchestrator.process import Ended
from orchestrator.prompt import introduce, tell
from orchestrator.workers.reading import Reading
from tests import build
from tests.agents import clients
from tests.agents.server import ModelServer
from tests.workers import tokens
from tests.workers.cases import CASES, Case
from tests.workers.columns import Column, columns
from tests.workers.contract import Place, judge, play, real_stage
from tests.workers.recordings import SPEAK, RecordedStage, path_of

COLUMNS = columns()
EVERY = [pytest.param(column, id=name) for name, column in COLUMNS.items()]
CELLS = [
    pytest.param(column, case, id=f"{column.name}-{case.name}")
    for column in COLUMNS.values()
    for case in column.cases
]


@pytest.mark.parametrize(("column", "case"), CELLS)
async def test_a_real_client_keeps_the_contract(column: Column, case: Case, tmp_path: Path):
    clients.needs(column.name)
    with real_stage(column, case, tmp_path) as stage:
        played = await play(column, case, stage)
        assert not (stage.place.root / "outside.txt").exists()
    judge(column, case, played)


@pytest.mark.parametrize(("column", "case"), CELLS)
async def test_a_recorded_client_keeps_the_contract(column: Column, case: Case, tmp_path: Path):
    stage = RecordedStage(Place(tmp_path).make(), column, case)
    judge(column, case, await play(column, case, stage))


Scene = dict[str, Any]


def stays(scene: Scene) -> Scene:
    return {**scene, "stays": True}


def stays_for_ever(scene: Scene) -> Scene:
    return {**scene, "stays": True, "ignores": [SIGINT, SIGTERM]}


def says_nothing(scene: Scene) -> Scene:
    return {**scene, "lines": [], "stderr": "", "made": {}}


def says_no_json(scene: Scene) -> Scene:
    odd = ["Hello", '{"type": "result"', "[1]", "null", '"success"', "", '{"type": {"a": []}}']
    return {**scene, "lines": odd, "stderr": "warning: it is late\n", "made": {}}


def says_much(scene: Scene) -> Scene:
    first, *rest = scene["lines"]
    return {**scene, "lines": [first, "x" * (5 << 20), *rest]}


def stops_before_the_end(scene: Scene) -> Scene:
    return {**scene, "lines": scene["lines"][:-1]}


NOTHING = {"failure": Failure.NO_RESULT, "makes": False, "figures": "unknown", "session": False}
ODD: dict[Callable[[Scene], Scene], dict[str, Any]] = {
    stays: {},
    stays_for_ever: {},
    says_nothing: NOTHING,
    says_no_json: {**NOTHING, "says": "it is late"},
    says_much: {},
    stops_before_the_end: {"failure": Failure.NO_RESULT, "figures": "lower bound"},
}


# Who does not say that it is over cannot be late: only the stall watch ends it.
ODD_CELLS = [
    pytest.param(change, column, id=f"{change.__name__}-{column.name}")
    for change in ODD
    for column in COLUMNS.values()
    if not (column.ends_silently and change in (stays, stays_for_ever))
]


@pytest.mark.parametrize(("change", "column"), ODD_CELLS)
async def test_an_odd_client_is_ended_and_not_believed(
    column: Column, change: Callable[[Scene], Scene], tmp_path: Path
):
    expected = ODD[change]
    if column.blind and change is stops_before_the_end:
        expected = {**expected, "figures": "unknown"}
    case = CASES["success"].expecting(**expected)
    stage = RecordedStage(Place(tmp_path).make(), column, case, change)
    judge(column, case, await play(column, case, stage, grace_s=0.2))


@pytest.mark.parametrize("column", EVERY)
async def test_a_fake_tells_when_it_is_called_otherwise(column: Column, tmp_path: Path):
    """So a change of the command line is seen without the real client, and needs it."""
    changed = replace(column, model="another-model")
    stage = RecordedStage(Place(tmp_path).make(), changed, CASES["success"])
    (played,) = await play(changed, CASES["success"], stage)
    assert played.outcome
    assert not played.outcome.ok
    assert "not called as when it was recorded" in played.outcome.detail


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_a_fake_says_all_that_was_recorded_whenever_it_is_ended(number: int, tmp_path: Path):
    """It says more than a pipe holds, so the signal finds it speaking."""
    made, begun, scenes = (tmp_path / name for name in ("made", "begun", "scenes.json"))
    free = {"argv": None, "stdin": None, "env": {}, "files": {}, "leaves": False, "stays": False}
    said = {"lines": ["first", "x" * (1 << 20)], "stderr": "last\n", "waits": False}
    left = {"made": {str(made): ""}, "begins": {str(begun): ""}, "exit": 1, "signal": None}
    scenes.write_text(json.dumps([{**free, **said, **left}]))
    command = [sys.executable, "-I", "-S", str(SPEAK), str(scenes)]
    with Popen(command, bufsize=0, stdin=DEVNULL, stdout=PIPE, stderr=PIPE) as fake:
        assert fake.stdout
        assert fake.stderr
        assert fake.stdout.readline() == b"first\n"
        assert (made.exists(), begun.exists()) == (True, False)
        fake.send_signal(number)
        assert len(fake.stdout.read()) == (1 << 20) + 1
        assert fake.stderr.read() == b"last\n"
    assert (fake.returncode, begun.exists()) == (1, True)


@pytest.mark.parametrize("column", EVERY)
async def test_the_project_is_heard_and_the_person_is_not(column: Column, tmp_path: Path):
    """Lean: what the person has set up for itself costs nothing and does nothing; the request is bounded."""
    clients.needs(column.name)
    plan, task = told()
    case = CASES["success"]
    words = {"system": introduce(plan, task), "prompt": tell(plan, task, [], None)}
    case = case.but(tries=(replace(case.last, change=words),))
    with real_stage(column, case, tmp_path) as stage:
        words_of = {name: f"The word of {name} is PROJECT.\n" for name in heard(column)}
        put(words_of, stage.place.work)
        put(column.personal, stage.place.home, home=str(stage.place.home))
        played = await play(column, case, stage)
        first = next(one for one in stage.server.requests if not one.side)
    judge(column, case, played)
    body = json.dumps(first.body)
    assert f"The word of {heard(column)[0]} is PROJECT." in body
    assert "do only this task" in body.casefold()
    assert "PERSONAL" not in body
    assert list(stage.place.home.glob("PERSONAL*")) == []
    paths = body.count(str(tmp_path)) * len(str(tmp_path))  # as long as the machine has them
    assert first.bytes - paths <= column.bytes


@pytest.mark.parametrize(
    "column", [pytest.param(one, id=name) for name, one in COLUMNS.items() if one.hostile]
)
async def test_no_file_of_the_workspace_redirects_the_key_or_runs_a_command(
    column: Column, tmp_path: Path
):
    """Any agent, and any command that it runs, can write such a file for the next one."""
    clients.needs(column.name)
    case = CASES["success"]
    with real_stage(column, case, tmp_path) as stage, ModelServer({}) as thief:
        put(column.hostile, stage.place.work, home=str(stage.place.home), thief=thief.url)
        played = await play(column, case, stage)
        assert (thief.requests, thief.others) == ([], [])
    judge(column, case, played)
    assert list(stage.place.home.glob("HOSTILE*")) == []


def put(texts: Mapping[str, str], place: Path, **words: str) -> None:
    for name, text in texts.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for key, word in words.items():
            text = text.replace(f"{{{key}}}", word)
        path.write_text(text)


def heard(column: Column) -> tuple[str, ...]:
    client = column.client()
    return (*client.reads, *client.told)


def told() -> tuple[Plan, Task]:
    """A task as plans have them."""
    action = "Say hello in made/hello.txt, in the words of the project.\n" * 5
    element = Element(tag="action", text=action, position=Position(line=1, column=1))
    one = build.task(1, elements=(element,), files=("made/hello.txt",))
    return build.plan(one), one


# --- damaged lines ---------------------------------------------------------------------------------

ODD_VALUES = [
    None,
    True,
    -1,
    0.5,
    10**400,
    1e308,
    float("nan"),
    "",
    "\ud83d",
    "\0",
    "x" * 500,
    [],
    {},
    [[]],
]


def said(column: Column, *names: str) -> list[list[str]]:
    """The lines of all recordings, or of the named cases, by start of the client."""
    wanted = names or [case.name for case in column.cases]
    found = [json.loads(path_of(column.name, CASES[name]).read_text("utf-8")) for name in wanted]
    scenes = [scene for one in found for try_ in one["tries"] for scene in try_["scenes"]]
    return [[as_line(one) for one in (*scene["lines"], *scene["after"])] for scene in scenes]


def as_line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container with each of its keys, at every depth."""
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in list(pairs):
        yield value, key
        yield from places(inner)


def damaged(line: str, data: st.DataObject) -> str:
    event = json.loads(line)
    container, key = data.draw(st.sampled_from(list(places(event))))
    container[key] = data.draw(st.sampled_from(ODD_VALUES))
    return json.dumps(event)


@pytest.mark.parametrize("column", EVERY)
def test_no_damaged_line_breaks_a_reader(column: Column):
    """One line of each shape that was recorded, with each odd value in each place."""
    every = sorted({line for lines in said(column) for line in lines if line.startswith("{")})
    for line in {shape(json.loads(line)): line for line in every}.values():
        for place in range(len(list(places(json.loads(line))))):
            for odd in ODD_VALUES:
                event = json.loads(line)
                container, key = list(places(event))[place]
                container[key] = odd
                hear(column, json.dumps(event))


def shape(value: Any) -> str:
    """The same for events that differ in numbers and words only; what they are called counts."""
    kind = [value.get("type"), value.get("subtype")] if isinstance(value, dict) else []
    return json.dumps([kind, sorted({str(key) for _, key in places(value)})])


def hear(column: Column, *lines: str) -> Reading:
    """What is told can be kept in the journal, and is the same when it is read again."""
    client, reading = column.client(), Reading()
    for line in lines:
        for told in client.read(line, reading):
            assert Progress.model_validate_json(told.model_dump_json()) == told, line
    client.conclude(ENDED, reading)
    words = [reading.detail, reading.text, reading.session, reading.model, *reading.denials]
    json.dumps(words, ensure_ascii=False, allow_nan=False).encode()
    return reading


@pytest.mark.parametrize("column", EVERY)
def test_without_its_last_word_there_is_no_success(column: Column):
    (lines,) = said(column, "success")

    @given(st.permutations(lines[:-1]), st.data())
    def read(lines: list[str], data: st.DataObject) -> None:
        hurt = [line.startswith("{") and data.draw(st.booleans()) for line in lines]
        reading = hear(
            column,
            *(damaged(o, data) if bad else o for o, bad in zip(lines, hurt, strict=True)),
        )
        assert reading.failure or not reading.finished

    read()


ENDED = Ended(
    exit_code=0, signal=None, stdout="", stderr="", timed_out=False, stalled="", duration_s=1.0
)


def test_every_recording_belongs_to_a_case():
    cells = {path_of(column.name, case) for column in COLUMNS.values() for case in column.cases}
    there = {
        path for column in COLUMNS for path in path_of(column, CASES["success"]).parent.iterdir()
    }
    assert there == cells


def test_the_table_of_figures_is_current():
    """If not: python -m tests.workers.tokens"""
    assert tokens.DOCUMENT.read_text("utf-8") == tokens.render()
