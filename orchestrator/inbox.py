"""Commands of other processes to the engine, as files that are renamed in. Refuses half-written and foreign files."""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from orchestrator import redact
from orchestrator.errors import RecordError
from orchestrator.model import Answer, Noun, RunId, TaskId

FOLDER = ".orchestrator/inbox"


class Letter(Noun):
    """One command. `answer` goes with `answer` only; `cancel` is of the whole run. `by` says who wants it, `via` how: command, dashboard."""

    do: Literal["answer", "retry", "cancel"]
    run: RunId
    task: TaskId | None = None
    answer: Answer | None = None
    by: str = ""
    via: str = ""

    @property
    def cancels(self) -> dict[str, Any]:
        """What the record of a run that is cancelled says of it."""
        who = self.by or "a person"
        return {"reason": f"cancelled by {who}", "cancelled": True, "by": self.by, "via": self.via}


def post(root: Path, letter: Letter) -> Path:
    """Whole or not at all: written beside, then renamed in. On the disk when it returns."""
    folder = root / FOLDER
    final = folder / f"{now():020d}-{secrets.token_hex(4)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _rename_in(final, json.dumps(redact.words(letter.model_dump(mode="json"))))
    except OSError as refused:
        raise RecordError(
            f"cannot write into {folder}: {refused.strerror}; nothing was sent. Put that right "
            "(space, permissions), then do the same again"
        ) from refused
    return final


def _rename_in(final: Path, text: str) -> None:
    draft = final.with_name(f".{final.stem}.tmp")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(draft, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(final)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    _sync(final.parent)


def _sync(folder: Path) -> None:
    """A power failure must not take the name of a letter that was acknowledged."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def look(root: Path) -> list[tuple[Path, Letter]]:
    """Letters in the order of their arrival; what is none is set aside as `*.bad`, or left alone where that is not possible."""
    letters = []
    for path in _names(root / FOLDER):
        try:
            letters.append((path, Letter.model_validate_json(path.read_bytes())))
        except FileNotFoundError:  # another reader was faster
            continue
        except (ValidationError, OSError):
            with suppress(OSError):
                path.rename(path.with_suffix(".bad"))
    return letters


def _names(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("[0-9]*.json"))
    except OSError:  # what cannot be listed now is listed at the next look
        return []


def sent_at(path: Path) -> int:
    """When a letter was posted, as `now` tells it; 0 where its name does not say."""
    number = path.name.partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() else 0


def now() -> int:
    """Unix nanoseconds."""
    return time.time_ns()


def discard(path: Path) -> None:
    """Called once the letter's event is in the journal. One that cannot be removed must not end who has read it."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
