"""Real commands as operations: how fast, which patterns come of them, and what share of tokens they have. `python -m bench.commands [FILE]`.

A workflow is one run of an agent (`i`); a step is what its main operation is; tokens are those of the call that wrote the
command (`p` and `o`). All runs together are taken as one month. Money is tokens at what these runs were billed for each, caching included.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import tree_sitter_bash
from tree_sitter import Language, Parser

from orchestrator.model.outloop import Operation
from orchestrator.outloop.operation import main_operation
from orchestrator.outloop.patterns import confidence

DATA = Path(__file__).parents[2] / "shared/data/routing/commands.jsonl.gz"
ROOT = "/testbed"  # where these runs had their checkout
OCCURRENCES, CONFIDENCE, MONTHLY_USD = 5, 70, 0.50  # the seed's thresholds
CHECKING = ("test", "build", "lint", "format")
SCRIPTED = frozenset(["python", "bash", "node"])  # `test_fix.py` is mostly the agent's own
RESAMPLES, ROUNDS = 1000, 3


class Step(NamedTuple):
    workflow: str
    found: Operation | str
    ok: bool | None  # None: its end was not seen
    tokens: int

    @property
    def tool(self) -> str:
        return self.found.tool if isinstance(self.found, Operation) else "none"

    @property
    def verb(self) -> str:
        return self.found.verb if isinstance(self.found, Operation) else "none"


class Found(NamedTuple):
    """A pattern: the most specific signature with enough workflows, and all steps that it stands for."""

    signature: str
    steps: tuple[Step, ...]

    @property
    def workflows(self) -> int:
        return len({step.workflow for step in self.steps})

    @property
    def confidence(self) -> float:
        """Of the share of workflows in which it ended as it mostly does, where its last end was seen."""
        last = {step.workflow: step.ok for step in self.steps if step.ok is not None}
        ends = Counter(last.values())
        return confidence(max(ends.values(), default=0), ends.total())

    @property
    def tokens(self) -> int:
        return sum(step.tokens for step in self.steps)


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    if not path.is_file():
        sys.exit(f"no such file: {path}; give a file of commands, as in bench/commands.py")
    print("\n".join(speed(read(path))), end="\n\n")
    print("\n".join(tables(path)))


def read(path: Path) -> list[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def speed(rows: Sequence[dict[str, object]]) -> Iterator[str]:
    """The best of some rounds in turn, so that both have the same machine."""
    scripts = [str(row["c"] or "") for row in rows]
    raw = [script.encode("utf-8", "replace") for script in scripts]
    parser = Parser(Language(tree_sitter_bash.language()))
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        best[0] = min(best[0], taken(lambda: [parser.parse(one) for one in raw]))
        best[1] = min(best[1], taken(lambda: [main_operation(one, ROOT) for one in scripts]))
    yield "| | commands a second | times the bare parsing |"
    yield "|---|---:|---:|"
    for name, taken_s in zip(("tree-sitter alone", "operations"), best, strict=True):
        yield f"| {name} | {len(scripts) / taken_s:,.0f} | {taken_s / best[0]:.1f} |"


def taken(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def tables(path: Path) -> Iterator[str]:
    """All that is the same each time."""
    steps = [
        Step(
            row["i"],
            main_operation(row["c"] or "", ROOT),
            None if row["rc"] is None else row["rc"] == 0,
            (row["p"] or 0) + (row["o"] or 0),
        )
        for row in read(path)
    ]
    usd = price(path.with_name("trajectories.csv"))
    found = patterns(steps)
    sure = [one for one in found if one.confidence >= CONFIDENCE]
    paying = [one for one in sure if one.tokens * usd >= MONTHLY_USD]
    yield from _counted(steps, found, sure, paying, usd)
    yield ""
    yield from _shared(steps, paying)
    yield ""
    yield from _best(paying, usd)


def price(path: Path) -> float:
    """Dollars for one token of these runs, of any kind."""
    with path.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    tokens = sum(float(row["prompt_tokens"]) + float(row["completion_tokens"]) for row in rows)
    return sum(float(row["cost_usd"]) for row in rows) / tokens


def patterns(steps: Sequence[Step]) -> list[Found]:
    """Each step counts for the most specific level of its operation that enough workflows have."""
    seen: dict[str, set[str]] = defaultdict(set)
    known = [(step, step.found) for step in steps if isinstance(step.found, Operation)]
    for step, operation in known:
        for level in operation.levels:
            seen[level].add(step.workflow)
    held: dict[str, list[Step]] = defaultdict(list)
    for step, operation in known:
        enough = (one for one in operation.levels if len(seen[one]) >= OCCURRENCES)
        level = next(enough, None)
        if level:
            held[level].append(step)
    made = [Found(signature, tuple(steps)) for signature, steps in held.items()]
    return [one for one in made if one.workflows >= OCCURRENCES]


def _counted(
    steps: Sequence[Step],
    found: Sequence[Found],
    sure: Sequence[Found],
    paying: Sequence[Found],
    usd: float,
) -> Iterator[str]:
    reasons = Counter(step.found for step in steps if isinstance(step.found, str))
    signatures = {step.found.signature for step in steps if isinstance(step.found, Operation)}
    yield "| | |"
    yield "|---|---:|"
    yield f"| commands, of {len({step.workflow for step in steps})} runs | {len(steps):,} |"
    yield f"| with a signature | {len(steps) - reasons.total():,} |"
    for reason, count in reasons.most_common():
        yield f"| without: {reason} | {count} |"
    yield f"| different signatures | {len(signatures):,} |"
    yield f"| patterns in {OCCURRENCES} runs or more, at the most specific level | {len(found)} |"
    yield f"| of these with confidence {CONFIDENCE} or more | {len(sure)} |"
    yield f"| of these with {MONTHLY_USD:.2f} dollars a month or more, at {usd * 1e6:.2f} dollars for a million tokens | {len(paying)} |"
    checking = [one for one in paying if one.signature.partition(":")[0] in CHECKING]
    yield f"| of these that test, build, lint or format | {len(checking)} |"


def _shared(steps: Sequence[Step], paying: Sequence[Found]) -> Iterator[str]:
    chosen = {id(step) for one in paying for step in one.steps}
    checks = "test, build, lint and format"
    yield "| share of all prompt and output tokens | | 95% over runs |"
    yield "|---|---:|---:|"
    told: list[tuple[str, Callable[[Step], bool]]] = [
        (f"{checks}: all that offloading them could save", lambda one: one.verb in CHECKING),
        (
            f"{checks}, patterns above all three thresholds only",
            lambda one: one.verb in CHECKING and id(one) in chosen,
        ),
        (
            f"{checks}, without files of tests that are run as scripts",
            lambda one: one.verb in CHECKING and one.tool not in SCRIPTED,
        ),
        (
            f"{checks}, and all other programs that are run",
            lambda one: one.verb in (*CHECKING, "run"),
        ),
        ("search and read", lambda one: one.verb in ("search", "read")),
        ("edit", lambda one: one.verb == "edit"),
    ]
    for name, holds in told:
        share, low, high = interval(steps, holds)
        yield f"| {name} | {share:.1%} | {low:.1%} to {high:.1%} |"
    yield "| seed 003's claim for offloading and the rest of it | 30-60% | not confirmed |"


def interval(steps: Sequence[Step], holds: Callable[[Step], bool]) -> tuple[float, float, float]:
    """The share of tokens, and where 95% of resampled runs have it."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for step in steps:
        sums[step.workflow][1] += step.tokens
        sums[step.workflow][0] += step.tokens * holds(step)
    runs = list(sums.values())
    dice = random.Random(9)
    shares = sorted(_share(dice.choices(runs, k=len(runs))) for _ in range(RESAMPLES))
    edge = RESAMPLES // 40
    return _share(runs), shares[edge], shares[-edge - 1]


def _share(runs: Sequence[Sequence[int]]) -> float:
    return sum(run[0] for run in runs) / sum(run[1] for run in runs)


def _best(paying: Sequence[Found], usd: float) -> Iterator[str]:
    checking = [one for one in paying if one.signature.partition(":")[0] in CHECKING]
    yield "| the patterns above all thresholds that check, by money | runs | times | confidence | dollars a month at most |"
    yield "|---|---:|---:|---:|---:|"
    for one in sorted(checking, key=lambda one: -one.tokens)[:10]:
        told = f"{one.workflows} | {len(one.steps)} | {one.confidence:.0f} | {one.tokens * usd:.2f}"
        yield f"| `{one.signature}` | {told} |"


if __name__ == "__main__":
    main()
