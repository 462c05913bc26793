"""`.orchestrator/intelligence.yaml` as one frozen value; refuses unknown keys, with the nearest known one, and values out of range."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.errors import SettingsError
from orchestrator.intelligence.learning import LearningConfig, RoutingStrategy, Share
from orchestrator.reader import frontmatter
from orchestrator.reader.near import hint
from orchestrator.reader.source import Source
from orchestrator.settings import LearningSettings

FILE = Path(".orchestrator") / "intelligence.yaml"
NO_YAML = {"F202", "F203"}


class _Section(BaseModel):
    """Not strict: every scalar of YAML comes as the text that was written."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Learning(_Section):
    strategy: RoutingStrategy = RoutingStrategy.BALANCED
    min_samples: Annotated[int, Field(ge=1)] = 5  # without a word here: that of [learning]
    success_weight: Annotated[float, Field(ge=0)] = 0.7
    cost_weight: Annotated[float, Field(ge=0)] = 0.3
    exploration_rate: Share = 0.1


class Tracking(_Section):
    """`rae_integration` alone sends nothing: RAE_ENDPOINT must say where to."""

    storage_dir: Annotated[str, Field(min_length=1)] | None = None
    rae_integration: bool = True
    sync_interval: Annotated[float, Field(gt=0)] = 60.0  # seconds


class Analytics(_Section):
    """`min_confidence` is enough to show a finding; using one needs more (docs/intelligence.md)."""

    min_confidence: Share = 0.6
    optimization_threshold: Annotated[float, Field(ge=0)] = 0.01  # dollars per task


class IntelligenceSettings(_Section):
    learning: Learning = Learning()
    tracking: Tracking = Tracking()
    analytics: Analytics = Analytics()

    @property
    def config(self) -> LearningConfig:
        """What this file says of what the router takes."""
        words = self.learning.model_dump(exclude={"strategy"})
        return LearningConfig(**words, show_confidence=self.analytics.min_confidence)

    def config_over(self, general: LearningSettings) -> LearningConfig:
        """What the router takes: of `[learning]` what means the same there, and this file's own word over it."""
        words: dict[str, Any] = {
            "margin": general.margin,
            "min_confidence": general.min_confidence,
            "unguarded_confidence": general.adoption_confidence,
            "window_days": general.window_days,
        }
        if "min_samples" not in self.learning.model_fields_set:
            words["min_samples"] = general.min_samples
        return self.config.model_copy(update=words)


def load(root: Path | None = None) -> IntelligenceSettings:
    """Of the project at `root` (default: the working directory); the defaults without a file. SettingsError names every problem."""
    path = (root or Path.cwd()) / FILE
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return IntelligenceSettings()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); correct it") from error
    found = parse(text, str(path))
    _refuse_outside(found.tracking.storage_dir, root or Path.cwd(), path)
    return found


def _refuse_outside(folder: str | None, root: Path, path: Path) -> None:
    """The file comes with the project: it may not say that something is written elsewhere."""
    if folder is None or (root / Path(folder).expanduser()).resolve().is_relative_to(
        root.resolve()
    ):
        return
    raise SettingsError(
        f"{path}: tracking.storage_dir = {folder}: is outside of the project; name a folder below {root}, "
        "or one anywhere by the environment variable ORCHESTRATOR_INTELLIGENCE_DIR"
    )


def parse(text: str, path: str) -> IntelligenceSettings:
    """`path` is only named."""
    values, problems = _read(text, path)
    problems += _unknown(values, path)
    try:
        settings = IntelligenceSettings.model_validate(values)
        _ = settings.config
    except ValidationError as error:
        problems += [_explain(each, path) for each in error.errors() if not _is_unknown(each)]
    except ValueError as error:
        problems.append(f"{path}: learning: {error}; correct it there")
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _read(text: str, path: str) -> tuple[dict[str, Any], list[str]]:
    """By the one YAML reader that the project has: the file stands where a frontmatter would."""
    shift = 0 if text.startswith("---\n") else 1
    opened = text if shift == 0 else f"---\n{text}"
    source = Source(opened.rstrip("\n") + "\n---\n", path)
    values = dict(frontmatter.read(source).values)
    said = [one for one in source.diagnostics if one.code != "F204" or _says_something(text)]
    problems = [f"{path}:{one.line - shift}:{one.column}: {_words(one.message)}" for one in said]
    if NO_YAML & {one.code for one in said}:
        raise SettingsError("\n".join(problems))
    return {key: {} if value == "" else value for key, value in values.items()}, problems


def _words(message: str) -> str:
    """Of a reader that makes the best of a plan: here nothing is made of what is wrong."""
    for words in ("the frontmatter was read line by line: ", "the last one counts; "):
        message = message.replace(words, "")
    return message.replace("the frontmatter", "it")


def _says_something(text: str) -> bool:
    lines = (line.strip() for line in text.splitlines())
    return any(line and not line.startswith(("#", "---")) for line in lines)


def _unknown(values: Mapping[str, Any], path: str) -> list[str]:
    sections = {name: field.annotation for name, field in _fields(IntelligenceSettings).items()}
    found = [
        f"{path}: {key}: no such section{_near(key, sections)}"
        for key in values
        if key not in sections
    ]
    for name, section in sections.items():
        table, known = values.get(name), _fields(section)
        for key in table if isinstance(table, dict) else ():
            if key not in known:
                found.append(f"{path}: {name}.{key}: no such setting{_near(key, known)}")
    return found


def _fields(section: Any) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = section.model_fields
    return fields


def _near(word: str, known: Mapping[str, Any]) -> str:
    return hint(word, known.keys()) or f"; known here: {', '.join(known)}"


def _is_unknown(detail: Any) -> bool:
    return bool(detail["type"] == "extra_forbidden")


def _explain(detail: Any, path: str) -> str:
    keys = ".".join(str(part) for part in detail["loc"])
    given = "" if isinstance(detail["input"], Mapping) else f" = {detail['input']}"
    wrong = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{path}: {keys}{given}: {wrong}; correct it there"
