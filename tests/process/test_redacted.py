"""What a program prints of its secrets: clean in lines, heads, tails and transcripts, and nothing else of it is lost."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator import redact
from orchestrator.process import Command, Ended, run

PATH = os.environ["PATH"]


@pytest.fixture
def value() -> str:
    return f"tok-{secrets.token_hex(8)}"


async def say(script: str, cwd: Path, value: str, **more: Any) -> tuple[Ended, list[bytes]]:
    lines: list[bytes] = []
    command = Command(
        argv=("bash", "-c", script),
        cwd=cwd,
        env={"PATH": PATH, "PRINTED_TOKEN": value},
        timeout_s=20.0,
        transcript=cwd / "said.log",
        **more,
    )
    return await run(command, lines.append, lines.append), lines


async def test_a_secret_of_its_environment_is_printed_nowhere(tmp_path: Path, value: str):
    """Nobody has learned it before: that it is given to a program is enough."""
    ended, lines = await say(
        'echo "a $PRINTED_TOKEN b"; echo "c $PRINTED_TOKEN d" >&2', tmp_path, value
    )
    assert (ended.stdout, ended.stderr) == (
        "a [redacted: PRINTED_TOKEN] b\n",
        "c [redacted: PRINTED_TOKEN] d\n",
    )
    assert sorted(lines) == [b"a [redacted: PRINTED_TOKEN] b", b"c [redacted: PRINTED_TOKEN] d"]
    log = tmp_path / "said.log"
    assert sorted(log.read_text().splitlines()) == sorted(line.decode() for line in lines)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


async def test_nor_when_it_comes_letter_by_letter(tmp_path: Path, value: str):
    script = 'for ((i = 0; i < ${#PRINTED_TOKEN}; i++)); do printf %s "${PRINTED_TOKEN:i:1}"; sleep 0.02; done; echo .'
    ended, lines = await say(script, tmp_path, value)
    assert ended.stdout == "[redacted: PRINTED_TOKEN].\n"
    assert lines == [b"[redacted: PRINTED_TOKEN]."]


async def test_the_beginning_of_one_at_the_end_is_no_secret_and_stays(tmp_path: Path, value: str):
    ended, lines = await say('printf "end ${PRINTED_TOKEN:0:9}"', tmp_path, value)
    assert ended.stdout == f"end {value[:9]}"
    assert lines == [f"end {value[:9]}".encode()]


async def test_also_where_somebody_else_keeps_the_stream_open(tmp_path: Path, value: str):
    """Nobody waits for its end then: with its warden gone, one that has left its session and its mark lives on for a while."""
    script = 'printf "end ${PRINTED_TOKEN:0:9}"; env -i setsid sleep 5 & sleep 0.2; kill -9 $PPID; sleep 5'
    ended, _ = await say(script, tmp_path, value, grace_s=0.2)
    assert ended.stdout == f"end {value[:9]}"
    assert (tmp_path / "said.log").read_text() == f"end {value[:9]}"


async def test_a_line_is_told_when_it_is_whole(tmp_path: Path, value: str):
    """Nothing is kept back that cannot become a secret: a program that waits for us would wait for ever."""
    flag = tmp_path / "heard"
    lines: list[bytes] = []

    def hear(line: bytes) -> None:
        lines.append(line)
        flag.touch()

    script = f'echo "t"; while ! test -e {flag}; do sleep 0.02; done; echo done'
    command = Command(
        argv=("bash", "-c", script),
        cwd=tmp_path,
        env={"PATH": PATH, "PRINTED_TOKEN": value},
        timeout_s=30.0,
    )
    ended = await run(command, hear)
    assert not ended.timed_out
    assert lines == [b"t", b"done"]
    assert redact.text(value) == "[redacted: PRINTED_TOKEN]"  # for everybody, from then on


@pytest.mark.skipif(sys.platform != "linux", reason="command lines are read from /proc")
@pytest.mark.parametrize("before", [150, 3990])
async def test_nor_half_of_it_in_the_command_line_of_what_was_left(tmp_path: Path, before: int):
    """Its beginning is shown: what is cut off is cut off after it was cleaned."""
    value = f"tok-{secrets.token_hex(150)}"
    script = f'(exec -a {"x" * before} tail -f /dev/null "$PRINTED_TOKEN" 2> /dev/null) & until grep -q ^xxx /proc/$!/cmdline; do :; done'
    ended, _ = await say(script, tmp_path, value)
    (left,) = ended.survivors
    assert left.startswith("xxx")
    assert len(left) <= 200
    assert value[:8] not in left
    if before < 200:
        assert "[redacted" in left
