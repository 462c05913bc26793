"""The words and patterns of the plan format; it decides nothing and holds no text."""

from __future__ import annotations

import re
from typing import Final

CORE: Final = frozenset({"name", "files", "action", "verify", "done"})

# Children of a task that were seen in public plans. Others are read too, but only these are a sure
# sign that the element before them has ended.
_SEEN = """read_first acceptance_criteria behavior resume-signal how-to-verify what-built precondition
    reversibility decision context options instructions verification implementation metrics
    human-check automated title description objective commit step steps notes note requirements
    rollback constraints test tests output why criterion file detail process manual
    labels pre_execution_check scope_override scope_note depends_on must_haves autonomous files_modified id
    wave sampling_rate expect verify_after what success_criteria"""
CHILDREN: Final = CORE | frozenset(_SEEN.split())

# Elements with a grammar of their own, one level down; everything else is raw text.
NESTED: Final = {
    "verify": frozenset({"automated", "human-check", "manual"}),
    "human-check": frozenset({"test", "expected", "why_human"}),
    "options": frozenset({"option"}),
    "option": frozenset({"name", "pros", "cons"}),
    "metrics": frozenset(
        {"estimated-tokens", "estimated-duration", "token-budget", "estimated-cost"}
    ),
}

_SECTIONS = """objective execution_context context verification success_criteria output threat_model
    interfaces"""
SECTIONS: Final = frozenset(_SECTIONS.split())

NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"
# Values may not span lines: an unclosed quote must not swallow the plan.
_VALUE = r"\s*=\s*(?:\"[^\"\n]*\"|'[^'\n]*')"
ATTRIBUTE: Final = re.compile(rf"({NAME}){_VALUE}")
ATTRIBUTES = rf"(?:\s+{NAME}{_VALUE})*"

NAMED: Final = re.compile(NAME)
OPENER: Final = re.compile(rf"<({NAME})({ATTRIBUTES})\s*(/?)>")
CLOSER: Final = re.compile(rf"</({NAME})[ \t]*>")
LINE_CLOSERS: Final = re.compile(rf"^[ \t]*(</({NAME})[ \t]*>)", re.M)
# A tag that the pattern above refuses still opens its element: up to `>` or the end of the line.
DAMAGED: Final = re.compile(rf"<({NAME})(?:[^<>\n]*>|[^<>\n]*)")
# An open tag as someone wrote it, its name perhaps damaged: `<acceptance*criteria>`.
WRITTEN: Final = re.compile(r"<([A-Za-z_][^\s<>/\"'=]*)(?=[\s>/])")
SPACE: Final = re.compile(r"\s*")

# A line may begin with the byte order mark of the file.
_START = r"^\ufeff?[ \t]*"
TASKS_TAG: Final = re.compile(r"<tasks(?=[\s>])")
TASK_TAG: Final = re.compile(r"<task(?=[\s>/])")
OTHER_CASE: Final = re.compile(r"<tasks?(?=[\s>])", re.I)
TASK_OPENERS: Final = re.compile(rf"{_START}(<task(?=[\s>/]))", re.M)
TASK_BOUNDS: Final = re.compile(rf"{_START}(<task(?=[\s>/])|</task\s*>|</tasks\s*>)", re.M)
WRAPPERS: Final = re.compile(rf"{_START}<tasks(?=[\s>])", re.M)
FENCES: Final = re.compile(r"^[ \t]*(?:[-*>][ ]+|\d+\.[ ]+)?(?:`{3,}|~{3,})", re.M)
DECLARATION: Final = re.compile(r"<!(?:DOCTYPE|ENTITY)\b", re.I)

# What may stand at the start of a line outside all elements, and between two tasks.
_TASKS = r"</?tasks?(?=[\s>/])|<!(?:DOCTYPE|ENTITY)\b|<!--"
OUTSIDE: Final = re.compile(rf"{_START}(?={_TASKS})|^\ufeff?(?=<{NAME}[\s>])", re.M | re.I)
BETWEEN: Final = re.compile(rf"{_START}(?={_TASKS}|<[a-z_])", re.M | re.I)
TAG_HERE: Final = re.compile(rf"(?={_TASKS})", re.I)
ANY_TAG_HERE: Final = re.compile(rf"(?={_TASKS}|<[a-z_])", re.I)
BULLET: Final = re.compile(r"[ \t]*(?:[-*+][ \t]+|\d+\.[ \t]+)?")
