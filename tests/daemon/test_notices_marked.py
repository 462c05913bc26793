"""What `notify.command` starts has the project's mark: who comes after a daemon that was killed finds it. It gets nothing else of ours."""

from __future__ import annotations

from pathlib import Path

from orchestrator.daemon.notices import deliver, message
from orchestrator.process.leftover import MARK
from orchestrator.settings.service import NotifySettings


async def test_a_command_is_found_by_who_comes_after(tmp_path: Path):
    program = tmp_path / "tells"
    program.write_text(f"#!/bin/sh\n/usr/bin/env > {tmp_path}/env\n")
    program.chmod(0o755)
    given = {"on": (), "command": (str(program),), "webhook": "", "timeout_s": 30.0}
    to = NotifySettings.model_validate(given)
    assert await deliver(to, tmp_path, message("test", "hello", tmp_path)) is None
    names = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert names.pop(MARK) == str(tmp_path)
    assert set(names) <= {"ORCHESTRATOR_TREE", "PWD", "SHLVL", "_", "OLDPWD"}
