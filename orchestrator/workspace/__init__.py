"""Where attempts work: a git worktree each, or the plain directory. Refuses to lose work, and to touch what it did not make."""

from __future__ import annotations

from orchestrator.workspace import message
from orchestrator.workspace.choice import Choice, choose
from orchestrator.workspace.git import GitRefused
from orchestrator.workspace.ground import Ground, MissingBase, Place, Rebased, branch_of
from orchestrator.workspace.handed import Unprepared
from orchestrator.workspace.named import names
from orchestrator.workspace.repository import Clash, Entry, Facts, Repository, Unfit, examine, links
from orchestrator.workspace.result import untaken

__all__ = [
    "Choice",
    "Clash",
    "Entry",
    "Facts",
    "GitRefused",
    "Ground",
    "MissingBase",
    "Place",
    "Rebased",
    "Repository",
    "Unfit",
    "Unprepared",
    "branch_of",
    "choose",
    "examine",
    "links",
    "message",
    "names",
    "untaken",
]
