"""What goes on beside the runs: when it falls it is said and begun again, and the runs go on."""

from __future__ import annotations

import anyio
import pytest

from orchestrator.daemon import lasting
from orchestrator.errors import SettingsError


class Falling:
    """So often, then it ends."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles, self.begun = list(troubles), 0
        self.said: list[str] = []

    async def keep(self) -> None:
        self.begun += 1
        if self.troubles:
            raise self.troubles.pop(0)


async def test_what_falls_is_said_once_and_begun_again():
    one = Falling(OSError("no disk"), OSError("no disk"), ValueError("x"))
    with anyio.fail_after(20):
        await lasting.keep(one.keep, one.said.append, 0.01)
    assert one.begun == 4
    assert [("no disk" in line, "ValueError" in line) for line in one.said] == [
        (True, False),
        (False, True),
    ]


async def test_only_what_it_refuses_at_its_first_start_ends_the_daemon():
    one = Falling(SettingsError("the port is taken"))
    with pytest.raises(SettingsError):
        await lasting.keep(one.keep, one.said.append, 0.01, may_refuse=True)
    later = Falling(RuntimeError("x"), SettingsError("the port is taken"))
    await lasting.keep(later.keep, later.said.append, 0.01, may_refuse=True)
    assert later.begun == 3
