"""The files of a check stay what they were, and the work of nobody is lost."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

import pytest

from orchestrator import redact
from orchestrator.verify.guard import LARGEST, Guard, is_declared, remember, restore

CHECK = "pytest tests/test_x.py::test_a --config=cfg/run.ini && bash ./check.sh"


@pytest.fixture
def space(tmp_path: Path) -> Path:
    space = tmp_path / "space"
    for name in ("tests/test_x.py", "cfg/run.ini", "check.sh", "src/a.py"):
        (space / name).parent.mkdir(parents=True, exist_ok=True)
        (space / name).write_text(f"was {name}")
    (space / "check.sh").chmod(0o777)
    return space


def paths(guard: Guard) -> list[str]:
    return [file.path for file in guard.files]


def test_files_that_the_check_names_are_remembered(space: Path) -> None:
    assert paths(remember([CHECK], space, ["src/a.py"])) == [
        "tests/test_x.py",
        "cfg/run.ini",
        "check.sh",
    ]
    assert paths(remember([f"cat {space}/src/a.py"], space, [])) == ["src/a.py"]


@pytest.mark.parametrize("declared", [["tests/test_x.py"], ["tests"], ["tests/"], ["./tests/*.py"],
                                      ["**/*.py"], ["tests/**"], ["t*/test_?.py"]])  # fmt: skip
def test_declared_files_are_the_tasks_own(declared: list[str], space: Path) -> None:
    assert paths(remember([CHECK], space, declared)) == ["cfg/run.ini", "check.sh"]


def test_without_declared_files_nothing_is_guarded(space: Path) -> None:
    assert paths(remember([CHECK], space, None)) == []


@pytest.mark.parametrize(
    ("name", "entry", "claimed"),
    [
        ("a/b.py", "a/*", True),
        ("a/b/c.py", "a/*", False),
        ("a/b/c.py", "a/**", True),
        ("a.py", "**/a.py", True),
        ("tests.py", "tests", False),
        ("a/b", ".", True),
        ("a+b", "a+b", True),
        ("aab", "a+b*", False),
        ("a", "", False),
    ],
)
def test_a_declared_entry_is_a_path_a_folder_or_a_glob(
    name: str, entry: str, claimed: bool
) -> None:
    assert is_declared(name, [entry]) is claimed


def test_a_changed_file_is_put_back_and_the_new_version_kept(space: Path, tmp_path: Path) -> None:
    guard = remember([CHECK], space, [])
    (space / "check.sh").write_text("exit 0")
    (space / "check.sh").chmod(0o644)
    (warning,) = restore(guard, tmp_path / "kept")
    assert (space / "check.sh").read_text() == "was check.sh"
    assert (space / "check.sh").stat().st_mode & 0o777 == 0o777
    assert (tmp_path / "kept" / "check.sh").read_text() == "exit 0"
    assert "changed check.sh" in warning
    assert str(tmp_path / "kept" / "check.sh") in warning


def test_an_earlier_kept_version_is_never_overwritten(space: Path, tmp_path: Path) -> None:
    guard = remember([CHECK], space, [])
    for words in ("one", "two", "three"):
        (space / "check.sh").write_text(words)
        restore(guard, tmp_path / "kept")
    kept = sorted(file.read_text() for file in (tmp_path / "kept").iterdir())
    assert kept == ["one", "three", "two"]


def test_deleted_files_and_folders_come_back(space: Path, tmp_path: Path) -> None:
    guard = remember([CHECK], space, [])
    (space / "tests" / "test_x.py").unlink()
    (space / "tests").rmdir()
    (warning,) = restore(guard, tmp_path / "kept")
    assert "deleted tests/test_x.py" in warning
    assert (space / "tests" / "test_x.py").read_text() == "was tests/test_x.py"


def test_unchanged_files_are_not_mentioned(space: Path, tmp_path: Path) -> None:
    guard = remember([CHECK], space, [])
    assert restore(guard, tmp_path / "kept") == ()
    assert not (tmp_path / "kept").exists()


def test_files_of_another_running_task_are_left_alone(space: Path, tmp_path: Path) -> None:
    guard = remember([CHECK], space, [], exempt=["cfg/*"])
    assert "cfg/run.ini" not in paths(guard)
    (space / "check.sh").write_text("theirs")
    assert restore(guard, tmp_path / "kept", exempt=["check.sh"]) == ()
    assert (space / "check.sh").read_text() == "theirs"


def test_a_file_that_became_a_link_or_a_folder_is_put_back(space: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    guard = remember([CHECK], space, [])
    (space / "check.sh").unlink()
    (space / "check.sh").symlink_to(outside)
    (space / "cfg" / "run.ini").unlink()
    (space / "cfg" / "run.ini").mkdir()
    (space / "cfg" / "run.ini" / "work").write_text("work")
    assert len(restore(guard, tmp_path / "kept")) == 2
    assert (space / "check.sh").read_text() == "was check.sh"
    assert not (space / "check.sh").is_symlink()
    assert outside.read_text() == "precious"
    assert (tmp_path / "kept" / "cfg" / "run.ini" / "work").read_text() == "work"


def test_a_folder_that_became_a_link_out_is_not_written_through(
    space: Path, tmp_path: Path
) -> None:
    guard = remember([CHECK], space, [])
    (space / "tests" / "test_x.py").unlink()
    (space / "tests").rmdir()
    (tmp_path / "outside").mkdir()
    (space / "tests").symlink_to(tmp_path / "outside")
    (warning,) = restore(guard, tmp_path / "kept")
    assert "not restored" in warning
    assert list((tmp_path / "outside").iterdir()) == []


def test_links_folders_pipes_and_large_files_are_not_remembered(
    space: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (space / "link").symlink_to(tmp_path / "secret")
    (space / "folder").symlink_to(tmp_path)
    os.mkfifo(space / "pipe")
    (space / "large").write_bytes(b"x" * (LARGEST + 1))
    (space / "right").write_bytes(b"x" * LARGEST)
    command = "cat link folder/secret pipe large right tests ../secret /etc/passwd ~ no\0such"
    assert paths(remember([command], space, [])) == ["right"]


def test_what_is_kept_aside_is_for_its_owner_and_has_no_secret(space: Path, tmp_path: Path) -> None:
    value = f"tok-{secrets.token_hex(150)}"
    redact.learn({"GUARDED_TOKEN": value})
    guard = remember([CHECK], space, [])
    (space / "check.sh").write_bytes(b"\xff\0" + value.encode() + b" end")
    (space / "cfg/run.ini").unlink()
    (space / "cfg/run.ini").mkdir()
    (space / "cfg/run.ini/inner").write_text(f"key = {value}")
    (space / "tests/test_x.py").write_text("as it is")
    restore(guard, tmp_path / "kept")
    kept = {
        str(one.relative_to(tmp_path / "kept")): one.read_bytes()
        for one in (tmp_path / "kept").rglob("*")
        if one.is_file()
    }
    assert kept == {
        "check.sh": b"\xff\0[redacted: GUARDED_TOKEN] end",
        "cfg/run.ini/inner": b"key = [redacted: GUARDED_TOKEN]",
        "tests/test_x.py": b"as it is",
    }
    modes = {stat.S_IMODE((tmp_path / "kept" / one).stat().st_mode) for one in kept}
    assert modes == {0o600}
    assert (space / "check.sh").read_text() == "was check.sh"
