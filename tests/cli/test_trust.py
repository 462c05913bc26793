"""`trust` says what is true of a text: that it runs, with which doubts, or that it does not run as it is."""

from __future__ import annotations

from tests.cli.projects import Project, makes


def test_a_text_with_an_error_is_not_said_to_run(project: Project):
    project.write(makes("one", "one.txt", 'depends-on="9"'), makes("two", "two.txt", "type=x"))
    done = project.call("trust", "demo-PLAN.md")
    assert done.returncode == 0
    assert "may run" not in done.stderr
    assert "demo-PLAN.md is trusted, and does not run: demo-PLAN.md:" in done.stderr
    assert "error more)" in done.stderr
    assert "another text: orchestrator trust demo-PLAN.md" in done.stderr


def test_the_warnings_of_a_text_are_told_to_who_trusts_it(project: Project):
    project.write(makes("one", "one.txt"), front="priority: soon\n")
    done = project.call("trust", "demo-PLAN.md")
    assert "✓ demo-PLAN.md may run as it is now" in done.stderr
    assert "(F210)" in done.stderr
    assert "next: orchestrator lint demo-PLAN.md" in done.stderr


def test_a_link_is_trusted_within_the_project_only(project: Project):
    project.write(makes("one", "one.txt"))
    plan, outside = project.root / "demo-PLAN.md", project.root.parent / "elsewhere.md"
    plan.rename(project.root / "real.md")
    plan.symlink_to("real.md")
    assert project.call("trust", "demo-PLAN.md").returncode == 0
    (project.root / "real.md").rename(outside)
    plan.unlink()
    plan.symlink_to(outside)
    for path in ("demo-PLAN.md", "."):
        done = project.call("trust", path)
        assert done.returncode == 64
        assert f"it is outside of the project (at {outside})" in done.stderr
    assert not (outside.parent / ".orchestrator").exists()


def test_a_text_without_a_doubt_is_told_in_one_line(project: Project):
    project.write(makes("one", "one.txt"))
    project.root.joinpath("two").mkdir()
    done = project.call("trust", "demo-PLAN.md")
    assert done.stderr == "✓ demo-PLAN.md may run as it is now\n"
