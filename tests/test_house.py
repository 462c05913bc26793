"""The house rules that a machine can count: sizes, where libraries are imported, and what tests may not do."""

from __future__ import annotations

import ast
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "orchestrator"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((REPOSITORY / "tests").rglob("*.py"))
EVERYWHERE = {"anyio", "pydantic", "structlog", "tenacity"}
ONE_ROOM = {"typer": "cli", "rich": "cli", "starlette": "web"}
LONGEST_FILE, LONGEST_FUNCTION, MEDIAN_FUNCTION, LONGEST_CHAIN = 400, 40, 8, 7


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in SOURCES:
        yield path.relative_to(PACKAGE), ast.parse(path.read_text(encoding="utf-8"))


def functions() -> Iterator[tuple[str, int]]:
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno
                yield f"{path}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_file_is_too_long():
    sizes = {path: len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {path: size for path, size in sizes.items() if size > LONGEST_FILE} == {}


def test_no_function_is_too_long():
    assert [place for place, size in functions() if size > LONGEST_FUNCTION] == []


PURE = ("model", "errors", "budget", "complexity", "prompt", "tracker", "learner")
PURE += ("comparison", "lessons", "exports", "imports")
PURE_ROOMS = ("graph", "history", "routing", "summary", "lint", "estimates", "reports")


def test_what_decides_reads_no_clock():
    """The import contract forbids `time`; a datetime can be parsed, but not asked for now."""
    for path, tree in trees():
        if path.stem not in PURE and path.parts[0] not in PURE_ROOMS:
            continue
        asked = [n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
        assert not {"now", "utcnow", "today"} & set(asked), f"{path} reads the clock"


def test_most_functions_are_small():
    assert statistics.median(size for _, size in functions()) <= MEDIAN_FUNCTION


def test_every_module_opens_with_one_sentence():
    for path, tree in trees():
        told = ast.get_docstring(tree)
        assert told, f"{path} does not say what it is"
        assert told.split("\n\n")[0].count("\n") == 0, f"{path}: the first sentence is one line"


def test_each_library_is_imported_in_one_place():
    places: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees():
        for name in imports(tree):
            top = name.split(".")[0]
            room = path.parts[0] if top in ONE_ROOM else path.as_posix()
            places[top].add(room)
    installed = re.findall(r'^    "([\w-]+)>', (REPOSITORY / "pyproject.toml").read_text(), re.M)
    modules = {name.replace("-", "_") for name in installed} | {"yaml", "markdown_it"}
    for library in modules - EVERYWHERE:
        assert len(places.get(library, set())) <= 1, f"{library}: {sorted(places[library])}"
        if library in ONE_ROOM:
            assert places[library] == {ONE_ROOM[library]}


def test_what_the_user_asked_for_is_really_used():
    used = {name.split(".")[0] for _, tree in trees() for name in imports(tree)}
    assert {"anyio", "lxml", "networkx", "pydantic", "structlog", "tenacity"} <= used


def test_import_chains_between_rooms_are_short():
    rooms: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees():
        room = path.parts[0].removesuffix(".py")
        if room == "__main__":
            continue  # the door is no room
        ours = {name.split(".")[1] for name in imports(tree) if name.startswith("orchestrator.")}
        rooms[room] |= ours - {room}
    depth: dict[str, int] = {}

    def measure(room: str) -> int:
        if room not in depth:
            depth[room] = 1 + max((measure(one) for one in rooms[room]), default=0)
        return depth[room]

    assert max(measure(room) for room in list(rooms)) <= LONGEST_CHAIN


REPLACES = re.compile(r"\b(Magic|Async)?Mock\(|\bpatch\(|\bmonkeypatch\.setattr|\bmocker\b")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_tests_replace_nothing_and_wait_for_no_clock(path: Path):
    text = path.read_text(encoding="utf-8")
    if path.name != Path(__file__).name:
        assert not REPLACES.search(text), f"{path.name} replaces what it should test"
    assert list(naps(ast.parse(text))) == [], f"{path.name} sleeps to synchronise"


def naps(tree: ast.AST, polling: bool = False) -> Iterator[int]:
    """Lines that sleep outside of a loop which looks whether something has happened."""
    for node in ast.iter_child_nodes(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr == "sleep" and not polling:
            yield called.lineno
        yield from naps(node, polling or isinstance(node, ast.While))
