"""What a daemon's `notify.command` starts has the project's mark: who comes after one that was killed finds it. It gets nothing else of ours."""

from __future__ import annotations

from pathlib import Path

from orchestrator.daemon.notices import Notices, deliver, message
from orchestrator.process.leftover import MARK, TREE
from orchestrator.settings.service import NotifySettings
from tests.daemon.test_notices import RUN, kept

SHELLS = {TREE, "PWD", "SHLVL", "_", "OLDPWD"}


def teller(folder: Path) -> NotifySettings:
    """Whose command writes down its environment."""
    program = folder / "tells"
    program.write_text(f"#!/bin/sh\n/usr/bin/env > {folder}/env\n")
    program.chmod(0o755)
    given = {"on": ("failure",), "command": (str(program),), "webhook": "", "timeout_s": 30.0}
    return NotifySettings.model_validate(given)


def names(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (folder / "env").read_text().splitlines())


async def test_a_command_of_a_daemon_is_found_by_who_comes_after(tmp_path: Path):
    notices = Notices(teller(tmp_path), tmp_path, print)
    async with kept(notices):
        notices.broke_off(RUN, "no room")
    found = names(tmp_path)
    assert found.pop(MARK) == str(tmp_path)
    assert set(found) <= SHELLS


async def test_a_person_who_tries_it_holds_no_project_and_is_not_to_be_found(tmp_path: Path):
    """An engine that begins meanwhile would end it."""
    to = teller(tmp_path)
    assert await deliver(to, tmp_path, message("test", "hello", tmp_path)) is None
    assert set(names(tmp_path)) <= SHELLS
