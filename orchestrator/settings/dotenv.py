"""Dotenv files below the project: variables for workers and checks. Refuses a line that sets nothing, and files outside."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from orchestrator.errors import SettingsError


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
