"""Everything that can go wrong outside a task, sorted by who has to act.

* OrchestratorError
  - PlanError           the author edits the plan        exit 2
  - SettingsError       the operator edits the settings  exit 3
    + WorkerNotInstalled
  - RecordError         our own files are damaged        exit 4
    + JournalLocked
    + JournalCorrupt
    + JournalTooNew
  - UsageError          the words on the command line    exit 64
    + UnknownRun
  - ApprovalNeeded      a person says that it may be     exit 5

A task that fails is not an error of ours: it is an `Outcome` (see model.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.model import Diagnostic


class OrchestratorError(Exception):
    """The message names the thing, the place and the next step."""

    exit_code = 70


class PlanError(OrchestratorError):
    """One or many located diagnostics: everything that is wrong is reported at once."""

    exit_code = 2

    def __init__(self, message: str, diagnostics: Sequence[Diagnostic] = ()) -> None:
        super().__init__(message)
        self.diagnostics = tuple(diagnostics)


class SettingsError(OrchestratorError):
    exit_code = 3


class WorkerNotInstalled(SettingsError):
    """A task that no installed worker can do."""


class RecordError(OrchestratorError):
    exit_code = 4


class JournalLocked(RecordError):
    """Another engine holds the project."""


class JournalCorrupt(RecordError):
    """The journal is damaged; the message names the place."""


class JournalTooNew(RecordError):
    """The journal was written by a newer version."""


class UsageError(OrchestratorError):
    exit_code = 64


class ApprovalNeeded(OrchestratorError):
    """Nothing has begun, and nothing is wrong: it may cost more than is spent without a person's word.

    `document`: the figures, the settings and what lifts them, for programs.
    """

    exit_code = 5

    def __init__(self, message: str, document: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.document = dict(document or {})


class UnknownRun(UsageError):
    """No run of that name in this project's journal."""
