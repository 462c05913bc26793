"""Executions in and out of the ledger under the names of seed 004; refuses to have a store of its own.

What `record_execution` is told becomes a line of the ledger, as durable as that of a run, and every line of the ledger is
a record. `execution_records.jsonl` is a view of it: it can be written at any time and is never read.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from math import nan
from pathlib import Path
from typing import Any

from orchestrator import ledger
from orchestrator import settings as configured
from orchestrator.errors import RecordError
from orchestrator.intelligence import records, settings
from orchestrator.intelligence.exports import render
from orchestrator.intelligence.learning import LearningConfig
from orchestrator.intelligence.rae_integration import RAEIntegration, create_rae_integration
from orchestrator.intelligence.records import ExecutionRecord, TaskOutcome
from orchestrator.intelligence.tally import Tally, known, mean
from orchestrator.settings import ledger_folder

VIEW = "execution_records.jsonl"
CHOSEN = "ORCHESTRATOR_INTELLIGENCE_DIR"


class PerformanceTracker:
    """Reads and adds to the ledger in `storage_dir`.

    Without one: the folder that ORCHESTRATOR_INTELLIGENCE_DIR names, else `tracking.storage_dir` of
    `.orchestrator/intelligence.yaml`, else the user's; with the file's, what runs have left in the user's ledger is read too.
    `rae_integration`: True asks RAE_ENDPOINT where to, None does what the file says, False sends nothing.
    """

    def __init__(
        self,
        storage_dir: str | os.PathLike[str] | None = None,
        rae_integration: bool | RAEIntegration | None = None,
        root: Path | None = None,
    ) -> None:
        self.settings = settings.load(root)
        self.general = configured.load(root or Path.cwd())
        self._folders = _places(storage_dir, self.settings, root)
        self.storage_dir = self._folders[0]
        self._make_folder()
        self.rae = _integration(rae_integration, self.settings)
        self._kept: tuple[object, list[ExecutionRecord]] = (None, [])

    def _make_folder(self) -> None:
        try:
            self.storage_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            words = f"{self.storage_dir}: cannot be made ({error.strerror}); choose another folder with {CHOSEN}"
            raise RecordError(words) from error

    @property
    def config(self) -> LearningConfig:
        """What the settings say of learning: the default of analytics and routers over this tracker."""
        return self.settings.config_over(self.general.learning)

    # --- in ---------------------------------------------------------------------------------------

    def record_execution(
        self,
        task_id: str,
        task_area: str,
        task_risk: str,
        task_complexity: str | int,
        planner_model: str | None,
        planner_provider: str | None,
        implementer_model: str,
        implementer_provider: str,
        outcome: TaskOutcome | str,
        duration_seconds: float,
        total_cost_usd: float | None,
        num_steps: int | None,
        num_retries: int = 0,
        quality_gate_passed: bool | None = None,
        code_review_passed: bool | None = None,
        plan_review_passed: bool | None = None,
        error_type: str | None = None,
        error_message: str | None = None,
        failed_step: str | None = None,
    ) -> ExecutionRecord:
        """On disk when it returns; RecordError or ValueError says why not. Complexity: a word, or 1 to 10."""
        told = {name: value for name, value in locals().items() if name != "self"}
        entry = records.write(told, self.general.models.tier(implementer_model))
        ledger.append(self.storage_dir, [entry])
        record = records.read(entry)
        self.rae.sync_record(record)
        return record

    # --- out --------------------------------------------------------------------------------------

    def get_all_records(self) -> list[ExecutionRecord]:
        """One for each attempt, oldest line first. What is damaged in the ledger is passed over; doctor tells of it."""
        state = [_state(folder / ledger.NAME) for folder in self._folders]
        if self._kept[0] != state:
            self._kept = (state, [records.read(entry) for entry in self._entries()])
        return list(self._kept[1])

    def _entries(self) -> list[ledger.Entry]:
        found = (entry for folder in self._folders for entry in ledger.read(folder).entries)
        return list({entry.identity: entry for entry in found}.values())

    def get_records_by_outcome(self, outcome: TaskOutcome | str) -> list[ExecutionRecord]:
        wanted = TaskOutcome(outcome)
        return [one for one in self.get_all_records() if one.outcome is wanted]

    def get_records_by_area(self, area: str) -> list[ExecutionRecord]:
        return [one for one in self.get_all_records() if one.task_area == area]

    def get_records_by_model(self, model_id: str) -> list[ExecutionRecord]:
        """Those that it planned and those that it implemented."""
        return [
            one
            for one in self.get_all_records()
            if model_id in (one.planner_model, one.implementer_model)
        ]

    def get_statistics(self) -> dict[str, Any]:
        """Of tasks: all tries of one are one, and end as the last of them did. nan is a figure that nothing is known of."""
        everything = self.get_all_records()
        attempts = [one for one in everything if not one.imported]
        each = records.tasks(attempts)
        found = Tally.of(each)
        spent = known(one.spent_usd for one in attempts)
        priced = known(one.total_cost_usd for one in attempts)
        return {
            "total_tasks": len(each),
            "attempts": len(attempts),
            "successful": found.successful,
            "partial": found.partial,
            "failed": found.failed,
            "blocked": found.blocked,
            "success_rate": _or_nan(found.rate),
            "success_interval": found.interval,
            "counted": found.tasks,
            "total_cost": sum(spent),
            "attempts_of_unknown_cost": len(attempts) - len(priced),
            "avg_cost": _or_nan(mean(known(one.total_cost_usd for one in each))),
            "avg_duration": _or_nan(mean(known(one.duration_seconds for one in each))),
            "imported": len(everything) - len(attempts),
        }

    def export_records(self, path: Path | None = None) -> Path:
        """As JSON lines, whole or not at all, without what was imported; by default `execution_records.jsonl` beside the ledger."""
        target = path or self.storage_dir / VIEW
        try:
            _replace(target, render(VIEW, self._entries()))
        except OSError as error:
            words = (
                f"{target}: not written ({error.strerror}); make room or correct the permissions"
            )
            raise RecordError(words) from error
        return target


def _places(
    given: str | os.PathLike[str] | None,
    chosen: settings.IntelligenceSettings,
    root: Path | None,
) -> tuple[Path, ...]:
    """Where it writes, and behind that what it reads besides."""
    if given is not None:
        return (Path(given).expanduser(),)
    users = ledger_folder()
    if os.environ.get(CHOSEN) or chosen.tracking.storage_dir is None:
        return (users,)
    own = (root or Path.cwd()) / chosen.tracking.storage_dir
    return own, users


def _integration(
    wanted: bool | RAEIntegration | None, chosen: settings.IntelligenceSettings
) -> RAEIntegration:
    if isinstance(wanted, RAEIntegration):
        return wanted
    if wanted is None:
        wanted = chosen.tracking.rae_integration
    interval = chosen.tracking.sync_interval
    return create_rae_integration(None if wanted else "", sync_interval=interval)


def _state(path: Path) -> object:
    """Changes with every line that is appended."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _or_nan(value: float | None) -> float:
    """What the seed's format strings can print; 0 would be a claim."""
    return nan if value is None else value
