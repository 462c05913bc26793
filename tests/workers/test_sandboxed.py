"""The contract in a sandbox: every real client finds there all that it needs, and writes nothing elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import settings
from orchestrator.process.fence import lay
from tests import sandboxes
from tests.agents import clients
from tests.workers.cases import Case
from tests.workers.columns import Column, columns
from tests.workers.contract import judge, play, real_stage

SHOWN = {
    "success",
    "resume",
    "cancel",
    "orphan",
    "sigkill",
}  # all of them pass; these touch all that is different
CELLS = [
    pytest.param(column, case, id=f"{column.name}-{case.name}")
    for column in columns().values()
    for case in column.cases
    if case.name in SHOWN
]


@pytest.mark.parametrize(("column", "case"), CELLS)
async def test_a_real_client_keeps_the_contract_in_a_sandbox(
    column: Column, case: Case, tmp_path: Path
):
    clients.needs(column.name)
    await sandboxes.need_bubblewrap()
    with real_stage(column, case, tmp_path) as stage:
        temporary = stage.place.root / "temporary"
        temporary.mkdir()
        chosen = settings.load(stage.place.root).sandbox.model_dump(exclude={"mode"})
        fence = lay(stage.place.work, temporary, isolated=False, **chosen)
        played = await play(column, case, stage, fence=fence)
    judge(column, case, played)
