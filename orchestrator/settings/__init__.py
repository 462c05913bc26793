"""Default file, user file, project file, environment and flags become one frozen `Settings`; refuses every unknown key, all at once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from orchestrator.errors import SettingsError
from orchestrator.model import Price
from orchestrator.settings.dotenv import env_files
from orchestrator.settings.outloop import ContextSettings, PatternSettings, QuotaSettings
from orchestrator.settings.sections import (
    BudgetSettings,
    CheckpointSettings,
    ComplexitySettings,
    EstimateSettings,
    LearningSettings,
    LintSettings,
    ModelsSettings,
    OnQuota,
    Paths,
    ReaderSettings,
    RoutingSettings,
    RunSettings,
    SandboxSettings,
    Section,
    VerifySettings,
    WorkerSettings,
    WorkspaceSettings,
)
from orchestrator.settings.service import DaemonSettings, HttpSettings, NotifySettings

__all__ = [
    "NO_FLAGS",
    "PREFIX",
    "BudgetSettings",
    "CheckpointSettings",
    "ContextSettings",
    "EstimateSettings",
    "HttpSettings",
    "LearningSettings",
    "ModelsSettings",
    "OnQuota",
    "Paths",
    "PatternSettings",
    "QuotaSettings",
    "ReaderSettings",
    "RoutingSettings",
    "RunSettings",
    "SandboxSettings",
    "Section",
    "Settings",
    "VerifySettings",
    "WorkerSettings",
    "WorkspaceSettings",
    "env_files",
    "ledger_folder",
    "load",
    "shipped",
]

PREFIX = "ORCHESTRATOR_"
# no settings: marks and names that a task has from an engine, and what tests set
OTHERS = {
    f"{PREFIX}{name}"
    for name in (
        *("PROJECT", "RUN", "TASK", "ATTEMPT", "TREE", "WARDEN", "FINISHES"),
        *("INTELLIGENCE_DIR", "CRASH_AT", "CLOCK_AHEAD"),
    )
}
NO_FLAGS: Mapping[str, object] = MappingProxyType({})


class Settings(BaseSettings):
    """Every setting, with a value from somewhere; the defaults are in the shipped file only."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,  # a bad list must be one located problem, not an exception of its own
    )

    run: RunSettings
    checkpoints: CheckpointSettings
    budget: BudgetSettings
    models: ModelsSettings
    workers: dict[str, WorkerSettings]
    prices: dict[str, Price]
    verify: VerifySettings
    routing: RoutingSettings
    learning: LearningSettings
    reader: ReaderSettings
    lint: LintSettings
    complexity: ComplexitySettings
    estimate: EstimateSettings
    workspace: WorkspaceSettings
    sandbox: SandboxSettings
    daemon: DaemonSettings
    notify: NotifySettings
    http: HttpSettings
    patterns: PatternSettings
    context: ContextSettings
    quota: QuotaSettings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` hands over: it reads the environment itself, to say where a value came from."""
        return (init_settings,)

    def worker(self, name: str) -> WorkerSettings:
        """Its table; without one, a table in which nothing is set."""
        return self.workers.get(name, WorkerSettings())


def load(root: Path, flags: Mapping[str, object] = NO_FLAGS) -> Settings:
    """The settings for the project at `root`. `flags` is nested like the file; None in it means not given."""
    problems: list[str] = []
    layers = [_read_layer(path, problems) for path in _files(root)]
    layers += [_environment(problems), _Layer(_dotted("flags"), flags)]
    merged = _Merged(problems)
    for layer in layers:
        merged.add(layer)
    try:
        settings = Settings(**merged.values)
    except ValidationError as error:
        problems += [_explain(detail, merged.origins) for detail in error.errors()]
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def ledger_folder() -> Path:
    """Where the ledger of this user is."""
    chosen = os.environ.get("ORCHESTRATOR_INTELLIGENCE_DIR")
    if chosen:
        return Path(chosen).expanduser()
    return _xdg("XDG_DATA_HOME", ".local/share") / "orchestrator"


# --- layers: where values come from ---------------------------------------------------------------


@dataclass(frozen=True)
class _Layer:
    """Values from one place; `place` says where a key of it is written."""

    place: Callable[..., str]
    values: Mapping[str, object]


def _dotted(where: object) -> Callable[..., str]:
    return lambda *keys: f"{where}: {_path(keys)}"


def _path(keys: Iterable[str]) -> str:
    """As TOML writes it."""
    return ".".join(key if re.fullmatch(r"[\w-]+", key, re.ASCII) else f'"{key}"' for key in keys)


def _variable(*keys: str) -> str:
    return f"environment: {PREFIX}{'__'.join(keys).upper()}"


def _files(root: Path) -> tuple[Path, ...]:
    """Weakest first."""
    user = _xdg("XDG_CONFIG_HOME", ".config") / "orchestrator" / "config.toml"
    return (shipped(), user, root / ".orchestrator" / "config.toml")


def shipped() -> Path:
    package = Path(__file__).parent.parent
    packaged = package / "orchestrator.toml"
    checkout = package.parent / "config" / "orchestrator.toml"
    found = next((path for path in (packaged, checkout) if path.is_file()), None)
    if found is None:
        raise SettingsError(f"{packaged}: the shipped defaults are missing; install again")
    return found


def _xdg(variable: str, default: str) -> Path:
    chosen = Path(os.environ.get(variable, ""))
    return chosen if chosen.is_absolute() else Path.home() / default


def _read_layer(path: Path, problems: list[str]) -> _Layer:
    values: Mapping[str, object] = {}
    text = ""
    try:
        text = path.read_text("utf-8-sig")
        values = tomllib.loads(text)
    except FileNotFoundError:
        pass
    except OSError as error:
        problems.append(f"{path}: cannot be read ({error.strerror}); correct its permissions")
    except UnicodeDecodeError as error:
        problems.append(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        wrong = _twice(text, str(error)) or f"is not TOML: {error}; correct that line"
        problems.append(f"{path}: {wrong}")
    return _Layer(_dotted(path), values)


def _twice(text: str, error: str) -> str | None:
    """Of a table that stands twice, as of one that was pasted below the file of `init`: where, and what to do."""
    found = re.search(r"Cannot declare .* twice \(at line (\d+)", error)
    if found is None:
        return None
    rows, second = text.splitlines(), int(found[1])
    name = _header(rows[second - 1])
    first = next((n for n, row in enumerate(rows[: second - 1], 1) if _header(row) == name), None)
    if not name or first is None:
        return None
    return (
        f"the table [{name}] stands twice, in line {first} and in line {second}; "
        f"put what is below line {second} below line {first}, and remove line {second}"
    )


def _header(row: str) -> str:
    found = re.match(r"\s*\[([^\[\]]+)\]\s*(#.*)?$", row)
    return ".".join(part.strip() for part in found[1].split(".")) if found else ""


def _environment(problems: list[str]) -> _Layer:
    """pydantic-settings ignores what it does not know; a misspelt variable must not be ignored."""
    source = EnvSettingsSource(Settings)
    source.env_vars = {}
    for name in sorted(os.environ):
        if not name.startswith(PREFIX) or name in OTHERS:
            continue
        known = _variables(name.removeprefix(PREFIX).upper().split("__"))
        names = {f"{PREFIX}{one}" for one in known}
        if name in names:
            source.env_vars[name.lower()] = os.environ[name]
        else:
            problems.append(f"environment: {name}: no such setting; {_suggest(name, names)}")
    return _Layer(_variable, source())


def _variables(given: Sequence[str], kind: Any = Settings) -> Iterator[str]:
    """Every name that a variable can have, without the prefix; free names are taken from `given`."""
    for key, below in (_known(kind) or {}).items():
        name = next(iter(given), "") or NAME if key == NAME else key.upper()
        if _known(below) is None:
            yield name
        else:
            yield from (f"{name}__{rest}" for rest in _variables(given[1:], below))


# --- one value per key, and who gave it -----------------------------------------------------------

NAME = "NAME"  # in place of a key: any name may stand here
_Keys = tuple[str, ...]
_Origins = dict[_Keys, tuple[Callable[..., str], _Keys]]


def _known(kind: Any) -> Mapping[str, Any] | None:
    """The keys of a table, each with the type of its value. None: no table but a value."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {key: field.annotation for key, field in kind.model_fields.items()}
    if get_origin(kind) in (dict, Mapping):
        return {NAME: get_args(kind)[1]}
    return None


class _Merged:
    """Tables are merged key by key, any other value of a later layer takes the place of the earlier one."""

    def __init__(self, problems: list[str]) -> None:
        self.values: dict[str, Any] = {section: {} for section in Settings.model_fields}
        self.origins: _Origins = {}
        self._problems = problems

    def add(self, layer: _Layer) -> None:
        self._add(layer, layer.values, Settings, self.values, ())

    def _add(
        self, layer: _Layer, table: Mapping[str, Any], kind: Any, into: dict[str, Any], above: _Keys
    ) -> None:
        known = _known(kind) or {}
        for key, value in table.items():
            keys, below = (*above, key), known.get(key, known.get(NAME))
            if below is None:
                self._problems.append(f"{layer.place(*keys)}: {_unknown(keys, known)}")
            elif value is None:
                continue
            elif _known(below) is None:
                into[key] = value
                self._came_from(layer, keys)
            elif isinstance(value, Mapping):
                self.origins.setdefault(keys, (layer.place, keys))
                self._add(layer, value, below, into.setdefault(key, {}), keys)
            else:
                self._problems.append(f"{layer.place(*keys)}: {_no_table(keys, below)}")

    def _came_from(self, layer: _Layer, keys: _Keys) -> None:
        for length in range(1, len(keys) + 1):
            self.origins[keys[:length]] = (layer.place, keys)


def _unknown(keys: _Keys, known: Iterable[str]) -> str:
    if len(keys) > 1:
        return f"no such setting; {_suggest(keys[-1], known)}"
    home = _home(keys[0])
    return f"no such section; {f'write it below [{home}]' if home else _suggest(keys[0], known)}"


def _no_table(keys: _Keys, kind: Any) -> str:
    if keys[-1] in (_known(kind) or {}):  # [workers] program = ...
        home: str | None = _path((*keys[:-1], NAME))
    else:
        home = _home(keys[0]) if len(keys) == 1 else None
    hint = f"write it below [{home}]" if home else f"write [{_path(keys)}] and its keys below"
    return f"should be a table; {hint}"


def _home(key: str) -> str | None:
    """The section that knows a key which was written above all sections."""
    sections = _known(Settings) or {}
    return next((name for name, kind in sections.items() if key in (_known(kind) or {})), None)


def _suggest(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}"


def _explain(detail: ErrorDetails, origins: _Origins) -> str:
    keys = tuple(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return _missing(keys, origins)
    given = "" if isinstance(detail["input"], Mapping) else f" = {detail['input']!r}"
    wrong = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if detail["type"] == "int_type" and isinstance(detail["input"], str):
        wrong = f"should be a whole number{_written(detail['input'])}"
    if detail["type"] == "tuple_type":
        wrong = 'should be a list such as ["A", "B"]'
    return f"{_place(keys, origins)}{given}: {wrong}; correct it there"


def _written(word: str) -> str:
    """`300M` as a whole number is written."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgb]?)", word.strip().lower())
    sizes = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}
    return f": {round(float(found[1]) * sizes[found[2]]):_}, without quotes" if found else ""


def _missing(keys: _Keys, origins: _Origins) -> str:
    """A table that someone named lacks a key: theirs to add. Any other is missing in the shipped file."""
    if NAME in (_known(Settings.model_fields[keys[0]].annotation) or {}):
        place, _ = origins[keys[:-1]]
        return f"{place(*keys)}: is missing; write it there"
    return f"{shipped()}: {_path(keys)}: has no default; install again"


def _place(keys: _Keys, origins: _Origins) -> str:
    """Where the value was written, or the table around it; an element of a list is where the list is."""
    for length in range(len(keys), 0, -1):
        if keys[:length] in origins:
            place, written = origins[keys[:length]]
            return place(*written)
    return _path(keys)
