"""Settings: which layer wins, and what a wrong one is told. The environment is real and put back after each test."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator import settings as module
from orchestrator.errors import SettingsError
from orchestrator.settings import env_files, ledger_folder, load

SHIPPED = Path(__file__).resolve().parents[1] / "config" / "orchestrator.toml"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[MutableMapping[str, str]]:
    kept = dict(os.environ)
    for name in [name for name in kept if name.startswith("ORCHESTRATOR_")]:
        del os.environ[name]
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path / "user")
    yield os.environ
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture
def root(tmp_path: Path, environment: MutableMapping[str, str]) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def write_user(tmp_path: Path, text: str) -> Path:
    return write(tmp_path / "user" / "orchestrator" / "config.toml", text)


def write_project(root: Path, text: str) -> Path:
    return write(root / ".orchestrator" / "config.toml", text)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def problems(root: Path, flags: dict[str, object] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load(root, flags or {})
    return str(refused.value).splitlines()


# --- layers ---------------------------------------------------------------------------------------


def test_without_any_file_of_the_user_the_shipped_values_hold(root: Path):
    shipped = tomllib.loads(SHIPPED.read_text())
    assert load(root).model_dump(mode="json") == shipped


def test_no_default_is_repeated_in_code():
    with pytest.raises(ValidationError) as refused:
        module.Settings()  # type: ignore[call-arg]
    assert {error["type"] for error in refused.value.errors()} == {"missing"}
    for section in module.Settings.model_fields.values():
        fields = getattr(section.annotation, "model_fields", {})
        assert fields
        assert all(field.is_required() for field in fields.values())


def test_each_layer_beats_the_one_before(
    root: Path, tmp_path: Path, environment: MutableMapping[str, str]
):
    write_user(tmp_path, "[run]\nworkers = 6\ntimeout_s = 6\nstall_s = 6\nretention_days = 6\n")
    assert load(root).run.workers == 6
    write_project(root, "[run]\nworkers = 7\ntimeout_s = 7\nstall_s = 7\n")
    assert load(root).run.workers == 7
    environment["ORCHESTRATOR_RUN__WORKERS"] = "8"
    environment["ORCHESTRATOR_RUN__TIMEOUT_S"] = "8.5"
    run = load(root, {"run": {"workers": 9}}).run
    assert (run.workers, run.timeout_s, run.stall_s, run.retention_days) == (9, 8.5, 7, 6)
    assert run.provider_wait_max_s == 1800


def test_a_flag_that_is_none_was_not_given(root: Path):
    assert load(root, {"run": {"workers": None}}).run.workers == 5


def test_the_environment_can_give_lists_and_truth(
    root: Path, environment: MutableMapping[str, str]
):
    environment["ORCHESTRATOR_WORKSPACE__ENV_PASS"] = '["PATH", "LC_*"]'
    environment["ORCHESTRATOR_VERIFY__RED_FIRST"] = "false"
    loaded = load(root)
    assert loaded.workspace.env_pass == ("PATH", "LC_*")
    assert loaded.verify.red_first is False


def test_variables_without_two_underscores_are_not_settings(
    root: Path, environment: MutableMapping[str, str]
):
    environment["ORCHESTRATOR_INTELLIGENCE_DIR"] = "somewhere"
    environment["ORCHESTRATOR_RUN"] = "anything"
    assert load(root).run.workers == 5


def test_settings_are_frozen(root: Path):
    with pytest.raises(ValidationError):
        load(root).run.workers = 3  # type: ignore[misc]


def test_a_byte_order_mark_does_no_harm(root: Path):
    write_project(root, "").write_bytes(b"\xef\xbb\xbf[run]\nworkers = 2\n")
    assert load(root).run.workers == 2


# --- refusals -------------------------------------------------------------------------------------


def test_an_unknown_key_names_file_key_and_the_nearest_one(root: Path):
    path = write_project(root, "[run]\nworkrs = 3\n")
    assert problems(root) == [f"{path}: run.workrs: no such setting; did you mean workers?"]


def test_an_unknown_section_names_the_nearest_one(root: Path):
    path = write_project(root, "[veryfy]\ntimeout_s = 3\n")
    assert problems(root) == [f"{path}: veryfy: no such section; did you mean verify?"]


def test_a_word_like_no_other_is_answered_with_all_that_are_known(root: Path):
    write_project(root, "[reader]\nzzz = 3\n")
    assert problems(root)[0].endswith("known here: max_bytes, max_tasks")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ORCHESTRATOR_RUN__WORKRES", "ORCHESTRATOR_RUN__WORKERS"),
        ("ORCHESTRATOR_RUNN__WORKERS", "ORCHESTRATOR_RUN__WORKERS"),
        ("ORCHESTRATOR_RUN__WORKERS__X", "ORCHESTRATOR_RUN__WORKERS"),
    ],
)
def test_a_misspelt_variable_is_refused(
    root: Path, environment: MutableMapping[str, str], given: str, meant: str
):
    environment[given] = "3"
    assert problems(root) == [f"environment: {given}: no such setting; did you mean {meant}?"]


def test_a_syntax_error_names_file_and_line(root: Path):
    path = write_project(root, "[run]\nworkers = 3\nstall_s =\n")
    [problem] = problems(root)
    assert problem.startswith(f"{path}: is not TOML: ")
    assert "line 3" in problem


def test_a_file_that_is_not_utf8_is_named(root: Path):
    path = write_project(root, "")
    path.write_bytes(b"[run]\n# caf\xe9\n")
    [problem] = problems(root)
    assert problem.startswith(f"{path}: is not UTF-8 (byte 11)")


def test_a_folder_in_place_of_the_file_is_named(root: Path):
    path = root / ".orchestrator" / "config.toml"
    path.mkdir(parents=True)
    [problem] = problems(root)
    assert problem.startswith(f"{path}: cannot be read")


def test_a_value_in_place_of_a_table_is_refused(root: Path):
    path = write_project(root, "run = 3\n")
    [problem] = problems(root)
    assert problem.startswith(f"{path}: run: should be a table; write [run]")


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("run", "workers = 0"),
        ("run", "workers = 65"),
        ("run", 'workers = "3"'),
        ("run", "workers = true"),
        ("run", "workers = 2.5"),
        ("run", "timeout_s = 0"),
        ("run", "timeout_s = inf"),
        ("run", "stall_s = nan"),
        ("run", "provider_wait_max_s = -1"),
        ("run", "retention_days = -1"),
        ("verify", "output_bytes = 0"),
        ("verify", 'red_first = "yes"'),
        ("routing", "haiku_max = -1"),
        ("routing", "sonnet_max = 11"),
        ("routing", "sonnet_max = -1"),
        ("reader", "max_bytes = 0"),
        ("workspace", 'env_pass = "PATH"'),
        ("workspace", "env_files = [1]"),
        ("workspace", 'env_files = [""]'),
    ],
)
def test_a_value_out_of_range_or_of_another_type_names_its_file_and_key(
    root: Path, section: str, line: str
):
    path = write_project(root, f"[{section}]\n{line}\n")
    [problem] = problems(root)
    assert problem.startswith(f"{path}: {section}.{line.split()[0]}")


def test_crossed_bands_are_refused_where_the_last_of_them_was_set(root: Path, tmp_path: Path):
    write_user(tmp_path, "[routing]\nhaiku_max = 4\n")
    path = write_project(root, "[routing]\nsonnet_max = 3\n")
    [problem] = problems(root)
    assert problem.startswith(f"{path}: routing.sonnet_max")
    assert "haiku_max (4) is above sonnet_max (3)" in problem


def test_equal_bands_and_the_edges_are_allowed(root: Path):
    routing = load(root, {"routing": {"haiku_max": 0, "sonnet_max": 0}}).routing
    assert (routing.haiku_max, routing.sonnet_max) == (0, 0)
    assert load(root, {"routing": {"haiku_max": 10, "sonnet_max": 10}}).routing.haiku_max == 10


def test_a_list_in_the_environment_that_is_none_says_how_to_write_it(
    root: Path, environment: MutableMapping[str, str]
):
    environment["ORCHESTRATOR_WORKSPACE__ENV_PASS"] = "PATH"
    assert problems(root) == [
        "environment: ORCHESTRATOR_WORKSPACE__ENV_PASS = 'PATH': "
        'should be a list such as ["A", "B"]; correct it there'
    ]


def test_everything_that_is_wrong_is_said_at_once(
    root: Path, tmp_path: Path, environment: MutableMapping[str, str]
):
    write_user(tmp_path, "[run\n")
    write_project(root, "[run]\nworkers = 0\nstal_s = 3\n")
    environment["ORCHESTRATOR_VERIFY__TIMEOUT_S"] = "soon"
    environment["ORCHESTRATOR_VERIFY__TIMEOUT"] = "3"
    found = problems(root, {"reader": {"max_bites": 3}})
    expected = ("is not TOML", "TIMEOUT:", "stal_s", "max_bites", "workers = 0", "= 'soon'")
    assert len(found) == len(expected)
    assert all(part in problem for part, problem in zip(expected, found, strict=True))


def test_a_settings_error_ends_with_exit_code_3(root: Path):
    with pytest.raises(SettingsError) as refused:
        load(root, {"run": {"workers": 0}})
    assert refused.value.exit_code == 3
    assert str(refused.value).startswith("flags: run.workers = 0: ")


def test_a_wheel_reads_the_copy_beside_the_module(tmp_path: Path):
    """As installed: the package alone, with the defaults that pyproject.toml puts into it."""
    package = tmp_path / "orchestrator"
    package.mkdir()
    for name in ("__init__", "model", "errors", "settings"):
        source = SHIPPED.parents[1] / "orchestrator" / f"{name}.py"
        (package / f"{name}.py").write_bytes(source.read_bytes())
    (package / "orchestrator.toml").write_text(
        SHIPPED.read_text().replace("workers = 5", "workers = 4")
    )
    write(tmp_path / "config" / "orchestrator.toml", "a neighbour's, never read")
    code = "from pathlib import Path; import orchestrator.settings as s; print(s.load(Path('.')).run.workers)"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "4", answer.stderr


# --- the ledger's folder --------------------------------------------------------------------------


def test_the_ledger_folder_is_the_chosen_one_else_the_users_data(
    environment: MutableMapping[str, str], tmp_path: Path
):
    environment["HOME"] = str(tmp_path)
    environment.pop("XDG_DATA_HOME", None)
    assert ledger_folder() == tmp_path / ".local" / "share" / "orchestrator"
    environment["XDG_DATA_HOME"] = "relative/is/ignored"
    assert ledger_folder() == tmp_path / ".local" / "share" / "orchestrator"
    environment["XDG_DATA_HOME"] = str(tmp_path / "data")
    assert ledger_folder() == tmp_path / "data" / "orchestrator"
    environment["ORCHESTRATOR_INTELLIGENCE_DIR"] = "~/minds"
    assert ledger_folder() == tmp_path / "minds"


# --- dotenv files ---------------------------------------------------------------------------------


def test_env_files_join_and_the_later_wins(root: Path):
    write(root / ".env", "A=1\nexport B='two words'\n# no\nC=\n")
    write(root / "deep" / ".env", "A=3\n")
    assert env_files(root, [".env", "deep/.env"]) == {"A": "3", "B": "two words", "C": ""}
    assert env_files(root, []) == {}


def test_missing_and_foreign_env_files_are_named_together(root: Path, tmp_path: Path):
    write(tmp_path / "outside.env", "SECRET=1\n")
    (root / "link.env").symlink_to(tmp_path / "outside.env")
    with pytest.raises(SettingsError) as refused:
        env_files(root, ["no.env", "../outside.env", str(tmp_path / "outside.env"), "link.env"])
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("no.env: no such file")
    assert len(lines) == 4
    assert all("is outside the project" in line for line in lines[1:])


def test_a_line_that_sets_nothing_is_named_with_its_number(root: Path):
    write(root / ".env", "A=1\nB\nC='open\n")
    with pytest.raises(SettingsError) as refused:
        env_files(root, [".env"])
    lines = str(refused.value).splitlines()
    assert [line.split(" ")[0] for line in lines] == [".env:2:", ".env:3:"]
