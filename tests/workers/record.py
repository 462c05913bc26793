"""Records real clients: `REAL_CLIENTS=... python -m tests.workers.record claude [CASE...]`. Keeps only what keeps the contract."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

import anyio

from tests.agents import clients
from tests.workers.cases import Case
from tests.workers.columns import Column, columns
from tests.workers.contract import judge, play, real_stage
from tests.workers.recordings import FOLDER, Listener, NotingStage, keep


async def record(column: Column, case: Case) -> Path:
    with (
        tempfile.TemporaryDirectory(prefix="record-") as root,
        real_stage(column, case, Path(root)) as real,
    ):
        stage = NotingStage(real, case.arguments)
        played = await play(column, case, stage, partial(Listener, stage=stage))
        judge(column, case, played)
        return keep(column, case, stage)


def main(name: str, names: list[str]) -> int:
    column = columns().get(name)  # type: ignore[call-overload]
    if column is None or clients.find(column.name) is None:
        print(f"no column or no client {name!r}", file=sys.stderr)
        return 64
    failed = 0
    for case in column.cases:
        if names and case.name not in names:
            continue
        try:
            print(anyio.run(record, column, case))
        except AssertionError as fault:
            failed += 1
            print(f"{case.name}: {fault}", file=sys.stderr)
    if not names:
        for path in set((FOLDER / name).glob("*.json")) - {
            FOLDER / name / f"{c.name}.json" for c in column.cases
        }:
            print(f"left over: {path}", file=sys.stderr)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
