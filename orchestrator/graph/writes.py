"""What tasks declare to write -> who would touch the same file. Knows paths, folders and globs; refuses nothing."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from orchestrator.model import Plan, Task, TaskId

GLOB = frozenset("*?{")  # brackets are names: `app/[id]/page.tsx`


def shared_files(plans: Sequence[Plan]) -> Iterator[tuple[TaskId, TaskId, str]]:
    """Pairs of tasks in document order that declare a common file, with that file.

    Inside a plan `<files>` counts; between plans also what only `files_modified` names.
    """
    own: list[tuple[Task, frozenset[str]]] = []
    beyond: list[frozenset[str]] = []
    plan_of: list[int] = []
    for number, plan in enumerate(plans):
        extra = _undeclared(plan)
        for task in plan.tasks:
            if task.is_checkpoint:
                continue  # it writes nothing
            own.append((task, frozenset(map(normal, task.files or ()))))
            beyond.append(extra)
            plan_of.append(number)
    for first, second in sorted(
        _meetings([files | more for (_, files), more in zip(own, beyond, strict=True)])
    ):
        same_plan = plan_of[first] == plan_of[second]
        a = own[first][1] if same_plan else own[first][1] | beyond[first]
        b = own[second][1] if same_plan else own[second][1] | beyond[second]
        file = common(a, b)
        if file is not None:
            yield own[first][0].id, own[second][0].id, file


def common(a: frozenset[str], b: frozenset[str]) -> str | None:
    """The first file that both write; None if they have none in common."""
    exact = a & b
    if exact:
        return min(exact)
    return next((x for x in sorted(a) for y in sorted(b) if overlaps(x, y)), None)


def overlaps(a: str, b: str) -> bool:
    """Same path, one the folder of the other, or a glob that matches."""
    if a == b or "." in (a, b) or a.startswith(b + "/") or b.startswith(a + "/"):
        return True
    if GLOB.isdisjoint(a) and GLOB.isdisjoint(b):
        return False
    if not GLOB.isdisjoint(a) and not GLOB.isdisjoint(b):
        x, y = _literal(a), _literal(b)
        return x.startswith(y) or y.startswith(x)
    pattern, path = (b, a) if GLOB.isdisjoint(a) else (a, b)
    if "{" in pattern:  # fnmatch knows no braces: all below the literal start counts
        return path.startswith(_literal(pattern))
    return _translate(pattern).fullmatch(path) is not None


def normal(path: str) -> str:
    """`./a//b/` and `a/b` are one file."""
    text = posixpath.normpath(path.replace("\\", "/"))
    return text.removeprefix("./")


def _translate(glob: str) -> re.Pattern[str]:
    """`**` crosses folders, `*` and `?` do not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part) or re.escape(part) for part in parts))


def _literal(pattern: str) -> str:
    return next((pattern[:i] for i, char in enumerate(pattern) if char in GLOB), pattern)


def _undeclared(plan: Plan) -> frozenset[str]:
    """What the plan says it modifies and no task of it declares: any of its tasks may write it."""
    declared = {normal(file) for task in plan.tasks for file in task.files or ()}
    return frozenset(map(normal, plan.files_modified)) - declared


def _meetings(write_sets: Sequence[frozenset[str]]) -> set[tuple[int, int]]:
    """Candidates for a common file, without comparing everything with everything."""
    at: dict[str, list[int]] = defaultdict(list)
    globs: list[tuple[str, int]] = []
    for index, files in enumerate(write_sets):
        for file in files:
            at[file].append(index)
            if not GLOB.isdisjoint(file):
                globs.append((file, index))
    pairs: set[tuple[int, int]] = set()
    for file, here in at.items():
        above = [one for folder in PurePosixPath(file).parents for one in at.get(str(folder), ())]
        pairs |= {_pair(a, b) for a in here for b in (*here, *above) if a != b}
    for pattern, index in globs:
        touched = (one for file, here in at.items() if overlaps(pattern, file) for one in here)
        pairs |= {_pair(index, one) for one in touched if one != index}
    return pairs


def _pair(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)
