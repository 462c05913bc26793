"""Which places a run's programs get: from the settings, git and where they work. Real folders, no process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator import settings
from orchestrator.model import Access, Sandbox
from orchestrator.process.fence import PRIVATE, Fence, lay, seal


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


def fence(root: Path, *, isolated: bool = True, links: Sequence[str] = (), **own: object) -> Fence:
    (root / ".orchestrator").mkdir(parents=True, exist_ok=True)
    chosen = settings.load(root, {"sandbox": own}).sandbox.model_dump(exclude={"mode"})
    return lay(root, root / "tmp", isolated=isolated, links=links, **chosen)


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


def test_what_git_would_read_in_its_folder_of_a_worktree_can_be_closed_before_it_is_there(
    tmp_path: Path, home: Path
):
    """A place that is not there cannot be mounted, and a program could make it."""
    common, place = tmp_path / "project/.git", tmp_path / "project/.orchestrator/worktrees/r/1"
    admin = common / "worktrees/1"
    have(common, *GIT, "worktrees/1/gitdir", "worktrees/1/index")
    have(place, "a.py")
    (admin / "commondir").write_text("../..\n")
    seal(admin, common)
    box = fence(tmp_path / "project").around(place, admin)
    for name in ("config.worktree", "info/sparse-checkout", "modules/x/config"):
        assert access(box, admin / name) is Access.READ, name
    assert access(box, common / "objects/info/alternates") is Access.READ
    for name in ("index", "index.lock", "HEAD.lock", "logs/HEAD", "COMMIT_EDITMSG"):
        assert access(box, admin / name) is Access.WRITE, name
    assert (admin / "config.worktree").read_text() == ""


def test_what_is_in_it_already_stays_but_links(tmp_path: Path):
    """Git of ours would write through them."""
    have(tmp_path, "outside", "admin/logs/")
    (tmp_path / "admin/config.worktree").write_text("[core]\n")
    (tmp_path / "admin/index").symlink_to(tmp_path / "outside")
    (tmp_path / "admin/logs/HEAD").symlink_to(tmp_path / "nowhere")
    have(tmp_path, "common/objects/")
    seal(tmp_path / "admin", tmp_path / "common")
    assert (tmp_path / "admin/config.worktree").read_text() == "[core]\n"
    assert not (tmp_path / "admin/index").is_symlink()
    assert not (tmp_path / "admin/logs/HEAD").is_symlink()
    assert (tmp_path / "outside").exists()


@pytest.mark.parametrize("isolated", [True, False])
def test_no_worker_sees_who_may_answer_checkpoints(tmp_path: Path, home: Path, isolated: bool):
    root = tmp_path / "project"
    have(root, f"{PRIVATE}/http.json", ".git/HEAD")
    box = fence(root, isolated=isolated).around(root)
    assert access(box, root / PRIVATE / "http.json") is Access.HIDDEN


def test_in_the_plain_directory_all_but_records_and_git(tmp_path: Path, home: Path):
    root = tmp_path / "project"
    have(root / ".git", *GIT)
    box = fence(root, isolated=False).around(root)
    assert access(box, root / "a.py") is Access.WRITE
    for name in (
        ".orchestrator/journal.db",
        *(".git/hooks/x", ".git/config", ".git/config.worktree", ".git/modules/a/config"),
        *(".git/index", ".git/refs/heads/main"),
    ):
        assert access(box, root / name) is Access.READ, name


def test_git_can_be_opened_in_the_plain_directory_and_a_part_of_it_stay_closed(
    tmp_path: Path, home: Path
):
    root = tmp_path / "project"
    have(root / ".git", *GIT)
    box = fence(root, isolated=False, writable=[".git"], read_only=[".git/hooks"]).around(root)
    assert access(box, root / ".git/index") is Access.WRITE
    assert access(box, root / ".git/hooks/x") is Access.READ


def test_a_linked_checkout_is_led_to_what_is_only_read(tmp_path: Path, home: Path):
    root, common = tmp_path / "all/linked", tmp_path / "all/linked/.main"
    root.mkdir(parents=True)
    have(common, *GIT, "worktrees/linked/index")
    (common / "worktrees/linked/commondir").write_text("../..\n")
    (root / ".git").write_text(f"gitdir: {common}/worktrees/linked\n")
    box = fence(root, isolated=False).around(root)
    assert access(box, root / "a.py") is Access.WRITE
    for place in (root / ".git", common / "config", common / "worktrees/linked/index"):
        assert access(box, place) is Access.READ, place


def test_other_repositories_that_git_goes_into_stay_what_they_are(tmp_path: Path, home: Path):
    """Also those that are not there yet: made by a task they would be gone into all the same."""
    root = tmp_path / "project"
    have(root, "lib/a/.git", "lib/a/src.c", "lib/b/")
    box = fence(root, isolated=False, links=["lib/a", "lib/b"]).around(root)
    assert access(box, root / "lib/a/src.c") is Access.WRITE
    assert access(box, root / "lib/a/.git") is Access.READ
    assert access(box, root / "lib/b/.git/config") is Access.READ
    assert {str(root / "lib"), str(root / "lib/a")} <= set(box.places)


def test_nobody_renames_a_folder_on_the_way_to_a_closed_place(tmp_path: Path, home: Path):
    root = tmp_path / "project"
    have(root, "deep/er/keys/one", "other/one")
    names = ["deep", "other"]
    box = fence(root, isolated=False, writable=names, read_only=["deep/er/keys"]).around(root)
    assert box.places[str(root / "deep")] is box.places[str(root / "deep/er")] is Access.WRITE
    assert str(root / "other") not in box.places


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
