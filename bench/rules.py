"""docs/rules.md: every rule, and what they say over a folder of real plans. `python -m bench.rules FOLDER > docs/rules.md`; a test compares it."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from orchestrator import settings
from orchestrator.cli import homes, lint
from orchestrator.model import Diagnostic, Severity
from orchestrator.model.codes import CODES

FAMILIES = {
    "S": "Structure", "F": "Frontmatter", "T": "Values of tasks", "K": "Kinds of files",
    "G": "Who waits for whom", "P": "Paths", "W": "What tasks write", "V": "How tasks are checked",
    "C": "What people are asked", "M": "Who does it", "N": "Names of files", "X": "Secrets",
    "L": "Words without effect",
}  # fmt: skip
HEAD = """# The rules of `orchestrator lint`

Written by `python -m bench.rules FOLDER > docs/rules.md`; a test compares it. `orchestrator lint --explain CODE` tells more
of a rule, with an example of what is wrong and what is right. Errors stop a run; warnings do not.

The counts are those over {plans} public plans with {tasks} tasks that nobody on this project wrote (each project's plans
without its sources): how often a rule speaks, and in how many plans. {clean} of the plans ({share:.2f}%) have no structure error
(S, F, T, K405).
"""


def render(folder: Path) -> Iterator[str]:
    chosen = settings.load(folder)
    checked = homes.check([folder], chosen.reader)
    said = lint.diagnose(checked, [folder], folder, chosen)
    errors = [one for one in said if one.severity is Severity.ERROR]
    torn = {one.file for one in errors if one.code[0] in "SFT" or one.code == "K405"}
    plans, tasks = len(checked.tasks), sum(checked.tasks.values())
    clean = plans - len(torn)
    yield HEAD.format(plans=plans, tasks=tasks, clean=clean, share=100 * clean / plans)
    yield from _rules(said)
    yield from _refusals(errors)


def _rules(said: list[Diagnostic]) -> Iterator[str]:
    counts = Counter(one.code for one in said)
    files: dict[str, set[str]] = defaultdict(set)
    for one in said:
        files[one.code].add(one.file)
    for letter, family in FAMILIES.items():
        yield f"## {family}\n"
        yield "| code | | what | said | plans |"
        yield "|---|---|---|---:|---:|"
        for code, (severity, title) in CODES.items():
            if code[0] == letter:
                told = title.replace("<", "&lt;").replace("|", "\\|")
                yield f"| {code} | {severity} | {told} | {counts[code]} | {len(files[code])} |"
        yield ""


def _refusals(errors: list[Diagnostic]) -> Iterator[str]:
    yield "## Every refusal in these plans\n"
    for one in errors:
        message = one.message.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
        yield f"- {one.code} {one.file}:{one.line}:{one.column} {message}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bench.rules FOLDER > docs/rules.md")
    print("\n".join(render(Path(sys.argv[1]))))
