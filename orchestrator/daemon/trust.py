"""Which texts of plans a person has let run, by their hash. Refuses to trust a name: other bytes are another plan."""

from __future__ import annotations

import json
import os
from pathlib import Path

from orchestrator.errors import RecordError
from orchestrator.journal import HOME, make_home

FILE = "trusted.jsonl"


def trusted(root: Path) -> frozenset[str]:
    """Lines that are none are passed over: what is not certain is not trusted."""
    try:
        text = (root / HOME / FILE).read_text("utf-8", "replace")
    except FileNotFoundError:
        return frozenset()
    except OSError as refused:
        raise _unreadable(root, refused) from refused
    return frozenset(filter(None, map(_hash, text.splitlines())))


def stamp(root: Path) -> tuple[int, int] | None:
    """By which one sees that somebody has trusted something since."""
    try:
        found = (root / HOME / FILE).stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def trust(root: Path, sha256: str, path: str, by: str, at: str) -> None:
    """On the disk when it returns. The name, the person and the time are for people who look."""
    line = json.dumps({"sha256": sha256, "path": path, "by": by, "at": at}) + "\n"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        file = os.open(make_home(root) / FILE, flags, 0o600)
        try:
            os.write(file, f"\n{line}".encode() if _is_torn(root) else line.encode())
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as refused:
        raise _unreadable(root, refused) from refused


def _is_torn(root: Path) -> bool:
    """Its last line was cut off by a full disk or a crash."""
    text = (root / HOME / FILE).read_bytes()
    return bool(text) and not text.endswith(b"\n")


def _hash(line: str) -> str:
    try:
        found = json.loads(line)
    except ValueError:
        return ""
    told = found.get("sha256") if isinstance(found, dict) else None
    return told if isinstance(told, str) else ""


def _unreadable(root: Path, refused: OSError) -> RecordError:
    return RecordError(f"{root / HOME / FILE}: {refused.strerror}; make it readable and writable")
