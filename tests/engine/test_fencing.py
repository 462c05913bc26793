"""What a person is told of the sandbox, and what is made for it before a run. Real folders, no process."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.fencing import explain, make_caches

REFUSALS = {
    "bash: line 1: /etc/x: Read-only file system": "/etc/x",
    "touch: cannot touch '/opt/a b': Read-only file system": "/opt/a b",
    "mkdir: cannot create directory \u2018/opt/x\u2019: Read-only file system": "/opt/x",
    "OSError: [Errno 30] Read-only file system: '/srv/x.db'": "/srv/x.db",
    "npm ERR! Error: EROFS: read-only file system, mkdir '/home/ann/.npm'": "/home/ann/.npm",
    "fatal: Unable to create '/p/.git/index.lock': Read-only file system": "/p/.git/index.lock",
    "error: could not lock config file .git/config: Read-only file system": ".git/config",
    "open /var/lib/x: read-only file system": "/var/lib/x",
    "Error: Read-only file system (os error 30)": "what it wrote to",
}


@pytest.mark.parametrize(("said", "place"), REFUSALS.items())
def test_what_was_refused_is_named_with_the_setting_that_allows_it(said: str, place: str):
    told = explain(f"The check failed (exit 1): make\n{said}\nmake: *** Error 1")
    assert told is not None
    assert told.startswith(f"{place} is read-only in the sandbox")
    assert "sandbox.writable" in told
    assert "docs/sandbox.md" in told


def test_several_are_named_once_each_and_no_more_than_three():
    lines = [f"touch: '/x/{n}': Read-only file system" for n in (1, 1, 2, 3, 4)]
    told = explain("\n".join(lines))
    assert told is not None
    assert told.startswith("/x/1, /x/2, /x/3 are read-only")


@given(st.text())
def test_other_words_are_nobodys_hint(words: str):
    assert (explain(words) is None) is not any(
        one in words.lower() for one in ("read-only file system", "erofs")
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With npm on the PATH, and nothing else."""
    place, npm = tmp_path / "home", tmp_path / "bin/npm"
    for folder in (place, npm.parent):
        folder.mkdir()
    npm.write_text("#!/bin/sh\n")
    npm.chmod(0o755)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("PATH", str(npm.parent))
    return place


def test_a_cache_is_made_for_a_tool_that_is_there_if_it_is_to_be_writable(home: Path):
    make_caches(["~/.cache", "~/.npm", "~/.cargo/registry", "~/own", "~/.gradle"])
    assert sorted(one.name for one in home.iterdir()) == [".cache", ".npm"]


def test_one_that_settings_do_not_name_or_that_cannot_be_made_is_passed_over(home: Path):
    (home / ".cache").write_text("a file")
    make_caches(["~/.cache"])
    assert [one.name for one in home.iterdir()] == [".cache"]


def test_a_home_that_is_not_there_is_not_made(home: Path):
    home.rmdir()
    make_caches(["~/.cache"])
    assert not home.exists()
