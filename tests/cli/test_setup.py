"""doctor and init: what is here, what is missing, and nothing overwritten."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.setup import commented
from orchestrator.workers.registry import CLIENTS
from tests.cli.projects import Project
from tests.conftest import REPOSITORY


def marks(told: str) -> dict[str, str]:
    rows = (row.split(maxsplit=1) for row in told.splitlines())
    return {rest.split("  ")[0].strip(): mark for mark, rest in rows}


def test_doctor_finds_all_well_here(project: Project):
    found = marks(project.told("doctor"))
    assert set(found) == {
        *("python", "sqlite", "bash", "platform"),
        *("project", "settings", "sandbox", "journal", "ledger", "worker shell"),
        *(f"worker {name}" for name in (*CLIENTS, "api")),
        "prices",
        *({"agents"} & set(found)),  # where none is installed
    }
    assert "problem" not in found.values()
    assert project.json("doctor")["findings"][0]["what"] == "python"


def test_doctor_names_what_is_missing_and_ends_with_3(project: Project, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    done = project.call("doctor", PATH=str(tmp_path / "empty"))
    assert done.returncode == 3
    assert {what for what, mark in marks(done.stdout).items() if mark == "problem"} == {
        "bash",
        "worker shell",
    }
    assert "install bash" in done.stdout


def test_doctor_sees_bad_settings_and_a_bad_journal(project: Project):
    home = project.root / ".orchestrator"
    (home / "config.toml").write_text("[run]\nworker = 2\n")
    (home / "journal.db").write_bytes(b"not a database" * 100)
    told = project.told("doctor", code=3)
    found = marks(told)
    assert (found["settings"], found["journal"]) == ("problem", "problem")
    assert "did you mean workers?" in told


def test_doctor_leaves_no_trace(project: Project):
    before = sorted(project.root.rglob("*"))
    project.told("doctor")
    assert sorted(project.root.rglob("*")) == before


def leaves(table: dict[str, Any]) -> list[object]:
    values = [leaves(one) if isinstance(one, dict) else [one] for one in table.values()]
    return [leaf for some in values for leaf in some]


def test_init_writes_comments_once(project: Project):
    path = project.root / ".orchestrator" / "config.toml"
    assert "wrote" in project.told("init")
    text = path.read_text()
    assert "# workers = 5" in text
    assert leaves(tomllib.loads(text)) == []
    assert (path.parent / ".gitignore").read_text() == "*\n!config.toml\n"
    path.write_text("[run]\nworkers = 2\n")
    done = project.call("init")
    assert (done.returncode, path.read_text()) == (0, "[run]\nworkers = 2\n")
    assert f"nothing to do: {path} is there\n  next: edit it" in done.stderr
    assert "2 tasks at once" in project.told("doctor")


def test_a_table_that_is_pasted_below_the_file_of_init_says_where_it_goes(project: Project):
    project.told("init")
    path = project.root / ".orchestrator" / "config.toml"
    text = path.read_text()
    path.write_text(f'{text}\n[notify]\non = ["end"]\n')
    rows = path.read_text().splitlines()
    first, second = (number for number, row in enumerate(rows, 1) if row == "[notify]")
    done = project.call("runs", "--json")
    done = done if done.returncode else project.call("doctor")
    told = " ".join((done.stdout + done.stderr).split())
    assert f"the table [notify] stands twice, in line {first} and in line {second}; put" in told
    assert f"below line {second} below line {first}, and remove line {second}" in told
    rows[first:first], rows[second - 1 :] = rows[second:], []
    path.write_text("\n".join(rows))  # as it was said
    assert project.call("doctor").returncode in (0, 3)
    assert "stands twice" not in project.call("doctor").stdout


def test_init_asks_on_a_terminal(project: Project):
    with project.terminal("init") as screen:
        screen.until("How many tasks at once? [5]")
        screen.type("many\n")
        screen.until("A number from 1 to 64")
        screen.type("3\n")
        assert screen.end() == 0
    path = project.root / ".orchestrator" / "config.toml"
    assert tomllib.loads(path.read_text())["run"] == {"workers": 3}


@pytest.mark.parametrize("workers", [None, 7])
def test_every_default_can_be_uncommented(workers: int | None):
    defaults = (REPOSITORY / "config" / "orchestrator.toml").read_text(encoding="utf-8")
    rows = commented(defaults, workers).splitlines()
    setting = [row.removeprefix("# ") for row in rows if row.startswith("# ")]
    known = [row for row in defaults.splitlines() if " = " in row and row[0] not in "# "]
    assert [row for row in known if row not in setting] == (
        [row for row in known if row.startswith("workers")] if workers else []
    )
