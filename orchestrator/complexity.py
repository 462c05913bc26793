"""Task text to a complexity of 1..10 with its reasons: a weak prior, never a verdict; refuses to guess what is not written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from orchestrator.model import Score, Task

START = 5
LOWEST, HIGHEST = 1, 10
RANGES = {  # what each word of a label `complexity:WORD` means, both ends included
    "trivial": (1, 2),
    "simple": (3, 4),
    "standard": (5, 8),
    "complex": (9, 10),
    "small": (1, 3),
    "medium": (4, 7),
    "large": (8, 10),
}
LABELS = {  # the number that stands for it
    "trivial": 2,
    "simple": 4,
    "standard": 6,
    "complex": 9,
    "small": 2,
    "medium": 5,
    "large": 9,
}


def score(task: Task, weights: Mapping[str, int] | None = None) -> Score:
    """The author's number, else the author's label, else the start moved by each indicator in the text.

    `weights` by the indicators' keys, and `start`; what is not there has its usual weight.
    """
    known = weights or {}
    if task.complexity is not None:
        reason = f"estimated-complexity={task.complexity} in the plan"
        return Score(value=_clamp(task.complexity), reasons=(reason,))
    labels = words(task)
    if labels:
        hardest = max(labels, key=lambda word: LABELS[word])
        return Score(value=LABELS[hardest], reasons=(f"label complexity:{hardest}",))
    moved = [indicator for indicator in INDICATORS if indicator.applies(task)]
    found = [(each.name, known.get(each.key, each.weight)) for each in moved]
    value = _clamp(known.get("start", START) + sum(weight for _, weight in found))
    return Score(value=value, reasons=tuple(f"{name} ({weight:+d})" for name, weight in found))


def words(task: Task) -> list[str]:
    """Those of its labels `complexity:WORD` that mean something."""
    given = {label.lower() for label in task.labels}
    return [word for word in LABELS if f"complexity:{word}" in given]


def _clamp(value: int) -> int:
    return max(LOWEST, min(HIGHEST, value))


# --- the indicators -------------------------------------------------------------------------------


def _words(*patterns: str) -> re.Pattern[str]:
    """Whole words only: "read" is not in "thread", nor "add" in "address"."""
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b", re.IGNORECASE)


READING = _words(r"read(?:s|ing)?(?!-only|-write)", r"understand(?:s|ing)?", r"review(?:s|ing|ed)?")
IMPLEMENTING = _words(r"implement(?:s|ing|ed|ation)?")
FIXING = _words(r"(?:bug|hot)?fix(?:es|ing|ed)?")
HARD_TO_FIX = _words(r"regex(?:es|p|ps)?", r"regular\s+expressions?", r"algorithms?")
ADDING = _words(r"add(?:s|ing|ed)?")
NOT_JUST_ADDING = _words(r"complex", r"state\s+management")
ARCHITECTURE = _words(
    r"architect(?:s|ing|ure|ures|ural)?",
    r"design(?:s|ing)?",
    r"patterns?",
    r"new\s+(?:service|table|layer)s?",
)
REFACTORING = _words(r"refactor(?:s|ing|ed)?")
LARGE_SCALE = _words(r"large[-\s]scale")
NOVEL = _words(
    r"research(?:es|ing|ed)?",
    r"investigat(?:e|es|ing|ed|ion)",
    r"validat(?:e|es|ing|ed|ion)",
    r"security",
    r"performance\s+optimi[sz]ations?",
)
# Things that are called a design or a pattern and decide nothing.
NO_DECISION = _words(
    r"design[-\s]+(?:tokens?|systems?|files?|mock-?ups?|specs?)",
    r"(?:glob|regexp?|search|match(?:ing)?|file|url|route|existing|same|established)[-\s]+patterns?",
    r"pattern[-\s]+match(?:es|ing)?",
)


def _is_reading(task: Task) -> bool:
    return bool(READING.search(task.action)) and not IMPLEMENTING.search(task.action)


def _is_simple_fix(task: Task) -> bool:
    one_file = task.files is not None and len(task.files) == 1
    return one_file and bool(FIXING.search(task.name)) and not HARD_TO_FIX.search(task.done)


def _is_straightforward_feature(task: Task) -> bool:
    return bool(ADDING.search(task.action)) and not NOT_JUST_ADDING.search(task.action)


def _decides_architecture(task: Task) -> bool:
    if LARGE_SCALE.search(task.action) and REFACTORING.search(task.action):
        return True
    return bool(ARCHITECTURE.search(NO_DECISION.sub(" ", task.action)))


def _is_complex_refactoring(task: Task) -> bool:
    many_files = task.files is not None and len(task.files) > 2
    return many_files and bool(REFACTORING.search(task.name))


def _is_novel(task: Task) -> bool:
    return bool(NOVEL.search(task.action))


class Indicator(NamedTuple):
    key: str  # in the settings
    name: str
    weight: int
    applies: Callable[[Task], bool]


INDICATORS = (
    Indicator("reading", "mainly reading", -2, _is_reading),
    Indicator("simple_fix", "simple fix of one file", -2, _is_simple_fix),
    Indicator("addition", "straightforward addition", -1, _is_straightforward_feature),
    Indicator("architecture", "architecture decision", +3, _decides_architecture),
    Indicator("refactoring", "refactoring of several files", +2, _is_complex_refactoring),
    Indicator("novel", "novel or uncertain problem", +2, _is_novel),
)
