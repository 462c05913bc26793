"""Which places a run's programs get: from the settings, git and where they work. Real folders, no process."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import settings
from orchestrator.model import Access, Sandbox
from orchestrator.process.fence import Fence, lay


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.delenv("TMPDIR", raising=False)
    return place


def have(folder: Path, *names: str) -> None:
    """Files there, as small as they can be; a name that ends with `/` is a folder."""
    for name in names:
        place = folder / name
        (place if name.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            place.touch()


GIT = ("config", "HEAD", "index", "objects/", "refs/", "logs/", "hooks/", "info/", "worktrees/2/")


def fence(root: Path, *, isolated: bool = True, **own: object) -> Fence:
    (root / ".orchestrator").mkdir(parents=True, exist_ok=True)
    chosen = settings.load(root, {"sandbox": own}).sandbox.model_dump(exclude={"mode"})
    return lay(root, root / "tmp", isolated=isolated, **chosen)


def access(box: Sandbox, place: Path | str) -> Access | None:
    """Of what lies there: by the deepest place."""
    found = [one for one in box.places if Path(place).is_relative_to(one)]
    return box.places[max(found, key=len)] if found else None


def test_in_a_worktree_only_it_and_what_a_commit_needs_can_be_written(tmp_path: Path, home: Path):
    root = tmp_path / "project"
    place, admin = root / ".orchestrator/worktrees/r/1", root / ".git/worktrees/1"
    have(root / ".git", *GIT, "worktrees/1/gitdir", "worktrees/1/config.worktree")
    have(place, "src/a.py")
    (admin / "commondir").write_text("../..\n")
    box = fence(root).around(place, admin)
    for name in (
        "objects/ab/cd",
        "refs/heads/x",
        "logs/HEAD",
        "worktrees/1/index",
        "worktrees/1/HEAD",
    ):
        assert access(box, root / ".git" / name) is Access.WRITE, name
    for name in ("config", "hooks/post-commit", "HEAD", "index", "info/attributes", "packed-refs"):
        assert access(box, root / ".git" / name) is Access.READ, name
    for name in (
        "worktrees/2/HEAD",
        "worktrees/1/commondir",
        "worktrees/1/gitdir",
        "worktrees/1/config.worktree",
    ):
        assert access(box, root / ".git" / name) is Access.READ, name
    assert access(box, place / "src/a.py") is Access.WRITE
    assert access(box, root / "src/a.py") is Access.READ
    assert access(box, root / ".orchestrator/journal.db") is Access.READ
    assert access(box, place.parent / "2/src/a.py") is Access.READ


def test_in_the_plain_directory_all_but_records_and_what_steers_git(tmp_path: Path, home: Path):
    root = tmp_path / "project"
    have(root / ".git", *GIT)
    box = fence(root, isolated=False).around(root)
    for name in ("a.py", ".git/index", ".git/refs/heads/main"):
        assert access(box, root / name) is Access.WRITE, name
    for name in (".orchestrator/journal.db", ".git/hooks/x", ".git/config", ".git/info/attributes"):
        assert access(box, root / name) is Access.READ, name


def test_a_linked_checkout_can_commit(tmp_path: Path, home: Path):
    root, common = tmp_path / "linked", tmp_path / "main/.git"
    root.mkdir()
    have(common, *GIT, "worktrees/linked/index")
    (common / "worktrees/linked/commondir").write_text("../..\n")
    (root / ".git").write_text(f"gitdir: {common}/worktrees/linked\n")
    box = fence(root, isolated=False).around(root)
    assert access(box, common / "objects/x") is Access.WRITE
    assert access(box, common / "worktrees/linked/index") is Access.WRITE
    assert access(box, common / "config") is not Access.WRITE


def test_settings_open_and_close_places_and_the_persons_word_beats_the_default(
    tmp_path: Path, home: Path
):
    root = tmp_path / "project"
    have(root, "lib/one")
    have(home, "data/one", ".ssh/id", "x/", ".cache/")
    box = fence(
        root, writable=["lib", "~/data"], read_only=["~/.ssh"], hidden=["~/.ssh", "~/x"]
    ).around(root)
    assert access(box, root / "lib/one") is Access.WRITE
    assert access(box, home / "data/one") is Access.WRITE
    assert access(box, home / ".ssh/id") is Access.READ
    assert access(box, home / "x") is Access.HIDDEN
    assert access(box, home / ".cache/pip") is Access.WRITE


@pytest.mark.parametrize(
    "name",
    [
        ".ssh/id",
        ".gnupg/x",
        ".aws/x",
        ".kube/config",
        ".netrc",
        ".docker/config.json",
        ".config/gcloud/x",
    ],
)
def test_keys_are_hidden_by_default(tmp_path: Path, home: Path, name: str):
    have(home, name)
    box = fence(tmp_path / "project").around(tmp_path / "project")
    assert access(box, home / name) is Access.HIDDEN


def test_where_temporary_files_are_is_the_runs_own(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    have(tmp_path, "scratch/")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    box = fence(tmp_path / "project").around(tmp_path / "project")
    assert access(box, tmp_path / "scratch/x") is Access.PRIVATE
    assert access(box, "/var/tmp/x") is Access.PRIVATE
    assert box.temporary == str(tmp_path / "project/tmp")


def test_links_are_followed_before_any_program_runs_and_never_again(tmp_path: Path, home: Path):
    root = tmp_path / "project"
    have(tmp_path, "elsewhere/one")
    have(root, "lib/one")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    made = fence(root, isolated=False, writable=["link", "lib", "later"])
    (root / "later").symlink_to(tmp_path / "system")  # by a task
    have(tmp_path, "system/one")
    box = made.around(root)
    assert access(box, tmp_path / "elsewhere/one") is Access.WRITE
    assert access(box, tmp_path / "system/one") is not Access.WRITE
    assert (
        str(root / "lib") not in box.places
    )  # it is open already: nothing to be mounted, nothing to be exchanged
    assert str(root / "later") not in box.places
