"""Commands of other processes to the engine, as files that are renamed in. Refuses half-written and foreign files."""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from orchestrator.model import Answer, Noun, RunId, TaskId

FOLDER = ".orchestrator/inbox"


class Letter(Noun):
    """One command. `answer` goes with `answer` only."""

    do: Literal["answer", "retry"]
    run: RunId
    task: TaskId
    answer: Answer | None = None


def post(root: Path, letter: Letter) -> Path:
    """Whole or not at all: written beside, then renamed in."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    draft, final = folder / f".{name}.tmp", folder / f"{name}.json"
    with draft.open("x", encoding="utf-8") as file:
        json.dump(letter.model_dump(mode="json"), file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(final)
    return final


def look(root: Path) -> list[tuple[Path, Letter]]:
    """Letters in the order of their arrival; what is none is set aside as `*.bad`."""
    folder = root / FOLDER
    if not folder.is_dir():
        return []
    letters = []
    for path in sorted(folder.glob("[0-9]*.json")):
        try:
            letters.append((path, Letter.model_validate_json(path.read_bytes())))
        except FileNotFoundError:  # another reader was faster
            continue
        except (ValidationError, OSError):
            path.rename(path.with_suffix(".bad"))
    return letters


def discard(path: Path) -> None:
    """Called once the letter's event is in the journal; a letter read twice changes nothing."""
    path.unlink(missing_ok=True)
