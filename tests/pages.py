"""What pages say of tests: their rows by number, and the tests that they name; refuses a name of none that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.conftest import REPOSITORY

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows(page: Path, number: str) -> list[tuple[str, str]]:
    """Each row of its tables that begins with a number like this one, twice if it stands there twice."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return [(found[1], line) for line in lines if (found := re.match(rf"\| ({number}) \|", line))]


def found_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {one.name for one in ast.walk(tree) if isinstance(one, kinds)}


def check_names(page: Path) -> None:
    """Every test that the page names exists, and no name is written so that this would pass it over."""
    text = page.read_text(encoding="utf-8")
    named = NAMED.findall(text)
    known = {
        file: found_in(REPOSITORY / file) if (REPOSITORY / file).exists() else set[str]()
        for file, _ in named
    }
    assert [f"{file}::{name}" for file, name in named if name not in known[file]] == []
    assert text.count("::") == len(named), "a name that is not read"
