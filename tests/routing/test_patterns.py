"""The shipped patterns, each against its own positive and negative examples, and what the seed names of each tier (S1-03, S1-15)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Tier
from orchestrator.routing.patterns import PATTERNS, SECURITY, Pattern, Work, floor, matching
from tests.build import task

YES = [(pattern, work) for pattern in PATTERNS for work in pattern.yes]
NO = [(pattern, work) for pattern in PATTERNS for work in pattern.no]


def names(title: str, files: tuple[str, ...] = ("a", "b")) -> list[str]:
    return [one.name for one in matching(task(1, name=f"Task 1: {title}", files=files))]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda one: one.name)
def test_s1_03_each_pattern_has_positive_and_negative_examples(pattern: Pattern):
    assert len(pattern.yes) >= 2
    assert len(pattern.no) >= 2


@pytest.mark.parametrize(("pattern", "work"), YES, ids=lambda one: getattr(one, "title", one[0]))
def test_s1_03_it_matches_what_it_is_meant_for(pattern: Pattern, work: Work):
    assert pattern.matches(work)
    assert pattern.matches(Work(work.title.upper(), work.files))


@pytest.mark.parametrize(("pattern", "work"), NO, ids=lambda one: getattr(one, "title", one[0]))
def test_s1_03_it_does_not_match_what_only_looks_like_it(pattern: Pattern, work: Work):
    assert not pattern.matches(work)


@given(st.sampled_from(YES), st.sampled_from("abcxyzABC_0"))
def test_s1_03_a_word_inside_another_is_no_match(example: tuple[Pattern, Work], letter: str):
    """Each word of the title grown by a letter at both ends: nothing is left that was meant."""
    pattern, work = example
    grown = " ".join(f"{letter}{word}{letter}" for word in work.title.split())
    assert not pattern.matches(Work(grown, work.files))


@pytest.mark.parametrize(
    ("title", "files", "name", "tier"),
    [
        ("Add the CRUD endpoint for orders", ("a", "b"), "CRUD endpoint", "haiku"),
        ("Build the OrderCard component", ("a", "b"), "UI component", "haiku"),
        ("Add the /about page", ("a", "b"), "route page", "haiku"),
        ("Update the timeout", ("a",), "edit of one file", "haiku"),
        ("Use one clock across all modules", ("a", "b"), "coordination of several files", "sonnet"),
        ("Write the state machine of orders", ("a", "b"), "complex state", "sonnet"),
        ("Implement the business logic", ("a", "b"), "business logic", "sonnet"),
        ("Decide the architecture of search", ("a", "b"), "architecture", "opus"),
        ("Add authentication", ("a", "b"), "security: authentication", "opus"),
        ("Take payments", ("a", "b"), "security: payments", "opus"),
        ("Encrypt the backups", ("a", "b"), "security: cryptography", "opus"),
        ("Refactor logging across all services", ("a", "b"), "cross-system refactoring", "opus"),
    ],
)
def test_s1_15_the_table_of_the_seed(title: str, files: tuple[str, ...], name: str, tier: str):
    first = next(matching(task(1, name=f"Task 1: {title}", files=files)))
    assert (first.name, first.tier) == (name, Tier(tier))


def test_s1_15_of_several_patterns_the_strongest_counts():
    assert names("Add the CRUD endpoint for payments")[0] == "security: payments"
    assert names("Rename things across all modules")[0] == "coordination of several files"


def test_s1_15_security_is_a_floor_and_nothing_else_is():
    assert {one for one in PATTERNS if one.floor} == set(SECURITY)
    assert floor(task(1, name="Task 1: Build the login endpoint")) is not None
    assert floor(task(1, name="Task 1: Decide the architecture")) is None


def test_s1_15_words_about_security_are_not_security():
    docs = task(1, name="Task 1: Explain authentication", files=("docs/auth.md", "README.md"))
    assert floor(docs) is None
    assert floor(task(1, name="Task 1: Explain authentication", files=("docs/a.md", "a.py")))
