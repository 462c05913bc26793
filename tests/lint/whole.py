"""What the tests of rules share: a folder of files through all that `lint` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator import settings
from orchestrator.cli import homes, lint
from orchestrator.model import Diagnostic


def lint_files(folder: Path, files: Mapping[str, bytes]) -> list[Diagnostic]:
    """All diagnostics of a project with these files, in order."""
    (folder / ".orchestrator").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    chosen = settings.load(folder)
    checked = homes.check([folder], chosen.reader)
    return lint.diagnose(checked, [folder], folder, chosen)
