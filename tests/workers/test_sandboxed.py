"""The contract in a sandbox: every real client finds there all that it needs, and writes nothing elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator import settings
from orchestrator.process.fence import lay
from orchestrator.settings import WorkerSettings
from orchestrator.workers.agent import AgentWorker
from tests import sandboxes
from tests.agents import clients
from tests.workers.cases import Case
from tests.workers.columns import Column, columns
from tests.workers.contract import judge, only_environment, play, real_stage
from tests.workers.test_agent import END, Script
from tests.workers.test_claude import attempt

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
        with only_environment(
            stage.env
        ):  # as the engine has it: its temporary folder is another one in there
            fence = lay(stage.place.work, temporary, isolated=False, **chosen)
        played = await play(column, case, stage, fence=fence)
    judge(column, case, played)


@pytest.mark.parametrize("own", ["x.v2", None])
async def test_its_folder_is_made_and_its_file_is_not_however_they_are_called(
    own: str | None, tmp_path: Path
):
    await sandboxes.need_bubblewrap()
    place, home, temporary = (tmp_path / name for name in ("work", "home", "temporary"))
    for folder in (place, home, temporary):
        folder.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    env |= {"CLAUDE_CONFIG_DIR": str(home / own)} if own else {}
    box = sandboxes.around(place, temporary)
    given = attempt(workspace=str(place), transcript=str(place / "1.log"), environment=env)
    given = given.model_copy(update={"sandbox": box})
    folder = own or ".claude"
    client = Script(f"SAID=$(echo x > ~/{folder}/state && echo ok)\n{END}")
    worker = AgentWorker(client, WorkerSettings(program="bash"), {}, grace_s=0.2)
    outcome = await worker.run(given, lambda progress: None)
    assert (outcome.failure, outcome.text) == (None, "ok")
    assert [one.name for one in home.iterdir()] == [folder]
    assert (home / folder / "state").read_text() == "x\n"
