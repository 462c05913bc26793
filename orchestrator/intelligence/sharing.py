"""What a run adds to the ledger, to RAE while it goes on; refuses lines of other runs, and to hold the run up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from orchestrator import ledger
from orchestrator.intelligence import records, settings
from orchestrator.intelligence.rae_integration import (
    LOG,
    RAEIntegration,
    create_rae_integration,
)
from orchestrator.intelligence.records import ExecutionRecord
from orchestrator.ledger import Entry
from orchestrator.ledger.window import end_of_last_line, refuse_damage
from orchestrator.model import RunId
from orchestrator.settings import ledger_folder


class RunRecords:
    """Of lines that one run appends from now on. `run` tells its name, None while it has none: others may not be sent."""

    rae: RAEIntegration

    def __init__(self, folder: Path, run: Callable[[], RunId | None]) -> None:
        self._path, self._run = folder / ledger.NAME, run
        self._found: dict[tuple[str, str, int], ExecutionRecord] = {}
        self._at = 0
        self._lock = threading.Lock()
        with suppress(OSError), self._path.open("rb") as file:
            self._at = end_of_last_line(file.fileno(), file.seek(0, 2))

    def get_all_records(self) -> list[ExecutionRecord]:
        """In their order; OSError where the ledger cannot be read."""
        run = self._run()
        with self._lock, suppress(FileNotFoundError):
            if run is not None:
                with self._path.open("rb") as file:
                    for entry in self._more(file, run):
                        self._found.setdefault(entry.identity, records.read(entry))
        return list(self._found.values())

    @property
    def count(self) -> int:
        """Of what was found so far."""
        return len(self._found)

    def _more(self, file: BinaryIO, run: RunId) -> Iterator[Entry]:
        if file.seek(0, 2) < self._at:  # somebody mended or pruned it
            self._at = 0
        file.seek(self._at)
        for line in file:
            if not line.endswith(b"\n"):
                return  # it is being written
            self._at += len(line)
            if run.encode() in line:
                with suppress(ValueError, RecursionError):  # `ledger check` tells of damage
                    refuse_damage(line)
                    entry = Entry.model_validate_json(line)
                    if entry.run_id == run:
                        yield entry


def integration(root: Path) -> RAEIntegration:
    """Of this project's runs. SettingsError for a file that is wrong, and for an endpoint that is none."""
    chosen = settings.load(root).tracking
    return create_rae_integration(None if chosen.rae_integration else "", chosen.sync_interval)


@contextmanager
def shared(
    root: Path, run: Callable[[], RunId | None], tell: Callable[[str], None]
) -> Iterator[None]:
    """Around a run: every `sync_interval` seconds what is new, and the rest at its end, for at most a second.

    SettingsError at once for an endpoint that is none. `tell` is told at the end of what was not taken.
    """
    rae = integration(root)
    if not rae.enabled:
        yield
        return
    logging.getLogger(LOG).addHandler(logging.NullHandler())  # the terminal is the run's
    found = RunRecords(ledger_folder(), run)
    rae.enable_cross_deployment_learning(found)
    try:
        yield
    finally:
        with suppress(OSError):
            for record in found.get_all_records():
                rae.sync_record(record)
        rae.close()
        _tell_missed(rae, found.count - rae.sent, tell)


def _tell_missed(rae: RAEIntegration, missed: int, tell: Callable[[str], None]) -> None:
    if missed > 0:
        what = f"{missed} record{'s' if missed > 1 else ''} of this run"
        tell(
            f"RAE at {rae.server} has not taken {what}; the ledger has all of them, and the run is as it would be without it. "
            "Next: look whether the server is there"
        )
