"""An estimate with its proposed splits as a comment on an issue. Refuses to post the same estimate of the same plans twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from orchestrator import redact
from orchestrator.outloop import github
from orchestrator.outloop.intake import Part
from orchestrator.redact import commands
from orchestrator.views.text import UNKNOWN, cost, counted, duration, plain, tokens

Found = Mapping[str, Any]
MOST = 50  # tasks that are named; a comment has an end


def post(
    root: Path, issue: str, plans: Sequence[str], found: Found, workers: int
) -> dict[str, Any]:
    """`issue`: as gh takes it; `found`: the document of the estimate. Where the comment is, as a document."""
    said = anyio.run(github.comment, root, issue, marker(root, plans), body(plans, found, workers))
    return {"url": said.url, "new": said.is_new}


def marker(root: Path, plans: Sequence[str]) -> str:
    """Nobody sees it. Another one where a plan has other words: that is another estimate."""
    digest = hashlib.sha256()
    for name in sorted(plans):
        content = (root / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return f"<!-- orchestrator estimate {digest.hexdigest()[:16]} -->"


def body(plans: Sequence[str], found: Found, workers: int) -> str:
    total, start = found["total"], found["start"]
    span = found["makespan_s"].get(str(workers)) or found["makespan_s"]["10"]
    rows = [
        f"**Estimate of {', '.join(map(_code, plans))}**, {counted(len(found['tasks']), 'task')}, first tries only",
        "",
        "| tokens | cost | done after |",
        "|---|---|---|",
        f"| {_range(total['tokens'], lambda n: tokens(round(n)))} | {_range(total['cost_usd'], cost)} "
        f"| {_range(span, duration)}, with {counted(workers, 'worker')} at once |",
        "",
        *(f"- {_code(one['message'])}" for one in start["refusals"]),
        *_splits(start["large_tasks"]),
    ]
    return commands.masked(redact.text("\n".join(rows).rstrip())) + "\n"


def _splits(large: Found) -> Iterator[str]:
    if not large:
        yield "No task asks for much at once: no split is proposed."
        return
    yield from ("", "**To be split**", "")
    for task, one in list(large.items())[:MOST]:
        where = ", as tasks of their own:" if len(one["split"]) > 1 else "; nothing in it shows where"  # fmt: skip
        yield f"- {_code(task)} asks for much at once: {', '.join(one['reasons'])}{where}"
        for part in one["parts"] if len(one["parts"]) > 1 else ():
            yield f"  - {_code(part['name'])}"
            yield from (f"    - {_code(step)}" for step in _others(part))
    if len(large) > MOST:
        yield f"- and {len(large) - MOST} more"


def _others(part: Found) -> tuple[str, ...]:
    return Part(part["name"], tuple(part["steps"])).others


def _code(text: str) -> str:
    """A plan's words call no person, name no other issue and close none."""
    return f"`{plain(text).replace('`', chr(39))}`"


def _range(pair: Mapping[str, float] | None, shown: Any) -> str:
    if pair is None:
        return UNKNOWN
    low, high = shown(pair["low"]), shown(pair["high"])
    return low if low == high else f"{low} to {high}"
