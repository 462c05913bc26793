"""A run that begins lets the others go on: what is long is read beside them."""

from __future__ import annotations

import time
from pathlib import Path

import anyio

from orchestrator import journal, project, settings
from orchestrator.daemon import launch
from orchestrator.model import RunId
from orchestrator.project import Source
from orchestrator.views.before import done_before
from tests.cli.projects import makes

MANY, ROUNDS = 400, 12


async def test_the_past_of_a_revision_is_read_beside_the_other_runs(tmp_path: Path):
    head = (
        "---\nphase: demo\nplan: 01\nworkspace: directory\n---\n<objective>x</objective>\n<tasks>\n"
    )
    tasks = "".join(makes(f"Task {n}: {n}", f"{n}.txt") for n in range(MANY))
    path = tmp_path / "a-PLAN.md"
    path.write_text(f"{head}{tasks}</tasks>\n")
    chosen = settings.load(tmp_path)
    sources = project.sources(tmp_path, [path], chosen.reader.max_bytes)
    (plan,) = project.load(tmp_path, sources, chosen.reader).plans
    with journal.writing(tmp_path) as book:
        run = book.begin({}, [journal.store(one.id, one.path, one.content) for one in sources])
        began = time.perf_counter()
        done_before(book, run, plan)
        takes_s = time.perf_counter() - began
        before = {plan.path: run}
        silences = [takes_s]
        while min(silences) >= takes_s / 2 and len(silences) < ROUNDS:
            silences.append(await longest_silence(tmp_path, sources, before))
    assert min(silences) < takes_s / 2  # whatever else this machine does only adds to it


async def longest_silence(root: Path, sources: list[Source], before: dict[str, RunId]) -> float:
    """Of the loop, in seconds, while a run is made ready."""
    silences = [0.0]

    async def listen() -> None:
        last = time.perf_counter()
        while True:
            await anyio.sleep(0.002)
            silences.append(time.perf_counter() - last)
            last = time.perf_counter()

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await launch.prepare(root, sources, settings.load(root), 0, before)
        group.cancel_scope.cancel()
    return max(silences)
