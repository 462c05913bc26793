"""A conversation on disk, one message a line, beside the transcripts of its run; refuses a name that is no id of ours."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from orchestrator.model import Attempt

NAMESPACE = uuid.UUID("b0b4e0a2-3c25-4a55-9d8e-6a1f6c1d77f4")
ENDING = ".messages.jsonl"


class History:
    """What was said so far, and is kept as it is said. A line that was cut off in its middle is as if never said."""

    def __init__(self, path: Path, session: str, lines: Sequence[bytes]) -> None:
        self.session, self.lines, self._path = session, lines, path

    def begin(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with open(os.open(self._path, flags, 0o600), "wb") as file:
            file.writelines(line + b"\n" for line in self.lines)

    def add(self, line: bytes) -> None:
        with open(self._path, "ab") as file:
            file.write(line + b"\n")


def new(attempt: Attempt) -> History:
    session = str(uuid.uuid5(NAMESPACE, attempt.conversation))
    return History(place(attempt, session), session, ())


def resumed(attempt: Attempt) -> History | None:
    """The session of the attempt, or a copy of it under a name of its own; None if it is not there."""
    if attempt.session is None or not is_ours(attempt.session.id):
        return None
    try:
        data = place(attempt, attempt.session.id).read_bytes()
    except OSError:
        return None
    *lines, _ = data.split(b"\n")
    if not lines:
        return None
    session = new(attempt).session if attempt.session.fork else attempt.session.id
    return History(place(attempt, session), session, lines)


def place(attempt: Attempt, session: str) -> Path:
    return Path(attempt.transcript).parent / f"{session}{ENDING}"


def is_ours(session: str) -> bool:
    try:
        return str(uuid.UUID(session)) == session
    except ValueError:
        return False
