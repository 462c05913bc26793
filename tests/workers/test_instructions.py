"""The project's own instructions, for agents that are told of them by us."""

from __future__ import annotations

from pathlib import Path

from orchestrator.workers.api.instructions import LONGEST, joined

NAMES = ("CLAUDE.md", "AGENTS.md")


def test_the_first_that_says_something_is_told_after_our_own(tmp_path: Path):
    (tmp_path / "AGENTS.md").write_text("use tabs\n")
    assert joined("rules", str(tmp_path), ()) == "rules"
    told = "rules\n\nThe project's own instructions (AGENTS.md):\nuse tabs"
    assert joined("rules", str(tmp_path), NAMES, most=1) == told
    for points in (" \n", "@AGENTS.md\n"):
        (tmp_path / "CLAUDE.md").write_text(points)
        assert joined("rules", str(tmp_path), NAMES, most=1) == told
    (tmp_path / "CLAUDE.md").write_text("use spaces")
    assert "use tabs" not in joined("rules", str(tmp_path), NAMES, most=1)
    assert "use tabs" in joined("rules", str(tmp_path), NAMES)


def test_long_ones_are_cut_and_what_is_no_text_of_the_project_is_not_told(tmp_path: Path):
    (tmp_path / "secret").write_text("SECRET")
    work = tmp_path / "work"
    work.mkdir()
    (work / "CLAUDE.md").symlink_to(tmp_path / "secret")
    (work / "AGENTS.md").write_text("é" * LONGEST)
    told = joined("rules", str(work), NAMES, most=1)
    assert "SECRET" not in told
    assert told.endswith(f"é\n[... {LONGEST} bytes cut ...]")
    (work / "AGENTS.md").write_bytes(b"\xff\xfe")
    assert joined("rules", str(work), NAMES, most=1) == "rules"
