"""What is written is whole or not there: with a full disk at any byte, and in an order that a power failure cannot turn round."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from orchestrator import disk, inbox, ledger
from orchestrator.inbox import Letter
from orchestrator.journal.marks import Mark, Reached
from tests.ledger.test_ledger import make

# In a process of its own: no file may become longer than `limit`, for each limit up to the whole of what is written.
TRY = """
import resource, signal, sys
from pathlib import Path
from orchestrator.errors import RecordError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
place, most = Path(sys.argv[1]), int(sys.argv[2])
{prepare}
for limit in range(most):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        {write}
        refused = False
    except RecordError:
        refused = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    {check}
print("all of", most)
"""


def limited(place: Path, most: int, prepare: str, write: str, check: str) -> None:
    script = TRY.format(prepare=prepare, write=write, check=check)
    done = subprocess.run(
        [sys.executable, "-c", script, str(place), str(most)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == f"all of {most}\n", done.stderr


def test_a_file_is_the_old_or_the_new_wherever_the_disk_ends(tmp_path: Path):
    prepare = "from orchestrator import disk; file = place / 'x'; new = b'n' * 300; file.write_bytes(b'old')"
    check = (
        "assert refused; assert file.read_bytes() == b'old'; assert len(list(place.iterdir())) == 1"
    )
    limited(tmp_path, 300, prepare, "disk.write_bytes(file, new)", check)


def test_a_letter_arrives_whole_or_is_refused_wherever_the_disk_ends(tmp_path: Path):
    prepare = (
        "from orchestrator import inbox; letter = inbox.Letter(do='retry', run='r', task='p/1');"
        "inbox.post(place, letter); (_, whole), = inbox.look(place)"
    )
    check = "assert refused; assert len(list((place / inbox.FOLDER).iterdir())) == 1"
    limited(tmp_path, 40, prepare, "inbox.post(place, letter)", check)


def test_a_mark_is_never_before_the_journal_wherever_the_disk_ends(tmp_path: Path):
    prepare = (
        "from orchestrator.journal.marks import Mark, Reached, Reached; mark = Mark(place / 'mark')"
    )
    write = "mark.write(Reached(99)); mark.write(Reached(100))"
    limited(tmp_path, 51, prepare, write, "assert mark.read().seq in (0, 99, 100)")
    kept = "mark.write(Reached(99))"  # it is there already, and what is new of it does not fit
    limited(
        tmp_path,
        51,
        f"{prepare}; {kept}",
        "mark.write(Reached(100))",
        f"assert mark.read().seq in (0, 99, 100); {kept}",
    )


def calls(work: Callable[[], Any]) -> list[str]:
    """Which of these the work made of the system, in order."""
    made: list[str] = []

    def hear(frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and called in (os.fsync, os.rename, os.replace):
            made.append(called.__name__)

    sys.setprofile(hear)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made


@pytest.mark.parametrize(
    "work",
    [
        lambda place: disk.write_bytes(place / "x", b"new"),
        lambda place: inbox.post(
            place, Letter.model_validate({"do": "retry", "run": "r", "task": "t"})
        ),
    ],
    ids=["a file", "a letter"],
)
def test_what_is_in_a_file_is_on_the_disk_before_its_name_and_the_name_before_we_go_on(
    work: Callable[[Path], Any], tmp_path: Path
):
    assert calls(lambda: work(tmp_path)) == ["fsync", "rename", "fsync"]


def test_a_line_of_the_ledger_and_its_file_are_on_the_disk_before_we_go_on(tmp_path: Path):
    made = calls(lambda: ledger.append(tmp_path / "new", [make()]))
    assert (made[0], made[-1], made.count("fsync")) == ("fsync", "fsync", 2)


def test_a_mark_is_read_back(tmp_path: Path):
    mark = Mark(tmp_path / "mark")
    assert mark.read() == Reached(0, 0)
    mark.write(Reached(7, 2))
    assert mark.read() == Reached(7, 2)


@pytest.mark.parametrize(
    "damage", [b"", b"7", b"9" * 60, b"%020d %020d 00000000\n" % (7, 2), b"\xff"]
)
def test_a_damaged_mark_says_nothing(damage: bytes, tmp_path: Path):
    (tmp_path / "mark").write_bytes(damage)
    assert Mark(tmp_path / "mark").read() == Reached()
