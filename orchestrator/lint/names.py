"""Names of files, and what upstream's validator asks of the frontmatter (F208, N0xx)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from orchestrator.model import Diagnostic, Plan
from orchestrator.model.codes import diagnostic
from orchestrator.model.plan import stem

REQUIRED = [
    "phase",
    "plan",
    "type",
    "wave",
    "depends_on",
    "files_modified",
    "autonomous",
    "must_haves",
]
NUMBERED = re.compile(r"(\d+(?:\.\d+)*[a-z]?)-(\d+[a-z]?)(?:-.*)?\Z", re.I)
NUMBER = re.compile(r"\D*?(\d+(?:\.\d+)*[a-z]?)(?![a-z\d.])", re.I)
SUMMARY = re.compile(r"[\w./{}~@-]*SUMMARY[\w.-]*\.md")


def check(plan: Plan) -> Iterator[Diagnostic]:
    yield from _missing(plan)
    yield from _disagreeing(plan)
    yield from _output(plan)


def _missing(plan: Plan) -> Iterator[Diagnostic]:
    """Only where upstream looks: below `.planning/phases`."""
    keys = {key.replace("-", "_") for key in plan.frontmatter}
    absent = [key for key in REQUIRED if key not in keys]
    if absent and keys and "/phases/" in f"/{plan.path}":
        text = f"upstream's validator asks for {', '.join(absent)}; add it to the frontmatter"
        yield diagnostic("F208", plan.path, plan.place("phase"), text)


def _disagreeing(plan: Plan) -> Iterator[Diagnostic]:
    named = NUMBERED.match(stem(plan.path))
    if named is None or "/quick/" in f"/{plan.path}":
        return
    for key, written in (("phase", named[1]), ("plan", named[2])):
        said = NUMBER.match(str(plan.frontmatter.get(key, "")).rpartition("/")[2])
        if said is None or _plain(said[1]) == _plain(written):
            continue
        whole = NUMBERED.match(str(plan.frontmatter[key]))  # plan: 01-02
        if whole is not None and _plain(whole[2]) == _plain(written):
            continue
        text = f"{key}: {said[1]}, but the file is called {written} there; the file name counts"
        yield diagnostic("N002", plan.path, plan.place(key), text)


def _plain(number: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", number).lower()


def _output(plan: Plan) -> Iterator[Diagnostic]:
    section = next((one for one in plan.sections if one.tag == "output"), None)
    named = SUMMARY.search(section.text) if section is not None else None
    if section is None or named is None or "{" in named[0] or named[0] == "SUMMARY.md":
        return  # a pattern, or the word for any of them
    wanted = PurePosixPath(named[0]).name
    beside = _summary(plan.path)
    if wanted not in (beside, _by_numbers(plan.path)):
        text = f"<output> names {wanted}; the SUMMARY is written beside its plan as {beside}"
        yield diagnostic("N003", plan.path, section.position, text)


def _by_numbers(path: str) -> str:
    """Upstream leaves out what follows the numbers: `01-02-SUMMARY.md` of `01-02-auth-PLAN.md`."""
    named = NUMBERED.match(stem(path))
    return f"{named[1]}-{named[2]}-SUMMARY.md" if named else ""


def _summary(path: str) -> str:
    name = PurePosixPath(path).name
    if re.fullmatch(r"(?:.*-)?PLAN\.md", name) or name.startswith("PLAN-"):
        return "SUMMARY".join(
            name.rsplit("PLAN", 1) if name.endswith("PLAN.md") else name.split("PLAN", 1)
        )
    return f"{PurePosixPath(name).stem}-SUMMARY.md"
