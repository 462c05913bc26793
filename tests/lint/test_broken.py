"""Plans broken by hand, and traps that only look broken: exactly what is said of each, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.model.codes import CODES
from tests.lint.test_pages import UNSHOWN, examples
from tests.lint.whole import lint_files

BROKEN = Path(__file__).with_name("broken")
EXPECTED: dict[str, list[str]] = json.loads((BROKEN / "expected.json").read_text("utf-8"))


def test_there_are_many_of_them_and_each_has_its_expectation():
    assert {path.name.removesuffix("-PLAN.md") for path in BROKEN.glob("*.md")} == set(EXPECTED)
    assert sum(bool(expected) for expected in EXPECTED.values()) >= 60
    assert sum(not expected for expected in EXPECTED.values()) >= 25


def test_every_rule_that_a_text_can_break_is_broken_somewhere():
    """Here, or on its page, where rules about several files are shown."""
    broken = {row.split()[1] for rows in EXPECTED.values() for row in rows}
    assert set(CODES) - broken - {code for code in CODES if examples(code, "Wrong")} <= UNSHOWN


@pytest.mark.parametrize("name", EXPECTED)
def test_exactly_what_is_wrong_is_said_where_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    content = (BROKEN / f"{name}-PLAN.md").read_bytes()
    said = lint_files(tmp_path, {f"{name}-PLAN.md": content})
    found = [f"{one.line}:{one.column} {one.code}" for one in said]
    assert sorted(found) == sorted(EXPECTED[name])
