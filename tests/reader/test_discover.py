"""Which files are plans, what they are called, and which are finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.reader import discover, labels


def make(root: Path, *names: str, text: str = "x") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_plans_are_found_in_natural_order_and_noise_is_not(tmp_path: Path) -> None:
    wanted = ["a/PLAN.md", "p2/02-01-PLAN.md", "p10/10-01-PLAN.md", "quickstart-PLAN.md"]
    noise = ["a/x-OUTLINE.md", "a/01-01-PLAN.pre-bounce.md", "a/SUMMARY.md", "a/MYPLAN.md"]
    noise += [f"{name}/PLAN.md" for name in (".git", ".orchestrator", "node_modules", ".venv")]
    make(tmp_path, *reversed(wanted), *noise)
    (tmp_path / "linked").symlink_to(tmp_path / "p2", target_is_directory=True)
    found = [path.relative_to(tmp_path).as_posix() for path in discover.plan_files(tmp_path)]
    assert found == wanted


def test_a_file_named_outright_is_taken_whatever_its_name(tmp_path: Path) -> None:
    make(tmp_path, "notes.md")
    assert discover.plan_files(tmp_path / "notes.md") == [tmp_path / "notes.md"]


@pytest.mark.parametrize(
    ("plan", "summary"),
    [("08-02-PLAN.md", "08-02-SUMMARY.md"), ("PLAN.md", "SUMMARY.md"), ("n.md", "n-SUMMARY.md")],
)
def test_the_summary_stands_beside_its_plan(plan: str, summary: str) -> None:
    assert discover.summary_path(Path("a", plan)) == Path("a", summary)


@pytest.mark.parametrize(
    ("summary", "finished"),
    [
        (None, False),
        ("# Done\n", True),
        ("---\nstatus: complete\n---\n", True),
        ("---\nphase: 1\n---\n", True),
        ("---\nstatus: halted\n---\n", False),
        ('---\nstatus: "HALTED - by a person"\n---\n', False),
    ],
)
def test_a_plan_is_finished_when_its_summary_is_not_halted(
    tmp_path: Path, summary: str | None, finished: bool
) -> None:
    if summary is not None:
        make(tmp_path, "1-SUMMARY.md", text=summary)
    assert discover.is_finished(tmp_path / "1-PLAN.md") is finished


def test_archived_means_below_milestones() -> None:
    assert discover.is_archived(Path(".planning/milestones/v1/01-01-PLAN.md"))
    assert not discover.is_archived(Path("phases/milestones-PLAN.md"))


def test_the_project_is_the_git_top_level_also_of_a_worktree(tmp_path: Path) -> None:
    make(tmp_path, ".git", "a/.planning/b/PLAN.md")
    assert discover.project_root(tmp_path / "a/.planning/b/PLAN.md") == tmp_path
    assert discover.project_root(tmp_path / "a") == tmp_path


def test_without_git_it_is_the_nearest_planning_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a/.planning/b/PLAN.md", "c/d/PLAN.md")
    assert discover.project_root(tmp_path / "a/.planning/b/PLAN.md") == tmp_path / "a"
    monkeypatch.chdir(tmp_path / "c")
    assert discover.project_root(tmp_path / "c/d/PLAN.md") == tmp_path / "c"
    monkeypatch.chdir(tmp_path / "a")
    assert discover.project_root(tmp_path / "c/d/PLAN.md") == tmp_path / "c/d"


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("p/08-02-PLAN.md", "08-02"),
        ("p/01-02-auth-hardening-PLAN.md", "01-02"),
        ("quickstart-PLAN.md", "quickstart"),
        ("p/36A-01-PLAN.md", "36A-01"),
        ("p/02.1-01-PLAN.md", "02.1-01"),
        ("p/50-13a-PLAN.md", "50-13a"),
        ("p/260414-qb8-PLAN.md", "260414-qb8"),
        ("p/q/PLAN.md", "q"),
        ("PLAN.md", "PLAN"),
        ("-PLAN.md", "-PLAN.md"),
        ("notes.md", "notes"),
    ],
)
def test_labels_are_short(path: str, label: str) -> None:
    assert labels([path]) == {path: label}


def test_a_label_that_two_plans_share_is_the_path_of_each() -> None:
    paths = ["a/01-01-PLAN.md", "b/01-01-x-PLAN.md", "b/01-02-PLAN.md"]
    assert list(labels(paths).values()) == ["a/01-01", "b/01-01-x", "01-02"]


def test_no_two_plans_ever_share_a_label() -> None:
    paths = ["a/b/PLAN.md", "x/b/PLAN.md", "a/b.md", "a/b-PLAN.md", "b-PLAN.md", "a/a/b-PLAN.md"]
    assert len(set(labels(paths).values())) == len(paths)


HOMES = {
    ".planning/phases/01-base/01-02-PLAN.md": ("01-02", "01-02-SUMMARY.md"),
    ".planning/phases/02.1-hotfix/02.1-01-PLAN.md": ("02.1-01", "02.1-01-SUMMARY.md"),
    ".planning/phases/36A-x/36A-01-PLAN.md": ("36A-01", "36A-01-SUMMARY.md"),
    ".planning/phases/50-x/50-13a-PLAN.md": ("50-13a", "50-13a-SUMMARY.md"),
    ".planning/phases/03-auth/03-02-hardening-PLAN.md": ("03-02", "03-02-hardening-SUMMARY.md"),
    ".planning/phases/04-shop/plans/PLAN-01-cart.md": ("04-01", "SUMMARY-01-cart.md"),
    ".planning/quick/260414-qb8-fix/260414-qb8-PLAN.md": ("260414-qb8", "260414-qb8-SUMMARY.md"),
    ".planning/quick/001-fix/001-PLAN.md": ("001", "001-SUMMARY.md"),
    ".planning/phases/05-bare/PLAN.md": ("05-bare", "SUMMARY.md"),
    ".planning/phases/06-s/06-01-summary-page-PLAN.md": ("06-01", "06-01-summary-page-SUMMARY.md"),
    ".planning/milestones/v1.0-phases/07-old/07-01-PLAN.md": ("07-01", "07-01-SUMMARY.md"),
    ".planning/workstreams/raw/phases/09-w/09-01-PLAN.md": ("09-01", "09-01-SUMMARY.md"),
}


def test_every_home_of_a_plan_has_its_short_name_and_its_summary(tmp_path: Path) -> None:
    make(tmp_path, *HOMES)
    found = [path.relative_to(tmp_path).as_posix() for path in discover.plan_files(tmp_path)]
    assert sorted(found) == sorted(HOMES)
    named = labels(found)
    for path, (label, summary) in HOMES.items():
        assert (named[path], discover.summary_path(Path(path)).name) == (label, summary)
    assert [path for path in HOMES if discover.is_archived(Path(path))] == [
        ".planning/milestones/v1.0-phases/07-old/07-01-PLAN.md"
    ]


PLAN_TEXT = "---\nwave: 1\n---\n<tasks>\n<task>\n</task>\n</tasks>\n"


@pytest.mark.parametrize(
    "name",
    ["01-PLAN-01-foundation.md", "plan.md", "01-02-plan.md", "01_02_PLAN.md", "PLAN-01.md",
     "01-01-PLAN.markdown", "01-02-PLAN.md.txt", "01-02PLAN.md"],
)  # fmt: skip
def test_a_plan_whose_name_would_be_passed_over_is_found(tmp_path: Path, name: str) -> None:
    make(tmp_path, f"01-x/{name}", text=PLAN_TEXT)
    assert discover.plan_files(tmp_path) == []
    assert discover.misnamed(tmp_path) == [tmp_path / "01-x" / name]


@pytest.mark.parametrize(
    ("name", "text"),
    [("01-01-PLAN.md", PLAN_TEXT), ("01-01-PLAN-OUTLINE.md", PLAN_TEXT),
     ("01-01-PLAN.pre-bounce.md", PLAN_TEXT), ("planning.md", "x"), ("plan.md", "# My plans\n"),
     ("PLANT.md", PLAN_TEXT), ("01-01-PLAN-SUMMARY.md", PLAN_TEXT)],
)  # fmt: skip
def test_what_is_no_misnamed_plan_is_left_alone(tmp_path: Path, name: str, text: str) -> None:
    make(tmp_path, name, text=text)
    assert discover.misnamed(tmp_path) == []


def test_upstreams_summary_by_the_numbers_alone_finishes_a_plan_with_a_slug(tmp_path: Path) -> None:
    make(tmp_path, "01-02-auth-PLAN.md", "01-02-SUMMARY.md", text="---\nstatus: complete\n---\n")
    assert discover.is_finished(tmp_path / "01-02-auth-PLAN.md")
    make(tmp_path, "01-02-auth-SUMMARY.md", text="---\nstatus: halted\n---\n")
    assert discover.is_halted(tmp_path / "01-02-auth-PLAN.md")
    assert not discover.is_finished(tmp_path / "01-02-auth-PLAN.md")
