"""Which plans a person wants to run once more, also over a restart. Refuses to let one wish make two runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator import disk, journal
from orchestrator.daemon.queue import Revision
from orchestrator.process.fence import PRIVATE

FILE = "asked.json"


class Asked:
    """Of one project, by path. A wish is kept with the run that was the plan's last: a newer one has fulfilled it, told or not.

    `revisions` of each path, oldest first, as they grow.
    """

    def __init__(self, root: Path, revisions: Mapping[str, Sequence[Revision]]) -> None:
        self._root, self._revisions = root, revisions
        self._after: dict[str, str] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._after)

    def __len__(self) -> int:
        return len(self._after)

    def __contains__(self, path: object) -> bool:
        return path in self._after

    def restore(self) -> None:
        """What the daemon before was asked and had not begun. What cannot be read was no wish that anybody can know."""
        try:
            told = json.loads((self._root / PRIVATE / FILE).read_bytes())
            kept = {str(path): str(run) for path, run in told.items()}
        except (OSError, ValueError, AttributeError):
            kept = {}
        self._after = {path: run for path, run in kept.items() if run == self._last(path)}

    def add(self, paths: Iterable[str]) -> None:
        """On the disk when it returns. RecordError: it cannot be written, and is not asked for."""
        after = self._after | {path: self._last(path) for path in paths}
        file = journal.make_home(self._root).parent / PRIVATE / FILE
        file.parent.mkdir(mode=0o700, exist_ok=True)
        disk.write_whole(file, json.dumps(after))
        self._after = after

    def settle(self, path: str) -> None:
        """A run has it now: the file says so by its older run, whenever it is written next."""
        self._after.pop(path, None)

    def _last(self, path: str) -> str:
        every = self._revisions.get(path)
        return every[-1].run if every else ""
