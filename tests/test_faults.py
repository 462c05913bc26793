"""The page of faults: each of its rows names tests, and each of these exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "faults.md"
WANTED = {*range(1, 22), *range(24, 29)}
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> dict[int, str]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return {int(found[1]): line for line in lines if (found := re.match(r"\| (\d+) \|", line))}


def found_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {one.name for one in ast.walk(tree) if isinstance(one, kinds)}


def test_every_fault_has_a_row_and_every_row_a_test():
    assert set(rows()) == WANTED
    assert [number for number, row in rows().items() if not NAMED.search(row)] == []


def test_every_test_that_the_page_names_exists():
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))
    absent = [
        f"{file}::{name}"
        for file, name in named
        if not (REPOSITORY / file).exists() or name not in found_in(REPOSITORY / file)
    ]
    assert absent == []
    assert PAGE.read_text(encoding="utf-8").count("::") == len(named), "a name that is not read"
