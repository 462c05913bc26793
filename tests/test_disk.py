"""Where an attempt works: links that leave, folders that cannot be written, files that are whole or not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator import disk
from orchestrator.errors import RecordError
from tests.build import plan, task


def test_a_link_to_outside_is_refused_and_one_inside_is_not(tmp_path: Path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "real").mkdir(parents=True)
    outside.mkdir()
    (root / "away").symlink_to(outside)
    (root / "near").symlink_to(root / "real")
    (root / "dangling").symlink_to(tmp_path / "nothing")
    (root / "loop").symlink_to(root / "loop")
    files = ("away/new.txt", "near/new.txt", "dangling", "plain/new.txt", "loop/x")
    found = list(disk.leaving(root, files))
    assert found[:2] == ["away/new.txt", "dangling"]
    assert "near/new.txt" not in found
    assert "plain/new.txt" not in found


def test_what_its_text_tells_is_not_said_twice(tmp_path: Path):
    assert list(disk.leaving(tmp_path, ("../x", "/etc/passwd", "~/y"))) == []


def test_a_worktree_is_refused_by_name(tmp_path: Path):
    (said,) = disk.check(plan(task(1), workspace="worktree"), tmp_path)
    assert said.code == "P604"


def test_a_file_is_written_whole_and_leaves_no_draft(tmp_path: Path):
    target = tmp_path / "SUMMARY.md"
    target.write_text("old")
    disk.write_whole(target, "new\r\nü")
    assert target.read_bytes() == "new\r\nü".encode()
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that even root cannot write")
def test_a_folder_that_cannot_be_written_is_told_before_the_work():
    with pytest.raises(RecordError, match="/proc"):
        disk.refuse_unwritable([Path("/proc/x-PLAN.md")])


def test_a_refused_write_names_the_file(tmp_path: Path):
    with pytest.raises(RecordError, match="missing"):
        disk.write_whole(tmp_path / "missing" / "x", "text")


@pytest.mark.parametrize(
    "name", ["x" * 5000, "a\0b", "C:\\Windows\\x", "-rf", "--", "a/" * 3000 + "x"]
)
def test_no_name_breaks_the_look_at_where_it_leads(name: str, tmp_path: Path):
    """What can be no file of this system leads out; the rest is a name like any other."""
    assert list(disk.leaving(tmp_path, [name])) in ([], [name])
    assert disk.absent(tmp_path, [name]) == [name]
    assert disk.fingerprint(tmp_path, [name]) == {name: None}


def test_a_disk_with_too_little_room_is_named_and_one_with_enough_is_not(tmp_path: Path):
    assert disk.shortage([tmp_path, tmp_path / "missing"], 0) is None
    said = disk.shortage([tmp_path], 10**9)
    assert said
    assert str(tmp_path) in said
    assert "run.min_free_mb is 1000000000" in said
