"""Default file, user file, project file, environment and flags become one frozen `Settings`; refuses every unknown key, all at once."""

from __future__ import annotations

import io
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from orchestrator.errors import SettingsError

PREFIX = "ORCHESTRATOR_"
OTHERS = {
    f"{PREFIX}{name}" for name in ("INTELLIGENCE_DIR", "RUN", "TASK", "ATTEMPT")
}  # no settings
NO_FLAGS: Mapping[str, object] = MappingProxyType({})

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Complexity = Annotated[int, Field(ge=0, le=10)]
Words = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RunSettings(Section):
    workers: Annotated[int, Field(ge=1, le=64)]
    timeout_s: Seconds
    stall_s: Seconds
    provider_wait_max_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    retention_days: Annotated[int, Field(ge=0)]


class VerifySettings(Section):
    timeout_s: Seconds
    output_bytes: Count
    red_first: bool


class RoutingSettings(Section):
    haiku_max: Complexity
    sonnet_max: Complexity

    @model_validator(mode="after")
    def refuse_crossed_bands(self) -> RoutingSettings:
        if self.haiku_max > self.sonnet_max:
            raise ValueError(
                f"haiku_max ({self.haiku_max}) is above sonnet_max ({self.sonnet_max})"
            )
        return self


class ReaderSettings(Section):
    max_bytes: Count
    max_tasks: Count


class WorkspaceSettings(Section):
    env_pass: Words
    env_files: Words


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
    verify: VerifySettings
    routing: RoutingSettings
    reader: ReaderSettings
    workspace: WorkspaceSettings

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


SECTIONS: Mapping[str, tuple[str, ...]] = {
    name: tuple(getattr(field.annotation, "model_fields", ()))
    for name, field in Settings.model_fields.items()
}


def load(root: Path, flags: Mapping[str, object] = NO_FLAGS) -> Settings:
    """The settings for the project at `root`. `flags` is nested like the file; None in it means not given."""
    problems: list[str] = []
    layers = [_read_layer(path, problems) for path in _files(root)]
    layers += [_environment(problems), _Layer(_dotted("flags"), flags)]
    values, origins = _merge(layers, problems)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems += [_explain(detail, origins) for detail in error.errors()]
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def ledger_folder() -> Path:
    """Where the ledger of this user is."""
    chosen = os.environ.get("ORCHESTRATOR_INTELLIGENCE_DIR")
    if chosen:
        return Path(chosen).expanduser()
    return _xdg("XDG_DATA_HOME", ".local/share") / "orchestrator"


def env_files(root: Path, names: Sequence[str]) -> dict[str, str]:
    """The variables of dotenv files below `root`; a later file beats an earlier one."""
    problems: list[str] = []
    variables: dict[str, str] = {}
    for name in names:
        text = _read_below(root, name, problems)
        problems += _unset_lines(name, text)
        values = dotenv_values(stream=io.StringIO(text))
        variables |= {key: value for key, value in values.items() if value is not None}
    if problems:
        raise SettingsError("\n".join(problems))
    return variables


# --- layers: where values come from ---------------------------------------------------------------


@dataclass(frozen=True)
class _Layer:
    """Values from one place; `place` says where a key of it is written."""

    place: Callable[..., str]
    values: Mapping[str, object]


def _dotted(where: object) -> Callable[..., str]:
    return lambda *keys: f"{where}: {'.'.join(keys)}"


def _variable(*keys: str) -> str:
    return f"environment: {PREFIX}{'__'.join(keys).upper()}"


def _files(root: Path) -> tuple[Path, ...]:
    """Weakest first."""
    user = _xdg("XDG_CONFIG_HOME", ".config") / "orchestrator" / "config.toml"
    return (shipped(), user, root / ".orchestrator" / "config.toml")


def shipped() -> Path:
    packaged = Path(__file__).with_name("orchestrator.toml")
    checkout = Path(__file__).parent.parent / "config" / "orchestrator.toml"
    found = next((path for path in (packaged, checkout) if path.is_file()), None)
    if found is None:
        raise SettingsError(f"{packaged}: the shipped defaults are missing; install again")
    return found


def _xdg(variable: str, default: str) -> Path:
    chosen = Path(os.environ.get(variable, ""))
    return chosen if chosen.is_absolute() else Path.home() / default


def _read_layer(path: Path, problems: list[str]) -> _Layer:
    values: Mapping[str, object] = {}
    try:
        values = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        pass
    except OSError as error:
        problems.append(f"{path}: cannot be read ({error.strerror}); correct its permissions")
    except UnicodeDecodeError as error:
        problems.append(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{path}: is not TOML: {error}; correct that line")
    return _Layer(_dotted(path), values)


def _environment(problems: list[str]) -> _Layer:
    """pydantic-settings ignores what it does not know; a misspelt variable must not be ignored."""
    known = {
        f"{PREFIX}{section}__{key}".upper() for section in SECTIONS for key in SECTIONS[section]
    }
    given = {name for name in os.environ if name.startswith(PREFIX) and name not in OTHERS}
    problems += [
        f"environment: {name}: no such setting; {_suggest(name, known)}"
        for name in sorted(given - known)
    ]
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): os.environ[name] for name in sorted(given & known)}
    return _Layer(_variable, source())


# --- one value per key, and who gave it -----------------------------------------------------------

_Origins = dict[tuple[str, ...], str]


def _merge(layers: Iterable[_Layer], problems: list[str]) -> tuple[dict[str, Any], _Origins]:
    values: dict[str, Any] = {section: {} for section in SECTIONS}
    origins: _Origins = {}
    for layer in layers:
        for section, table in layer.values.items():
            problems += _refuse(layer, section, table)
            given = table if section in SECTIONS and isinstance(table, Mapping) else {}
            for key, value in given.items():
                if key in SECTIONS[section] and value is not None:
                    values[section][key] = value
                    origins[section,] = origins[section, key] = layer.place(section, key)
    return values, origins


def _refuse(layer: _Layer, section: str, table: object) -> list[str]:
    if section not in SECTIONS:
        home = next((one for one, keys in SECTIONS.items() if section in keys), None)
        hint = f"write it below [{home}]" if home else _suggest(section, SECTIONS)
        return [f"{layer.place(section)}: no such section; {hint}"]
    if not isinstance(table, Mapping):
        return [f"{layer.place(section)}: should be a table; write [{section}] and its keys below"]
    return [
        f"{layer.place(section, key)}: no such setting; {_suggest(key, SECTIONS[section])}"
        for key in table
        if key not in SECTIONS[section]
    ]


def _suggest(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}"


def _explain(detail: ErrorDetails, origins: _Origins) -> str:
    keys = tuple(str(part) for part in detail["loc"])
    place = origins.get(keys[:2]) or origins.get(keys[:1]) or ".".join(keys)
    if detail["type"] == "missing":
        return f"{shipped()}: {'.'.join(keys)}: has no default; install again"
    wrong = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if detail["type"] == "tuple_type":
        wrong = 'should be a list such as ["A", "B"]'
    given = "" if isinstance(detail["input"], Mapping) else f" = {detail['input']!r}"
    return f"{place}{given}: {wrong}; correct it there"


# --- dotenv files ---------------------------------------------------------------------------------


def _read_below(root: Path, name: str, problems: list[str]) -> str:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        problems.append(f"{name}: is outside the project; name a file below it in env_files")
        return ""
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        problems.append(f"{name}: no such file; create it or take it out of env_files")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{name}: cannot be read ({error}); correct it or take it out of env_files")
    return ""


def _unset_lines(name: str, text: str) -> list[str]:
    """dotenv logs and skips such lines, which would start workers with half an environment."""
    return [
        f"{name}:{binding.original.line}: sets nothing; write KEY=value"
        for binding in parse_stream(io.StringIO(text))
        if binding.error or (binding.key is not None and binding.value is None)
    ]
