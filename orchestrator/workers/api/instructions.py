"""The project's own instructions for agents, for those that do not read them by themselves; refuses files that lead out of the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.workers.api.confined import Folder, Refused

LONGEST = 20_000  # bytes of each file


def joined(system: str, workspace: str, names: Sequence[str], most: int | None = None) -> str:
    """Ours, then those of the project: of these files, in order, the first `most` that say something new."""
    folder, parts = Folder(Path(workspace)), [system]
    for name in names:
        text = read(folder, name)
        if text.removeprefix("@") in names:  # "@AGENTS.md", and nothing else: it points there
            continue
        if text and not any(text in part for part in parts):
            parts.append(f"The project's own instructions ({name}):\n{clipped(text)}")
    return "\n\n".join(parts if most is None else parts[: most + 1])


def read(folder: Folder, name: str) -> str:
    try:
        return folder.read(name).strip()
    except Refused:
        return ""


def clipped(text: str) -> str:
    data = text.encode()
    if len(data) <= LONGEST:
        return text
    head = data[:LONGEST].decode("utf-8", "ignore")
    return f"{head}\n[... {len(data) - LONGEST} bytes cut ...]"
