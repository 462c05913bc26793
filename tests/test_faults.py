"""The page of faults: each of its rows names tests, and each of these exists."""

from __future__ import annotations

from tests.conftest import REPOSITORY
from tests.pages import NAMED, check_names, rows

PAGE = REPOSITORY / "docs" / "faults.md"
WANTED = [*range(1, 29)]


def test_every_fault_has_a_row_and_every_row_a_test():
    told = rows(PAGE, r"\d+")
    assert [int(number) for number, _ in told] == WANTED
    assert [number for number, row in told if not NAMED.search(row)] == []


def test_every_test_that_the_page_names_exists():
    check_names(PAGE)
