"""What was read and what of it was needed: by the steps alone, in files, bytes and tokens."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from orchestrator import context, prompt, settings
from orchestrator.engine import crew
from orchestrator.graph import build
from orchestrator.history import Tried
from orchestrator.model import Element, Position, Route, Score, Step, StepKind, TaskId
from orchestrator.model.outloop import Context, Occurrence, Operation
from orchestrator.outloop import profiles, store
from orchestrator.views import waste
from tests.build import plan, task

HERE = Position(line=1, column=1)
AT = "2026-11-28T10:00:00Z"


def tried(*steps: Step) -> Tried:
    route = Route(worker="claude", confidence=1.0, reason="test")
    return Tried(1, route, Score(value=5, reasons=()), AT, steps=list(steps))


def read(file: str, size: int | None = None, *, ok: bool | None = True) -> Step:
    return Step(kind=StepKind.READ, tool="Read", target=file, ok=ok, size=size)


def ran(command: str) -> Step:
    return Step(kind=StepKind.RUN, tool="Bash", target=command, ok=True)


def test_23_of_150_files_are_15_3_percent():
    loaded = {f"src/file_{n}.py": None for n in range(150)}
    found = context.calculate(loaded, set(list(loaded)[:23]), 360)
    assert found.efficiency == 15.3
    assert found.waste_tokens == 127 * 360


def test_125_files_of_unknown_size_are_45_000_tokens():
    loaded = {f"f{n}.py": None for n in range(150)}
    assert context.calculate(loaded, set(list(loaded)[:25]), 360).waste_tokens == 45_000


def test_real_sizes_count_before_the_constant():
    found = context.calculate({"a.py": 4000, "b.py": None, "c.py": 8000}, {"c.py"}, 360)
    assert found.waste_tokens == 1000 + 360
    assert found.waste_bytes == 4000
    assert found.unused == ("a.py", "b.py")


def test_nothing_read_has_no_efficiency():
    assert context.calculate({}, set(), 360).efficiency is None
    assert waste.line(Context(loaded={}, used=())) is None


def test_used_is_what_was_written_declared_or_named_by_a_command_or_a_check():
    one = task(1, files=("declared.py",), commands=("pytest tests/test_check.py::test_it",))
    steps = [
        read("written.py", 100),
        read("declared.py", 100),
        read("run.py", 100),
        read("tests/test_check.py", 100),
        read("lib/below.py", 100),
        read("only_read.py", 400),
        Step(kind=StepKind.WRITE, tool="Edit", target="written.py", ok=True),
        ran("python run.py && ruff check lib"),
    ]
    found = context.measure(one, [tried(*steps)])
    assert found.unused == ("only_read.py",)
    assert found.waste_tokens == 100


def test_what_a_command_prints_is_read_and_not_used():
    found = context.measure(task(1), [tried(ran("cat a.py | head -20; sed -n '1,5p' b.py"))])
    assert set(found.loaded) == {"a.py", "b.py"}
    assert found.used == ()


def test_what_could_not_be_read_is_no_context():
    steps = tried(read("gone.py", ok=False), read("src/*.py"), read("folder/"))
    assert context.measure(task(1), [steps]).loaded == {}


def test_files_of_one_kind_in_one_folder_become_a_glob():
    files = {"src/a.py", "src/b.py", "src/c.py", "tests/test_a.py", "README.md"}
    assert context.recommend(files) == ("README.md", "src/*.py", "tests/test_a.py")


def test_a_profile_names_what_half_of_the_attempts_needed():
    often = Context(
        loaded={"a.py": 10, "b.py": 40, "d.md": 1}, used=("a.py", "d.md"), waste_tokens=10
    )
    once = Context(loaded={"c.py": 20, "a.py": 10}, used=("c.py", "a.py"))
    found = context.profile("test:pytest", [often, often, once, Context(loaded={}, used=())])
    assert found is not None
    assert (found.attempts, found.files, found.docs) == (3, ("a.py",), ("d.md",))
    assert round(found.mean_loaded, 2) == 2.67
    assert round(found.mean_waste_tokens, 2) == 6.67
    assert context.profile("test:pytest", [Context(loaded={}, used=())]) is None


@given(
    st.dictionaries(st.text(min_size=1), st.none() | st.integers(0, 10**9), max_size=20),
    st.data(),
)
def test_shares_stay_within_bounds(loaded: dict[str, int | None], data: st.DataObject):
    used = data.draw(st.sets(st.sampled_from(sorted(loaded)))) if loaded else set()
    found = context.calculate(loaded, used, 360)
    assert (found.efficiency is None) == (not loaded)
    assert 0 <= (found.efficiency or 0) <= 100
    most = sum(360 if size is None else size / 4 for size in loaded.values())
    assert 0 <= found.waste_tokens <= most
    assert found.waste_tokens == 0 or found.unused
    assert context.together([found]).efficiency == found.efficiency


def test_the_profile_of_a_pattern_is_built_from_what_was_kept(tmp_path: Path):
    with store.writing(tmp_path) as kept:
        for number in range(3):
            name = f"run task {number}"
            operation = Operation(verb="test", tool="pytest", scope="backend")
            kept.record([Occurrence(workflow=name, operation=operation, at=AT)])
            found = context.calculate({"a.py": 400, "b.py": 800}, {"a.py"}, 360)
            kept.add_hook_events([profiles.track(name, AT, found)] * 2)  # the last word counts
        assert kept.drain_hook_events() == []
    found = profiles.build(tmp_path, "test:pytest:backend", 360)
    assert found is not None
    assert (found.attempts, found.files, found.mean_waste_tokens) == (3, ("a.py",), 200)
    assert "  needed          50.0%" in list(waste.profile(found))


def remember(root: Path, signature: str, times: int) -> None:
    verb, tool, scope = signature.split(":")
    with store.writing(root) as kept:
        for number in range(times):
            name = f"run {signature} {number}"
            operation = Operation(verb=verb, tool=tool, scope=scope)
            kept.record([Occurrence(workflow=name, operation=operation, at=AT)])
            found = context.calculate({"src/a.py": 400, "src/b.py": 800}, {"src/a.py"}, 360)
            kept.add_hook_events([profiles.track(name, AT, found)])


def test_a_task_is_told_what_tasks_with_its_check_needed_from_five_of_them_on(tmp_path: Path):
    chosen = settings.load(tmp_path)
    checks = {TaskId("p/1"): ["pytest -x backend/tests"], TaskId("p/2"): ["npm run lint"]}
    assert profiles.needed(tmp_path, checks, chosen) == {}
    remember(tmp_path, "test:pytest:backend", 4)
    assert profiles.needed(tmp_path, checks, chosen) == {}
    remember(tmp_path, "test:pytest:backend", 5)
    assert profiles.needed(tmp_path, checks, chosen) == {TaskId("p/1"): ("src/a.py",)}


def test_only_with_profiles_on_a_prompt_names_them(tmp_path: Path):
    remember(tmp_path, "test:pytest:backend", 5)
    script = "```bash\ntrue\n```"
    action = Element(tag="action", text=script, position=HERE)
    one = task(
        1,
        commands=("pytest backend",),
        subagent="bash",
        elements=(action,),
        action=script,
    )
    graph, _ = build([plan(one)])
    assert graph is not None
    for word, told in (("off", {}), ("on", {one.id: ("src/a.py",)})):
        chosen = settings.load(tmp_path, {"context": {"profiles": word}})
        assert crew.prepare(tmp_path, graph, chosen).needed == told
    text = prompt.tell(plan(one), one, (), None, ("src/a.py",))
    assert "Tasks like this one needed these files" in text
    assert "- src/a.py" in text
    assert "needed these files" not in prompt.tell(plan(one), one, (), None)


def test_what_only_looks_makes_nothing_needed():
    looks = ("ls src", "grep -rn x src", "git diff src", "find src -name a.py", "rg x src/a.py")
    for command in looks:
        found = context.measure(task(1), [tried(read("src/a.py"), ran(command))])
        assert found.used == (), command
    for command in ("pytest src", "sed -i s/a/b/ src/a.py", "find src -exec black {} +"):
        found = context.measure(task(1), [tried(read("src/a.py"), ran(command))])
        assert found.used == ("src/a.py",), command


def test_a_word_of_another_form_tells_nothing_and_stops_no_run(tmp_path: Path):
    remember(tmp_path, "test:pytest:backend", 5)
    with store.writing(tmp_path) as kept:
        for payload in ({"file": "x"}, {"loaded": 3, "used": None}):
            name = "run test:pytest:backend 0"
            track = profiles.track(name, AT, context.calculate({}, set(), 1))
            kept.add_hook_events([track.model_copy(update={"payload": payload})])
    found = profiles.build(tmp_path, "test:pytest:backend", 360)
    assert found is not None
    assert found.attempts == 4
