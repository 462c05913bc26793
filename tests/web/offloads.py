"""A project whose agents did the same things again and again: patterns of all kinds, tools with a record, savings, what was read. Real rows."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator import clock, ledger
from orchestrator.model.outloop import (
    Context,
    Occurrence,
    Optimization,
    Saving,
    ToolCall,
)
from orchestrator.outloop import discovery, profiles, store, toolbox
from orchestrator.outloop.rows import operation
from orchestrator.outloop.store import Store
from orchestrator.settings import ledger_folder
from tests.ledger.outcomes import line

KINDS = {
    "test:pytest:backend": ("cd backend && pytest -q", 9, 12_000),
    "build:tsc:frontend": ("npx tsc --noEmit -p frontend", 8, 6_000),
    "lint:ruff:all": ("ruff check .", 12, 3_100),
    "format:prettier:all": ("npx prettier --write .", 7, 2_200),
    "test:vitest:web": ("npx vitest run <b>web</b>", 6, 8_000),
}
ACTIVE, CANDIDATE = "test:pytest:backend", "build:tsc:frontend"


def at(days: float) -> str:
    moment = datetime.fromtimestamp(clock.wall(), UTC) - timedelta(days=days)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def learn(root: Path) -> None:
    chance = random.Random(7)
    with store.writing(root) as book:
        toolbox.register(book)
        for name, (command, count, tokens) in KINDS.items():
            book.record(
                Occurrence(
                    workflow=f"261001-{name[:3]}ab demo/{n} 1", operation=operation(name), at=at(28 - n), similarity=100,
                    tokens=round(tokens * chance.uniform(0.7, 1.4)), cost_usd=tokens * chance.uniform(1.5e-5, 2.5e-5), command=command, ok=True,
                )
                for n in range(count)
            )  # fmt: skip
            _read(book, name, count, chance)
        discovery.nominate(book, [CANDIDATE, "format:prettier:all"], at(30))
        discovery.approve(book, ACTIVE, "Ada")
        discovery.reject(book, "test:vitest:web", "Ada", "its output is read by a person")
        _offloaded(book, 5)
        book.keep_tool(
            toolbox.shipped()[0].model_copy(update={"name": "own_build", "shipped": False})
        )
        toolbox.disable(book, "own_build", "it failed 3 times in a row", toolbox.OURSELVES)


def _read(book: Store, name: str, count: int, chance: random.Random) -> None:
    files = [f"src/part{n}.py" for n in range(12)]
    for n in range(count):
        loaded = {file: chance.randrange(400, 9000) for file in chance.sample(files, 8)}
        used = tuple(sorted(loaded))[: chance.randrange(1, 4)]
        session = f"261001-{name[:3]}ab demo/{n} 1"
        book.keep_access(profiles.track(session, at(28 - n), Context(loaded=loaded, used=used)))


def _offloaded(book: Store, times: int) -> None:
    tool, before = "run_test_workflow", book.baseline(ACTIVE, 70)
    assert before
    for n in range(times):
        workflow, when = f"261020-offld demo/{n} 1", at(times - n)
        ok = n != 1
        book.book_call(
            ToolCall(
                tool=tool, pattern=ACTIVE, workflow=workflow, at=when, duration_s=3, ok=ok,
                tokens_saved=before.tokens if ok else 0,
            )
        )  # fmt: skip
        if ok:
            book.book_saving(
                Saving(
                    at=when, kind=Optimization.PATTERN_OFFLOAD, workflow=workflow, pattern=ACTIVE,
                    tokens=before.tokens, cost_usd=before.cost_usd, baseline=before.n,
                )
            )  # fmt: skip


def spend(days: int = 9) -> None:
    """Into this user's ledger, each day some."""
    chance = random.Random(3)
    now = datetime.fromtimestamp(clock.wall(), UTC)
    told = {"output": 1000, "cache_read": 10**7, "cache_write": 20_000, "reasoning": None}
    ledger.append(
        ledger_folder(),
        [
            line(at=now - timedelta(days=n), number=700 + n, tokens=told | {"input": chance.randrange(10**5, 10**6)})
            for n in range(days)
        ],
    )  # fmt: skip
