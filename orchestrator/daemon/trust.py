"""Which texts of plans a person has let run, by their hash. Refuses to trust a name: other bytes are another plan."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import RecordError
from orchestrator.journal import HOME, make_home

FILE = "trusted.jsonl"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def trusted(root: Path) -> frozenset[str]:
    """Lines that are none are passed over: what is not certain is not trusted."""
    return frozenset(filter(None, map(_hash, _lines(root))))


def approved(root: Path) -> Mapping[str, float]:
    """How many dollars a person lets each text cost, by its hash: the last word on it counts."""
    found = dict[str, float]()
    for line in _lines(root):
        usd = _told(line).get("usd")
        if isinstance(usd, int | float) and not isinstance(usd, bool) and math.isfinite(usd):
            found[_hash(line)] = float(usd)
    return found


def _lines(root: Path) -> list[str]:
    try:
        return (root / HOME / FILE).read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as refused:
        raise _unreadable(root, refused) from refused


def stamp(root: Path) -> tuple[int, int] | None:
    """By which one sees that somebody has trusted something since."""
    try:
        found = (root / HOME / FILE).stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def trust(root: Path, sha256: str, path: str, by: str, at: str, usd: float | None = None) -> None:
    """On the disk when it returns. The name, the person and the time are for people who look; `usd`: it may cost so much."""
    cost = {} if usd is None else {"usd": usd}
    line = json.dumps({"sha256": sha256, "path": path, "by": by, "at": at, **cost}) + "\n"
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
    told = _told(line).get("sha256")
    return told if isinstance(told, str) else ""


def _told(line: str) -> Mapping[str, object]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _unreadable(root: Path, refused: OSError) -> RecordError:
    return RecordError(f"{root / HOME / FILE}: {refused.strerror}; make it readable and writable")
