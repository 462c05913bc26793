"""A candidate as a text for people: what was seen, what it costs, and what would do it instead. Refuses to promise what was not measured."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from orchestrator import redact
from orchestrator.amounts import cost
from orchestrator.disk import write_whole
from orchestrator.errors import RecordError
from orchestrator.journal import HOME
from orchestrator.model.outloop import Occurrence, Pattern, Tool
from orchestrator.redact import commands

FOLDER = f"{HOME}/suggestions"
LABELS = ("automation-candidate", "cost-optimization")
HIGH_USD, MEDIUM_USD = 10.0, 2.0  # a month
NAME, DIGEST = 200, 8  # characters of a file's
MOST = 5  # commands, and examples
UNMEASURED = "not measured"
MATCH = 70.0  # where nobody says another [patterns] match


def title(pattern: Pattern) -> str:
    return f"Automation candidate: {pattern.signature}"


def priority(pattern: Pattern) -> str:
    if pattern.monthly_usd >= HIGH_USD:
        return "high"
    return "medium" if pattern.monthly_usd >= MEDIUM_USD else "low"


def render(
    pattern: Pattern,
    seen: Sequence[Occurrence],
    tool: Tool | None,
    floor: float = MATCH,
    since: str = "",
) -> str:
    """`seen`: all of its occurrences, oldest first. `tool`: an enabled one that could do it today. `since`: a month ago."""
    tokens, usd = _with_tool(pattern)
    whole = [one for one in seen if one.similarity >= floor]
    rows = [
        *_opening(pattern, seen, floor, _savings(pattern, seen, whole, since)),
        "| Each time | With a model | With a script |",
        "|---|---|---|",
        f"| Tokens | {_tokens(pattern.mean_tokens)} | {_tokens(tokens)} |",
        f"| Cost | {_usd(pattern.mean_cost_usd)} | {_usd(usd)} |",
        "",
        f"{_per_use(pattern, usd, bool(whole))} Means are of the {pattern.measured} that told their tokens.",
        "",
        "## What is run",
        "",
        *_commands(seen),
        "",
        "## What to do",
        "",
        *_steps(pattern, tool, bool(whole)),
        "",
        "## Latest examples",
        "",
        *[f"- {one.at[:16]}Z  {one.workflow}" for one in reversed(seen[-MOST:])],
        "",
        "---",
        f"Labels: {', '.join(LABELS)}  ",
        f"Priority: {priority(pattern)}",
    ]
    return commands.masked(redact.text("\n".join(rows))) + "\n"


def _opening(pattern: Pattern, seen: Sequence[Occurrence], floor: float, savings: str) -> list[str]:
    return [
        f"# {title(pattern)}",
        "",
        f"**Pattern:** `{pattern.signature}`  ",
        f"**Seen:** in {pattern.occurrences} attempts at tasks, or sessions, {pattern.first_seen[:10]} to {pattern.last_seen[:10]}; "
        f"{pattern.confidence:g} of 100 sure that it is the same each time  ",
        f"**Of these:** {extent(seen, floor)}  ",
        f"**It would save:** {savings}",
        "",
    ]


def extent(seen: Sequence[Occurrence], floor: float) -> str:
    """What a tool could take over, and what it could not: a tool does whole tasks."""
    whole = wholes(seen, floor)
    shares = len({one.workflow for one in seen}) - whole
    told = f"{whole} whole tasks that asked for nothing else"
    return f"{told}; {shares} only shares of larger tasks, which no tool takes over" if shares else told  # fmt: skip


def wholes(seen: Sequence[Occurrence], floor: float) -> int:
    """How many of these tasks a tool could have done: those that asked for nothing else."""
    return len({one.workflow for one in seen if one.similarity >= floor})


def place(root: Path, pattern: Pattern) -> Path:
    """A name that every file system takes. Where it leaves a difference out, a digest tells it."""
    slug = re.sub(r"[^A-Za-z0-9_.]+", "-", pattern.signature)[:NAME].strip("-.")
    if slug.replace("-", ":") != pattern.signature:
        slug += f"-{hashlib.sha256(pattern.signature.encode()).hexdigest()[:DIGEST]}"
    return root / FOLDER / f"{slug}.md"


def write(root: Path, pattern: Pattern, text: str) -> bool:
    """False: it is there already, perhaps with a person's notes."""
    path = place(root, pattern)
    if path.exists():
        return False
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as refused:
        what = f"cannot make {path.parent}: {refused.strerror}; make room or make it writable"
        raise RecordError(what) from refused
    write_whole(path, text)
    return True


def _with_tool(pattern: Pattern) -> tuple[float, float]:
    """A script asks no model, unless one is known that does."""
    return pattern.tool_tokens or 0.0, pattern.tool_cost_usd or 0.0


def _savings(
    pattern: Pattern, seen: Sequence[Occurrence], whole: Sequence[Occurrence], since: str
) -> str:
    """As tasks are planned now, and as they could be: a tool takes no part of a task."""
    every, done = ({one.workflow for one in some} for some in (seen, whole))
    less = _with_tool(pattern)[1]
    recent = [one.cost_usd - less for one in whole if one.cost_usd is not None and one.at >= since]
    now = min(pattern.monthly_usd, max(0.0, math.fsum(recent)))
    most = f"at most {_monthly(pattern.monthly_usd)}, as the last 30 days were"
    if len(done) == len(every):
        return most
    of = f"{len(done)} of {len(every)} were whole tasks, and a tool takes only those"
    if not done:
        return f"nothing as tasks are planned now: {of}. As tasks of their own {most}"
    return f"at most {_monthly(now)} as tasks are planned now: {of}. As tasks of their own all of it would be {most}"


def _monthly(usd: float) -> str:
    return f"{cost(usd)} a month ({cost(12 * usd)} a year)"


def _per_use(pattern: Pattern, usd: float, is_whole: bool) -> str:
    if not pattern.mean_cost_usd:
        return "What one use costs was not measured."
    saved = pattern.mean_cost_usd - usd
    when = "Saved each time" if is_whole else "Saved each time that it is a task of its own"
    return f"{when}: {cost(saved)} ({saved / pattern.mean_cost_usd:.0%})."


def _commands(seen: Sequence[Occurrence]) -> list[str]:
    counts = Counter(one.command for one in seen if one.command)
    usual = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST]
    return [f"- {count}x `{' '.join(command.split()).replace('`', chr(39))}`" for command, count in usual]  # fmt: skip


def _steps(pattern: Pattern, tool: Tool | None, is_whole: bool) -> list[str]:
    name = pattern.signature
    plan = (
        []
        if is_whole
        else [
            "So far it was always a part of a larger task. Plan it as a task of its own, with its command as the check; then:",
            "",
        ]
    )
    if tool is not None:
        return [
            *plan,
            f"The tool `{tool.name}` can do this, where a task asks for nothing else. From this word on such tasks are done without a model:",
            "",
            f"    orchestrator patterns approve {name}",
        ]
    return [
        *plan,
        "No tool does this yet. Draft one from what was run, look it over, add it, and approve:",
        "",
        f"    orchestrator patterns propose {name}",
        f"    orchestrator patterns approve {name}",
        "",
        f"Or, if it is not to be: `orchestrator patterns reject {name}`.",
    ]


def _tokens(count: float | None) -> str:
    return UNMEASURED if count is None else f"{round(count):,}"


def _usd(amount: float | None) -> str:
    return UNMEASURED if amount is None else cost(amount)
