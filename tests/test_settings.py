"""Settings: which layer wins, and what a wrong one is told. The environment is real and put back after each test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator import settings as module
from orchestrator.errors import SettingsError
from orchestrator.model import Tier
from orchestrator.settings import WorkerSettings, env_files, ledger_folder, load

SHIPPED = Path(__file__).resolve().parents[1] / "config" / "orchestrator.toml"
OPEN = {"workers", "prices"}  # what stands below them is named by the user, and is optional


@contextmanager
def only_user(folder: Path) -> Iterator[MutableMapping[str, str]]:
    kept = dict(os.environ)
    for name in [name for name in kept if name.startswith("ORCHESTRATOR_")]:
        del os.environ[name]
    os.environ["XDG_CONFIG_HOME"] = str(folder / "user")
    try:
        yield os.environ
    finally:
        os.environ.clear()
        os.environ.update(kept)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[MutableMapping[str, str]]:
    with only_user(tmp_path) as variables:
        yield variables


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
    assert load(root).model_dump(mode="json") == {**shipped, "workers": {}, "prices": {}}


def test_no_default_is_repeated_in_code():
    with pytest.raises(ValidationError) as refused:
        module.Settings()  # type: ignore[call-arg]
    assert {error["type"] for error in refused.value.errors()} == {"missing"}
    assert {error["loc"] for error in refused.value.errors()} == {
        (section,) for section in module.Settings.model_fields
    }
    for name, section in module.Settings.model_fields.items():
        fields = getattr(section.annotation, "model_fields", {})
        assert bool(fields) == (name not in OPEN)
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
        ("run", 'on_quota = "beg"'),
        ("run", 'agents = "claude"'),
        ("run", "share_prompt_cache_s = -1"),
        ("budget", "attempt_usd = -1"),
        ("budget", "attempt_usd = inf"),
        ("budget", "attempt_turns = 0"),
        ("budget", "run_usd = -1.0"),
        ("budget", "run_tokens = 1.5"),
        ("budget", "dear_share = 2.0"),
        ("verify", "output_bytes = 0"),
        ("verify", 'red_first = "yes"'),
        ("routing", "haiku_max = -1"),
        ("routing", "sonnet_max = 11"),
        ("routing", "sonnet_max = -1"),
        ("routing", 'bands = "bold"'),
        ("learning", 'confidence = "guess"'),
        ("learning", "min_confidence = 1.5"),
        ("learning", "margin = 1.0"),
        ("learning", "window_days = 0"),
        ("learning", "window_days = 36501"),
        ("learning", "min_samples = 0.5"),
        ("routing", 'security_floor = "gpt"'),
        ("routing", "risk_floor = 3"),
        ("estimate", "min_samples = 0"),
        ("reader", "max_bytes = 0"),
        ("daemon", "settle_s = -1"),
        ("daemon", "settle_s = inf"),
        ("daemon", "rescan_s = 0"),
        ("daemon", "drain_s = -1"),
        ("daemon", "runs = 0"),
        ("daemon", 'learn = "nightly"'),
        ("daemon", 'clean = "0 3 * *"'),
        ("daemon", "learn = 3"),
        ("daemon", 'learn = "99 3 * * *"'),
        ("daemon", 'clean = "0 3 30 2 *"'),
        ("daemon", 'clean = "0 0 3 * * *"'),
        ("notify", 'on = ["checkpoint", "lunch"]'),
        ("notify", 'command = "tell-me"'),
        ("notify", "webhook = 1"),
        ("notify", 'webhook = "ftp://example.org/x"'),
        ("notify", 'webhook = "example.org/x"'),
        ("notify", 'webhook = "https://"'),
        ("notify", 'webhook = "http://[::1/x"'),
        ("notify", "timeout_s = 0"),
        ("http", "port = 65536"),
        ("http", "port = -1"),
        ("http", 'port = "8080"'),
        ("http", 'host = ""'),
        ("http", 'expose = "yes"'),
        ("http", 'allowed_hosts = "box.lan"'),
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


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("300M", ": 300_000_000, without quotes"),
        ("1.5b", ": 1_500_000_000, without quotes"),
        ("12 k", ": 12_000, without quotes"),
        ("8080", ": 8_080, without quotes"),
        ("much", ""),
    ],
)
@pytest.mark.parametrize("key", ["quota.month_tokens", "budget.run_tokens", "budget.day_tokens"])
def test_tokens_in_words_are_refused_with_the_number_that_is_meant(
    root: Path, key: str, given: str, told: str
):
    section, name = key.split(".")
    path = write_project(root, f'[{section}]\n{name} = "{given}"\n')
    [problem] = problems(root)
    assert problem == f"{path}: {key} = '{given}': should be a whole number{told}; correct it there"


def test_what_a_daemon_could_not_do_is_refused_with_what_to_write(root: Path):
    path = write_project(
        root, "[daemon]\nlearn = '99 3 * * *'\n[notify]\nwebhook = 'ftp://example.org/x'\n"
    )
    time, address = problems(root)
    assert time.startswith(f"{path}: daemon.learn = '99 3 * * *': is no time (")
    assert time.endswith('; write it as cron does, such as "0 3 * * *", or "" for never; correct it there')  # fmt: skip
    assert address == (
        f"{path}: notify.webhook = 'ftp://example.org/x': is no web address; "
        'write one as "https://example.org/hook", or ""; correct it there'
    )


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


def test_c_01_the_conservative_bands_beat_the_numbers(root: Path):
    assert load(root).routing.ends == (4, 8)
    assert load(root, {"routing": {"haiku_max": 2, "sonnet_max": 5}}).routing.ends == (2, 5)
    given = {"haiku_max": 2, "sonnet_max": 5, "bands": "conservative"}
    assert load(root, {"routing": given}).routing.ends == (3, 8)


def test_a_key_above_all_sections_is_told_its_section(root: Path):
    path = write_project(root, "workers = 3\nstall_s = 3\n")
    assert problems(root) == [
        f"{path}: workers: should be a table; write it below [run]",
        f"{path}: stall_s: no such section; write it below [run]",
    ]


def test_an_empty_section_does_not_take_the_blame(root: Path, tmp_path: Path):
    path = write_user(tmp_path, "[routing]\nsonnet_max = 3\n")
    write_project(root, "[routing]\n")
    [problem] = problems(root)
    assert problem.startswith(f"{path}: routing.sonnet_max")


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
    source = SHIPPED.parents[1] / "orchestrator"
    for room in ("model", "settings"):
        shutil.copytree(source / room, package / room)
    for name in ("__init__.py", "errors.py"):
        shutil.copy(source / name, package)
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


# --- tables whose names are the user's ------------------------------------------------------------


def test_each_shipped_agent_has_a_model_in_every_tier(root: Path):
    loaded = load(root)
    for agent in loaded.run.agents:
        assert set(loaded.models.of(agent)) == set(Tier)
    assert loaded.models.of("claude")[Tier.OPUS] == loaded.models.opus["claude"]


def test_only_mapped_tiers_are_told(root: Path):
    write_project(root, '[models.haiku]\nmine = "small"\n[models.opus]\nmine = "large"\n')
    models = load(root).models
    assert models.of("mine") == {Tier.HAIKU: "small", Tier.OPUS: "large"}
    assert models.of("nobody") == {}


def test_models_of_several_layers_are_merged_key_by_key(
    root: Path, tmp_path: Path, environment: MutableMapping[str, str]
):
    shipped = load(root).models
    write_user(tmp_path, '[models.haiku]\ncodex = "by the user"\npi = "by the user"\n')
    write_project(root, '[models.haiku]\ncodex = "by the project"\nmine = "by the project"\n')
    environment["ORCHESTRATOR_MODELS__HAIKU__MINE"] = "by the environment"
    environment["ORCHESTRATOR_MODELS__HAIKU__MY-OTHER"] = "5"
    models = load(root, {"models": {"haiku": {"my-other": None, "gemini": "by a flag"}}}).models
    assert models.haiku == {
        **shipped.haiku,
        "gemini": "by a flag",
        "codex": "by the project",
        "pi": "by the user",
        "mine": "by the environment",
        "my-other": "5",
    }
    assert (models.sonnet, models.opus) == (shipped.sonnet, shipped.opus)


def test_a_worker_is_what_all_layers_say_of_it(
    root: Path, tmp_path: Path, environment: MutableMapping[str, str]
):
    write_user(tmp_path, '[workers.claude]\nprogram = "/old"\narguments = ["a", "b"]\nlean = false')
    write_project(
        root,
        '[workers.claude]\nargv = ["m"]\narguments = ["c"]\npaths.text = "x.y"\nsuccess.a = 1\n',
    )
    environment["ORCHESTRATOR_WORKERS__CLAUDE__PROGRAM"] = "/new"
    flags = {"stall_s": 7, "format": "json", "paths": {"model": "m"}}
    loaded = load(root, {"workers": {"claude": flags}})
    claude = loaded.worker("claude")
    assert (claude.program, claude.arguments, claude.lean) == ("/new", ("c",), False)
    assert (claude.stall_s, claude.paths.text, claude.paths.model) == (7, "x.y", "m")
    assert loaded.worker("codex") == WorkerSettings()


def test_the_environment_can_give_every_kind_of_value_of_a_worker(
    root: Path, environment: MutableMapping[str, str]
):
    given_here = {
        "LEAN": "false",
        "STALL_S": "2.5",
        "ARGV": '["mine", "--model={model}"]',
        "FORMAT": "json",
        "TIERS": '["haiku", "opus"]',
        "SUCCESS__STATUS": "done",
        "SUCCESS__IS_ERROR": "false",
        "PATHS__TEXT": "result.text",
    }
    for key, value in given_here.items():
        environment[f"ORCHESTRATOR_WORKERS__MINE__{key}"] = value
    mine = load(root).worker("mine")
    assert (mine.lean, mine.stall_s, mine.argv) == (False, 2.5, ("mine", "--model={model}"))
    assert mine.tiers == (Tier.HAIKU, Tier.OPUS)
    assert mine.success == {"status": "done", "is_error": False}
    assert mine.paths.text == "result.text"


def test_an_agent_of_ones_own_is_read_from_a_file(root: Path):
    write_project(
        root,
        '[workers.mine]\nargv = ["mine", "{model}"]\nformat = "json"\nstop = "SIGINT"\n'
        'tiers = ["opus"]\nsuccess = { status = "ok", code = 0, failed = false }\n'
        'paths = { text = "result.text" }\n',
    )
    mine = load(root).worker("mine")
    assert (mine.format, mine.stop, mine.tiers) == ("json", "SIGINT", (Tier.OPUS,))
    assert mine.success == {"status": "ok", "code": 0, "failed": False}


def test_prices_are_found_by_the_id_of_the_model(
    root: Path, tmp_path: Path, environment: MutableMapping[str, str]
):
    write_user(tmp_path, '[prices."org/model-1.5"]\ninput = 1\noutput = 2.5\n')
    write_project(root, '[prices."org/model-1.5"]\ncache_read = 0.1\n')
    environment["ORCHESTRATOR_PRICES__LOCAL__INPUT"] = "0"
    environment["ORCHESTRATOR_PRICES__LOCAL__OUTPUT"] = "0.5"
    prices = load(root).prices
    assert prices["org/model-1.5"].model_dump() == {
        "input": 1,
        "output": 2.5,
        "cache_read": 0.1,
        "cache_write": None,
    }
    assert (prices["local"].input, prices["local"].output) == (0, 0.5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[workers.claude]\nprogramm = "x"',
            "workers.claude.programm: no such setting; did you mean program?",
        ),
        (
            '[workers.mine.paths]\ntxt = "x"',
            "workers.mine.paths.txt: no such setting; did you mean text?",
        ),
        ('[prices."a.b"]\ninputs = 3', 'prices."a.b".inputs: no such setting; did you mean input?'),
        ('[models.hiaku]\npi = "x"', "models.hiaku: no such setting; did you mean haiku?"),
        (
            '[worker.claude]\nprogram = "x"',
            "worker: no such section; did you mean workers?",
        ),
        (
            '[models]\nhaiku = "x"',
            "models.haiku: should be a table; write [models.haiku] and its keys below",
        ),
        (
            '[workers]\nprogram = "x"',
            "workers.program: should be a table; write it below [workers.NAME]",
        ),
    ],
)
def test_a_wrong_key_in_a_nested_table_has_place_and_suggestion(root: Path, text: str, told: str):
    path = write_project(root, text + "\n")
    assert f"{path}: {told}" in problems(root)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[models.haiku]\npi = 3", "models.haiku.pi = 3: should be a valid string"),
        ('[models.haiku]\npi = ""', "models.haiku.pi = '': String should have at least 1 char"),
        ("[workers.claude]\nprogram = 3", "workers.claude.program = 3: should be a valid string"),
        ('[workers.claude]\nlean = "no"', "workers.claude.lean = 'no': should be a valid bool"),
        ("[workers.claude]\nstall_s = 0", "workers.claude.stall_s = 0: should be greater than 0"),
        (
            "[workers.claude]\narguments = 3",
            'workers.claude.arguments = 3: should be a list such as ["',
        ),
        ("[workers.mine]\nargv = [1]", "workers.mine.argv = 1: should be a valid string"),
        (
            '[workers.mine]\nargv = ["m", "{model}"]\ntiers = ["sonet"]',
            "workers.mine.tiers = 'sonet': should be 'haiku', 'sonnet' or 'opus'",
        ),
        (
            '[workers.mine]\nstop = "SIGKILL"',
            "workers.mine.stop = 'SIGKILL': should be 'SIGINT' or",
        ),
        (
            "[workers.mine.success]\ncode = [0]",
            "workers.mine.success.code = [0]: should be text, a whole number, true or false",
        ),
        ("[workers.mine.paths]\ntext = 3", "workers.mine.paths.text = 3: should be a valid string"),
        (
            '[prices."a.b"]\ninput = -1\noutput = 1',
            'prices."a.b".input = -1: should be greater than',
        ),
    ],
)
def test_a_wrong_value_in_a_nested_table_is_one_located_problem(root: Path, text: str, told: str):
    path = write_project(root, text + "\n")
    [problem] = problems(root)
    assert problem.startswith(f"{path}: {told}")


JSON = 'argv = ["m"]\nformat = "json"\nsuccess.a = 1\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('argv = ["m", "{modle}"]', "argv = ['m', '{modle}']: {modle} is no placeholder; did you mean model?"),
        ('argv = ["m", "-{session}"]', "argv = ['m', '-{session}']: {session} is known only when one"),
        ('argv = ["{model}"]', "argv = ['{model}']: its first word is the program"),
        ('argv = ["m"]\ntiers = ["opus"]', "tiers = ['opus']: its argv has no {model}"),
        ('argv = ["m"]\nresume = ["-r"]', "resume = ['-r']: says nowhere which session: add {session}"),
        ('argv = ["m"]\nresume = ["{sesion}"]', "resume = ['{sesion}']: {sesion} is no placeholder; did you mean session?"),
        ('argv = ["m"]\nresume = ["{session}"]', "resume = ['{session}']: nothing tells its session: write a pattern"),
        (f'{JSON}fork = ["{{session}}"]', "fork = ['{session}']: nothing tells its session: write paths.session"),
        ('argv = ["m"]\nformat = "json"', "success: is missing; write it there"),
        ('argv = ["m"]\nsuccess = { a = 1 }', "success.a: is for JSON: for text, write a pattern with (?P<success>...)"),
        ('argv = ["m"]\npaths.text = "a"', "paths.text: are for JSON: text is read by patterns"),
        (f'{JSON}patterns = ["(?P<text>x)"]', "patterns = ['(?P<text>x)']: are for format = \"text\""),
        (f"{JSON}end = {{ a = 1 }}", 'end.a: is for format = "ndjson"'),
        ('argv = ["m"]\npatterns = ["(?P<txt>x)"]', "patterns = ['(?P<txt>x)']: (?P<txt>...) has no meaning; did you mean text?"),
        ('argv = ["m"]\npatterns = ["(x"]', "patterns = ['(x']: is no regular expression: missing ), unterminated"),
        ('argv = ["m"]\npatterns = ["x"]', "patterns = ['x']: 'x' has no named group"),
        ('format = "json"', "format = 'json': is for an agent of one's own: write its argv too"),
    ],
)  # fmt: skip
def test_keys_of_an_own_agent_that_do_not_go_together_are_refused(root: Path, text: str, told: str):
    path = write_project(root, f"[workers.mine]\n{text}\n")
    [problem] = problems(root)
    assert problem.startswith(f"{path}: workers.mine.{told}")


@pytest.mark.parametrize(
    "word", ['{"a":{"b":1}}', "{{session}}", "{Model}", "{}", "a{model}b{workspace}"]
)
def test_braces_that_are_no_placeholder_are_let_be(root: Path, word: str):
    write_project(root, f"[workers.mine]\nargv = ['m', '{word}']\n")
    assert load(root).worker("mine").argv == ("m", word)


def test_the_blame_is_with_the_layer_that_set_this_key(
    root: Path, tmp_path: Path, environment: MutableMapping[str, str]
):
    user = write_user(tmp_path, "[workers.claude]\nlean = 1\n[prices.m]\noutput = 1\n")
    write_project(root, '[workers.claude]\nprogram = "x"\n')
    environment["ORCHESTRATOR_WORKERS__CLAUDE__STALL_S"] = "soon"
    environment["ORCHESTRATOR_MODELS__OPUS__CLAUDE"] = ""
    found = problems(root, {"workers": {"claude": {"base_url": 3, "leann": True}}})
    assert [problem.split(" = ")[0] for problem in found] == [
        "flags: workers.claude.leann: no such setting; did you mean lean?",
        "environment: ORCHESTRATOR_MODELS__OPUS__CLAUDE",
        f"{user}: workers.claude.lean",
        "environment: ORCHESTRATOR_WORKERS__CLAUDE__STALL_S",
        "flags: workers.claude.base_url",
        f"{user}: prices.m.input: is missing; write it there",
    ]


def test_a_price_that_is_not_there_is_the_tables_fault(
    root: Path, environment: MutableMapping[str, str]
):
    path = write_project(root, "[prices.empty]\n")
    environment["ORCHESTRATOR_PRICES__M__INPUT"] = "1"
    assert problems(root) == [
        f"{path}: prices.empty.input: is missing; write it there",
        f"{path}: prices.empty.output: is missing; write it there",
        "environment: ORCHESTRATOR_PRICES__M__OUTPUT: is missing; write it there",
    ]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("WORKERS__CLAUDE__PROGRAMM", "WORKERS__CLAUDE__PROGRAM"),
        ("WORKERS__CLAUDE__PATHS__TEX", "WORKERS__CLAUDE__PATHS__TEXT"),
        ("MODELS__HIAKU__CLAUDE", "MODELS__HAIKU__CLAUDE"),
        ("MODELS__HAIKU", "MODELS__HAIKU__NAME"),
        ("MODELS__HAIKU__", "MODELS__HAIKU__NAME"),
        ("PRICES__LOCAL__INPUTS", "PRICES__LOCAL__INPUT"),
    ],
)
def test_a_misspelt_variable_of_a_nested_table_is_refused(
    root: Path, environment: MutableMapping[str, str], given: str, meant: str
):
    environment[f"ORCHESTRATOR_{given}"] = "3"
    [problem] = problems(root)
    assert problem == (
        f"environment: ORCHESTRATOR_{given}: no such setting; did you mean ORCHESTRATOR_{meant}?"
    )


workers = st.sampled_from(["claude", "codex", "pi", "mine", "other"])
ids = st.dictionaries(workers, st.text("xyz/-.5", min_size=1))
tables = st.fixed_dictionaries({}, optional=dict.fromkeys(("haiku", "sonnet", "opus"), ids))


@given(tables, tables, tables)
def test_whatever_the_layers_map_the_last_word_on_each_key_holds(
    tmp_path_factory: pytest.TempPathFactory,
    user: dict[str, dict[str, str]],
    project: dict[str, dict[str, str]],
    flags: dict[str, dict[str, str]],
):
    folder = tmp_path_factory.mktemp("layers")
    write_user(folder, as_toml(user))
    write_project(folder, as_toml(project))
    with only_user(folder):
        loaded = load(folder, {"models": flags}).models.model_dump()
    shipped = tomllib.loads(SHIPPED.read_text())["models"]
    for tier, ids_of in shipped.items():
        said = [layer.get(tier, {}) for layer in (user, project, flags)]
        assert loaded[tier] == {**ids_of, **said[0], **said[1], **said[2]}


def as_toml(models: dict[str, dict[str, str]]) -> str:
    return "".join(
        f"[models.{tier}]\n" + "".join(f'{name} = "{model}"\n' for name, model in table.items())
        for tier, table in models.items()
    )


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
