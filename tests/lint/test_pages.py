"""Every rule has a page, and what its page shows as wrong is said, what it shows as right is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.cli import rules
from orchestrator.model.codes import CODES
from tests.conftest import REPOSITORY
from tests.lint.whole import lint_files

PAGES = REPOSITORY / "orchestrator" / "lint" / "pages"
FENCE = re.compile(r"^````markdown ?(\S*)\n(.*?)^````$", re.M | re.S)
# What no text alone can show: bytes, sizes, links, settings, the rest of a project.
UNSHOWN = {"S101", "S102", "S104", "S114", "S121", "S122", "P603", "G506", "G513", "M002"}


def examples(code: str, part: str) -> dict[str, bytes]:
    text = rules.page(code).partition(f"\n## {part}\n")[2].partition("\n## Right\n")[0]
    return {name or "demo-PLAN.md": body.encode() for name, body in FENCE.findall(text)}


def test_every_rule_has_a_page_and_every_page_a_rule():
    assert {path.stem for path in PAGES.glob("*.md")} == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_page_has_the_title_of_its_rule_and_says_something(code: str):
    head, _, text = rules.page(code).partition("\n\n")
    assert head == f"# {code}: {CODES[code][1]}"
    assert len(text.partition("\n## Wrong\n")[0].split()) > 10
    assert bool(examples(code, "Wrong")) == (code not in UNSHOWN)


@pytest.mark.parametrize("code", sorted(set(CODES) - UNSHOWN))
def test_what_a_page_shows_as_wrong_is_said_and_as_right_is_not(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    wrong = lint_files(tmp_path / "wrong", examples(code, "Wrong"))
    right = lint_files(tmp_path / "right", examples(code, "Right"))
    assert code in [one.code for one in wrong]
    assert code not in [one.code for one in right]
