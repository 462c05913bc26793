"""The page of features: a row for every number in scope, and every test and every module that one names exists."""

from __future__ import annotations

import re

from tests.conftest import REPOSITORY
from tests.pages import NAMED, check_names, rows

PAGE = REPOSITORY / "docs" / "features.md"
SCOPE = {
    0: range(1, 41),
    1: range(1, 22),
    2: range(26, 58),
    3: (
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        16,
        17,
        18,
        19,
        20,
        21,
        22,
        23,
        24,
        25,
        26,
        27,
        28,
        29,
        30,
        31,
        32,
        33,
        34,
        35,
        36,
        37,
        38,
    ),
    4: range(1, 31),
}
WANTED = [f"S{seed}-{number:02}" for seed, numbers in SCOPE.items() for number in numbers]


def cells() -> dict[str, list[str]]:
    """What it says, what shows it and where it is, by number."""
    return {
        number: [cell.strip() for cell in row.strip("|").split(" | ")][1:]
        for number, row in rows(PAGE, r"S\d-\d\d")
    }


def test_every_feature_has_one_row_with_tests_or_the_reason_why_there_are_none():
    assert [number for number, _ in rows(PAGE, r"S\d-\d\d")] == WANTED
    for number, (what, tests, where) in cells().items():
        assert "" not in (what, where), number
        assert tests == "-" or 1 <= len(NAMED.findall(tests)) <= 3, number


def test_every_test_that_the_page_names_exists():
    check_names(PAGE)


def test_every_module_that_the_page_names_exists():
    for number, (_, _, where) in cells().items():
        for name in re.findall(r"`([^`]+)`", where):
            places = (REPOSITORY / "orchestrator" / name, REPOSITORY / name)
            assert any(place.exists() for place in places), f"{number}: {name}"
