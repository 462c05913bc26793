"""The ledger: no crash, full disk or crowd of writers may lose another's line."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from orchestrator.errors import RecordError
from orchestrator.ledger import NAME, Entry, append, entry, read
from orchestrator.model import (
    Outcome,
    Plan,
    PlanId,
    Position,
    Route,
    RunId,
    Score,
    Task,
    TaskId,
    Tier,
)

PLACE = Position(line=1, column=1)
TASK = Task(id=TaskId("08-02/4"), ordinal=4, position=PLACE, name="Do it")
HAIKU = Route(worker="claude", tier=Tier.HAIKU, model="haiku-4", confidence=0.5, reason="score 3")


def make(
    attempt: int = 1, at: str = "2026-01-01T12:00:00Z", run: str = "r1", plan: str = "08-02"
) -> Entry:
    return entry(
        run=RunId(run),
        project="shop",
        task=TASK,
        plan=Plan(id=PlanId(plan), path=f"{plan}-PLAN.md", tasks=()),
        attempt=attempt,
        route=HAIKU,
        score=Score(value=3, reasons=()),
        outcome=Outcome(duration_s=1.5),
        timestamp=at,
    )


def lines(folder: Path) -> list[bytes]:
    return (folder / NAME).read_bytes().splitlines(keepends=True)


# --- append and read ------------------------------------------------------------------------------


def test_nothing_written_reads_as_nothing(tmp_path: Path):
    append(tmp_path / "new", [])
    assert not (tmp_path / "new").exists()
    assert read(tmp_path / "new").entries == ()


def test_what_is_appended_is_read_in_order_and_belongs_to_the_user(tmp_path: Path):
    folder = tmp_path / "a" / "b"
    first, second, third = make(1), make(2), make(3)
    append(folder, [first])
    append(folder, (each for each in (second, third)))
    assert read(folder).entries == (first, second, third)
    assert read(folder).damaged == ()
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600


def test_of_two_lines_of_one_attempt_the_first_counts(tmp_path: Path):
    first, again = make(1), make(1, at="2026-02-01T00:00:00Z")
    append(tmp_path, [first, again, make(1, run="r2"), make(1, plan="09-01")])
    assert len(lines(tmp_path)) == 4
    kept = read(tmp_path).entries
    assert kept[0] == first
    assert len(kept) == 3


def test_the_window_begins_with_its_first_moment_and_leaves_the_bytes_alone(tmp_path: Path):
    times = ("11:59:59.999999Z", "12:00:00Z", "12:00:00.5Z", "14:00:00+02:00")
    append(tmp_path, [make(n, at=f"2026-01-01T{time}") for n, time in enumerate(times, 1)])
    before = (tmp_path / NAME).read_bytes()
    kept = read(tmp_path, since="2026-01-01T12:00:00Z").entries
    assert [each.attempt for each in kept] == [2, 3, 4]
    assert read(tmp_path, since="2026-01-01T13:00:00+01:00").entries == kept
    half = read(tmp_path, since="2026-01-01T12:00:00.500Z").entries
    assert [each.attempt for each in half] == [3]
    assert len(read(tmp_path).entries) == 4
    with pytest.raises(ValueError, match="names no time zone"):
        read(tmp_path, since="2026-01-01")
    assert (tmp_path / NAME).read_bytes() == before


# --- damage ---------------------------------------------------------------------------------------


def test_each_damaged_line_is_named_and_the_others_are_read(tmp_path: Path):
    append(tmp_path, [make(n) for n in range(1, 4)])
    good = lines(tmp_path)
    without = {key: value for key, value in json.loads(good[0]).items() if key != "checksum"}
    bad = [
        (b"\x00" * 40, "is not JSON"),
        (good[0][:30] + good[0].rstrip(), "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[1, 2]", "is not an object"),
        (good[0].rstrip().replace(b'"attempt":1', b'"attempt":9'), "has a wrong checksum"),
        (json.dumps(without).encode(), "has a wrong checksum"),
    ]
    content = good[0] + b"".join(line + b"\n" for line, _ in bad) + good[1] + good[2]
    (tmp_path / NAME).write_bytes(content)
    window = read(tmp_path)
    assert [each.attempt for each in window.entries] == [1, 2, 3]
    assert window.damaged == tuple((number, why) for number, (_, why) in enumerate(bad, 2))
    assert (tmp_path / NAME).read_bytes() == content
    append(tmp_path, [make(4)])
    assert (tmp_path / NAME).read_bytes().startswith(content)


def sealed(values: dict[str, object]) -> bytes:
    """A line as another version would write it: the checksum is over every key."""
    rest = {key: value for key, value in values.items() if key != "checksum"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    checksum = hashlib.sha256(canonical.encode()).hexdigest()[:16]
    return json.dumps(values | {"checksum": checksum}).encode() + b"\n"


def test_a_line_of_a_newer_version_is_read(tmp_path: Path):
    newer = make().model_dump(mode="json")
    newer |= {"v": 2, "mood": "good", "failure": "budget", "task_type": "poem"}
    newer["route"]["star"] = {"deep": [1]}
    (tmp_path / NAME).write_bytes(sealed(newer))
    window = read(tmp_path)
    assert window.damaged == ()
    assert (window.entries[0].v, window.entries[0].failure) == (2, "budget")


def test_a_line_that_breaks_the_rules_is_damage_by_key(tmp_path: Path):
    values = make().model_dump(mode="json") | {"complexity_estimated": "6"}
    (tmp_path / NAME).write_bytes(sealed(values))
    [(number, why)] = read(tmp_path).damaged
    assert number == 1
    assert why.startswith("complexity_estimated: ")


@pytest.mark.timeout(300)
def test_cut_off_anywhere_only_the_torn_line_is_set_aside(fast: Path):
    """C-27."""
    append(fast, [make(1), make(2)])
    whole, first = (fast / NAME).read_bytes(), lines(fast)[0]
    for cut in range(len(whole) + 1):
        folder = fast / str(cut)
        folder.mkdir()
        (folder / NAME).write_bytes(whole[:cut])
        ends = [end for end in (0, len(first), len(whole)) if end <= cut]
        kept, torn = whole[: ends[-1]], whole[ends[-1] : cut]
        assert len(read(folder).entries) == len(ends) - 1
        assert len(read(folder).damaged) == bool(torn)
        append(folder, [make(3)])
        assert (folder / NAME).read_bytes().startswith(kept)
        assert [each.attempt for each in read(folder).entries][-1] == 3
        assert read(folder).damaged == ()
        asides = sorted(folder.glob("task_ledger.torn-*"))
        assert [path.read_bytes() for path in asides] == ([torn] if torn else [])


@pytest.mark.timeout(300)
def test_what_was_cut_off_is_counted_and_said_ever_after(fast: Path):
    append(fast / "whole", [make(1), make(2), make(3)])
    whole = (fast / "whole" / NAME).read_bytes()
    told = (fast / "whole" / "task_ledger.mark").read_bytes()
    ends = [0, *(offset + 1 for offset, byte in enumerate(whole) if byte == ord("\n"))]
    for cut in range(len(whole) + 1):
        folder = fast / str(cut)
        folder.mkdir()
        (folder / NAME).write_bytes(whole[:cut])
        (folder / "task_ledger.mark").write_bytes(told)
        kept = max(end for end in ends if end <= cut)
        found = read(folder)
        assert [each.attempt for each in found.entries] == [1, 2, 3][: ends.index(kept)]
        assert found.missing == len(whole) - kept, cut
        append(folder, [make(4)])
        assert read(folder).missing == len(whole) - kept, cut


def test_a_ledger_that_is_gone_is_missed(tmp_path: Path):
    append(tmp_path, [make(1)])
    size = (tmp_path / NAME).stat().st_size
    (tmp_path / NAME).unlink()
    assert read(tmp_path).missing == size


def test_torn_tails_are_all_kept_even_long_ones(tmp_path: Path):
    append(tmp_path, [make(1)])
    for number, tail in ((1, b"x" * 70_000), (2, b"y" * 140_000)):
        with (tmp_path / NAME).open("ab") as ledger:
            ledger.write(tail)
        append(tmp_path, [make(number + 1)])
        aside = tmp_path / f"task_ledger.torn-{number}"
        assert aside.read_bytes() == tail
        assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert [each.attempt for each in read(tmp_path).entries] == [1, 2, 3]


# --- many writers, full disks ---------------------------------------------------------------------

WRITER = """
import json, sys
from pathlib import Path
from orchestrator.ledger import Entry, append
folder, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
model = Entry.model_validate_json(sys.stdin.readline())
print("ready", flush=True)
sys.stdin.readline()
for number in range(first, last):
    append(folder, [model.model_copy(update={"attempt": number})])
"""


def test_a_hundred_appends_of_eight_processes_give_a_hundred_lines(tmp_path: Path):
    """S0-01, C-27."""
    long = make().model_copy(update={"risk": "r" * 20_000})
    bounds = [1 + 100 * n // 8 for n in range(9)]
    writers = []
    for first, last in pairwise(bounds):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(first), str(last)]
        writers.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
    for word in (long.model_dump_json(), "go"):
        for writer in writers:
            assert writer.stdin
            writer.stdin.write(f"{word}\n")
            writer.stdin.flush()
        for writer in writers if word != "go" else ():
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    window = read(tmp_path)
    assert window.damaged == ()
    assert sorted(each.attempt for each in window.entries) == list(range(1, 101))
    assert len(lines(tmp_path)) == 100


LIMITED = """
import resource, sys
from pathlib import Path
from orchestrator.errors import RecordError
from orchestrator.ledger import Entry, append
folder, room = Path(sys.argv[1]), int(sys.argv[2])
model = Entry.model_validate_json(sys.stdin.readline())
resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
try:
    append(folder, [model])
except RecordError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
append(folder, [model])
"""


@pytest.mark.parametrize("more", [0, 10, 500])
def test_a_full_disk_leaves_the_ledger_as_it_was_and_recovers(tmp_path: Path, more: int):
    append(tmp_path, [make(1)])
    before = (tmp_path / NAME).read_bytes()
    said = run_limited(tmp_path, len(before) + more)
    assert "nothing was appended" in said
    assert (f"only {more} of" in said) is (more > 0)
    assert (tmp_path / NAME).read_bytes().startswith(before)
    assert [each.attempt for each in read(tmp_path).entries] == [1, 2]
    assert read(tmp_path).damaged == ()
    assert list(tmp_path.glob("*.torn-*")) == []


def test_a_torn_tail_that_cannot_be_copied_stays_where_it_is(tmp_path: Path):
    tail = b"z" * 100
    (tmp_path / NAME).write_bytes(tail)
    assert "nothing was appended" in run_limited(tmp_path, 50)
    assert (tmp_path / "task_ledger.torn-1").read_bytes() == tail
    assert len(list(tmp_path.glob("*.torn-*"))) == 1
    assert len(read(tmp_path).entries) == 1


def run_limited(folder: Path, room: int) -> str:
    """Append attempt 2 twice: while files may have `room` bytes, then without a limit."""
    command = [sys.executable, "-c", LIMITED, str(folder), str(room)]
    answer = subprocess.run(
        command, input=make(2).model_dump_json() + "\n", capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_a_folder_that_cannot_be_is_an_error_with_a_next_step(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"nothing was appended .* permissions"):
        append(tmp_path / "file" / "deep", [make()])
    (tmp_path / NAME).mkdir()
    with pytest.raises(RecordError, match="cannot be read"):
        read(tmp_path)
