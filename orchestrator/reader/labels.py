"""Short names of plans from their file names; it refuses a name that two plans would share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from orchestrator.model import PlanId
from orchestrator.model.plan import SUFFIX, stem

_NUMBERED = re.compile(r"(?P<label>\d+[A-Za-z]?(?:\.\d+)*-\d+[A-Za-z]?)(?:-.*)?")


def labels(paths: Sequence[str]) -> dict[str, PlanId]:
    """For each path its label, or the path without its suffix where the label is empty or not unique."""
    short = {path: _label(path) for path in paths}
    counts = Counter(map(_plain, short.values()))
    long = {path: SUFFIX.sub("", path) or path for path in paths}
    taken = Counter(long.values())
    return {
        path: PlanId(
            label
            if label and counts[_plain(label)] == 1
            else long[path]
            if taken[long[path]] == 1
            else path
        )
        for path, label in short.items()
    }


def _label(path: str) -> str:
    name = PurePosixPath(path).name
    if name.upper() == "PLAN.MD":
        return PurePosixPath(path).parent.name
    match = _NUMBERED.fullmatch(stem(path))
    return match["label"] if match is not None else stem(path)


def _plain(label: str) -> str:
    """`1-2` and `01-02` are one name to people, and to the ledger."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", label).lower()
