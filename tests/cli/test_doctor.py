"""doctor on agents: none, one and all of them installed; what works, what does not, and what to do."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from orchestrator.workers.registry import CLIENTS
from tests.agents import clients
from tests.agents.server import ModelServer
from tests.cli.projects import Project
from tests.cli.test_setup import marks

KNOWN_NOTES = {"codex": ("OPENAI_API_KEY", "model_provider")}  # of the tests' own set-up
TOOLS = ("bash", "python3", "git", "env")


@pytest.fixture
def folder(project: Project, tmp_path: Path) -> Path:
    """All that is on the PATH: nothing but the tools of a bare machine."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in TOOLS:
        if found := shutil.which(name):
            (place / name).symlink_to(found)
    project.environment["PATH"] = str(place)
    return place


def client(folder: Path, name: str, text: str, code: int = 0) -> None:
    path = folder / name
    path.write_text(f"#!{folder / 'bash'}\necho '{text}'\nexit {code}\n")
    path.chmod(0o755)


def rows(project: Project, what: str) -> list[dict[str, str]]:
    found = project.json("doctor")["findings"]
    return [one for one in found if one["what"] == what]


def test_with_none_every_one_is_named_and_only_scripts_can_run(project: Project, folder: Path):
    found = marks(project.told("doctor"))
    assert {found[f"worker {name}"] for name in (*CLIENTS, "api")} == {"note"}
    assert found["worker shell"] == "ok"
    (told,) = rows(project, "agents")
    assert 'only tasks with subagent="bash" can run; install one' in told["text"]
    assert rows(project, "worker claude")[0]["text"] == "claude is not on the PATH"


def test_a_python_of_ours_that_hides_the_projects_is_named(project: Project, tmp_path: Path):
    assert [one["mark"] for one in rows(project, "python")] == ["ok"]
    project.environment["VIRTUAL_ENV"] = str(tmp_path)
    assert [one["mark"] for one in rows(project, "python")] == ["ok"], (
        "the project's own, or another"
    )
    project.environment["VIRTUAL_ENV"] = sys.prefix
    _, note = rows(project, "python")
    assert note["mark"] == "note"
    assert note["text"].endswith(f"deactivate, and call {sys.prefix}/bin/orchestrator")


def test_with_one_that_is_not_logged_in_the_next_step_is_told(project: Project, folder: Path):
    client(folder, "claude", "2.1.329 (Claude Code)")
    version, login = rows(project, "worker claude")
    assert (version["mark"], version["text"]) == ("ok", "2.1.329 (Claude Code)")
    assert login["mark"] == "note"
    assert "no login found: log in with" in login["text"]
    assert rows(project, "agents") == []


def test_a_key_that_beats_a_subscription_is_told(project: Project, folder: Path):
    client(folder, "claude", "2.1.329 (Claude Code)")
    home = Path(project.environment["HOME"]) / ".claude"
    home.mkdir()
    (home / ".credentials.json").touch()
    assert len(rows(project, "worker claude")) == 1
    project.environment["ANTHROPIC_API_KEY"] = "sk-x"
    _, note = rows(project, "worker claude")
    assert "ANTHROPIC_API_KEY is set and wins over your login" in note["text"]


def test_one_that_is_broken_is_no_worker(project: Project, folder: Path):
    client(folder, "claude", "cannot find its parts", code=1)
    (told,) = rows(project, "worker claude")
    assert told["mark"] == "note"
    assert "claude --version failed: cannot find its parts; install it again" in told["text"]
    assert rows(project, "agents")


def test_one_that_is_too_old_for_how_it_is_called_is_no_worker(project: Project, folder: Path):
    client(folder, "claude", "2.1.197 (Claude Code)")
    (told,) = rows(project, "worker claude")
    assert told["text"] == "2.1.197 (Claude Code) is too old; install 2.1.259 or newer"


def test_a_sandbox_that_cannot_work_here_is_told(project: Project, folder: Path):
    project.environment["CODEX_API_KEY"] = "sk-x"
    client(folder, "codex", "codex-cli 0.169.0")
    assert len(rows(project, "worker codex")) == 1
    (folder / "codex").write_text(
        f"#!{folder / 'bash'}\n[[ $1 != sandbox ]] || exit 1\necho codex-cli 0.169.0\n"
    )
    _, note = rows(project, "worker codex")
    assert "its sandbox does not work here" in note["text"]
    assert "danger-full-access" in note["text"]


def test_a_program_elsewhere_is_found_by_the_settings(
    project: Project, folder: Path, tmp_path: Path
):
    client(folder, "claude", "9.9 (Claude Code)")
    elsewhere = tmp_path / "elsewhere"
    (folder / "claude").rename(elsewhere)
    table = f'[workers.claude]\nprogram = "{elsewhere}"\n'
    (project.root / ".orchestrator" / "config.toml").write_text(table)
    assert rows(project, "worker claude")[0]["text"] == "9.9 (Claude Code)"


def test_an_agent_of_ones_own_is_examined_too(project: Project, folder: Path):
    client(folder, "mule", "mule 1.0")
    (folder / "mule").write_text(f"#!{folder / 'bash'}\n: > {project.root / 'ran'}\n")
    table = '[workers.mule]\nargv = ["mule", "--go"]\n[prices."hay-1"]\ninput = 1.0\noutput = 2.0\n'
    (project.root / ".orchestrator" / "config.toml").write_text(table)
    assert rows(project, "worker mule")[0]["text"] == str(folder / "mule")
    assert not (project.root / "ran").exists(), "doctor starts nothing that could do its work"
    assert "and 1 price of your own" in rows(project, "prices")[0]["text"]


@pytest.mark.timeout(120)
def test_with_all_of_them_really_installed_each_tells_its_version(project: Project, tmp_path: Path):
    there = {name: clients.needs(name) for name in clients.NAMES}
    with ModelServer({}) as server:
        home, place = Path(project.environment["HOME"]), clients.bin_folder(tmp_path)
        clients.prepare_home(home, server)
        project.environment |= clients.environment(home, server, place)
        found = project.json("doctor")["findings"]
        for name, client in there.items():
            if name in CLIENTS:
                what = f"worker {name}"
                version, *notes = [one for one in found if one["what"] == what]
                assert version["mark"] == "ok", version
                assert client.version in version["text"]
                known = KNOWN_NOTES.get(name, ())
                assert len(notes) == len(known), notes
                assert all(word in note["text"] for word, note in zip(known, notes, strict=True))
