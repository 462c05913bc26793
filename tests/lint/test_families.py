"""Rules over a plan: paths that leave the project, and words that have no effect yet."""

from __future__ import annotations

import pytest

from orchestrator import lint
from tests.build import plan, task


@pytest.mark.parametrize(
    ("file", "codes"),
    [
        ("src/a.py", []),
        ("a..b/c", []),
        ("/etc/passwd", ["P601"]),
        ("~/x", ["P601"]),
        ("C:\\x", ["P601"]),
        ("../x", ["P602"]),
        ("a/../../x", ["P602"]),
        ("a\\..\\x", ["P602"]),
    ],
)
def test_paths_that_leave_the_project_are_errors(file: str, codes: list[str]):
    assert [one.code for one in lint.check(plan(task(1, files=(file,))))] == codes
