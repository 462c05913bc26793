"""A leash ends a program that should be over, and changes nothing for one that is."""

from __future__ import annotations

import os
import time
from pathlib import Path

from orchestrator.process import Command, Ended, Leash, run


async def lead(script: str, *pulls: float, grace_s: float = 5.0, timeout_s: float = 30.0) -> Ended:
    """Runs it; at its first line, the leash is pulled for each of these times."""
    leash, waiting = Leash(), list(pulls)

    def hear(line: bytes) -> None:
        while waiting:
            leash.pull(waiting.pop(0))

    command = Command(
        argv=["bash", "-c", script],
        cwd=Path("/"),
        env={"PATH": os.environ["PATH"]},
        timeout_s=timeout_s,
        grace_s=grace_s,
    )
    return await run(command, hear, leash=leash)


async def test_what_goes_on_is_ended_when_its_time_is_over():
    ended = await lead("echo said; exec sleep 600", 0.3)
    assert (ended.pulled, ended.timed_out, ended.stalled, ended.signal) == (True, False, "", 15)
    assert 0.3 <= ended.duration_s < 10


async def test_it_can_be_pulled_at_once():
    ended = await lead("echo said; exec sleep 600", 0.0)
    assert (ended.pulled, ended.signal) == (True, 15)
    assert ended.duration_s < 10


async def test_the_shortest_pull_counts():
    for pulls in ((600.0, 0.2), (0.2, 600.0)):
        ended = await lead("echo said; exec sleep 600", *pulls)
        assert (ended.pulled, ended.duration_s < 10) == (True, True)


async def test_who_ends_in_time_is_not_ended():
    ended = await lead("echo said; echo more; exit 3", 600.0)
    assert (ended.pulled, ended.exit_code, ended.stdout) == (False, 3, "said\nmore\n")
    assert ended.duration_s < 10


async def test_a_leash_that_nobody_pulls_changes_nothing():
    ended = await lead("echo said; exit 0")
    assert (ended.pulled, ended.exit_code) == (False, 0)
    ended = await lead("exec sleep 600", timeout_s=0.3)
    assert (ended.pulled, ended.timed_out) == (False, True)


async def test_who_says_goodbye_is_heard_and_who_does_not_hear_is_killed():
    ended = await lead("trap 'echo bye; exit 4' TERM; echo said; while :; do sleep 0.05; done", 0.1)
    assert (ended.pulled, ended.exit_code, ended.stdout) == (True, 4, "said\nbye\n")
    ended = await lead("trap '' TERM; echo said; while :; do sleep 0.05; done", 0.1, grace_s=0.2)
    assert (ended.pulled, ended.signal) == (True, 9)


async def test_it_can_be_pulled_before_the_start():
    leash, begun = Leash(), time.monotonic()
    leash.pull()
    command = Command(
        argv=["sleep", "600"], cwd=Path("/"), env={"PATH": os.environ["PATH"]}, timeout_s=30
    )
    ended = await run(command, leash=leash)
    assert (ended.pulled, ended.signal) == (True, 15)
    assert time.monotonic() - begun < 10
