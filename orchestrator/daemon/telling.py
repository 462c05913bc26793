"""What is told of plans that wait: a line each on the terminal, once, and a file for `orchestrator runs`. Refuses to tell twice what has not changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator import journal
from orchestrator.daemon.queue import Standing
from orchestrator.process.fence import PRIVATE
from orchestrator.views.text import counted

FILE = "waiting.json"
TOLD = ("broken", "untrusted", "later")  # only a person or the clock can bring these forward
ASKING = ("untrusted", "unapproved")
Stand = tuple[str, str | None, str]  # path, hash, state


class Telling:
    """Of one daemon."""

    def __init__(self, root: Path, say: Callable[[str], None], trusts_all: bool) -> None:
        self._root, self._say, self._trusts_all = root, say, trusts_all
        self._stands: dict[Stand, str] = {}
        self._written: list[list[str]] | None = None

    def begin(self, top: Path, workers: int) -> None:
        """What is watched, and how. Others see by the file that a daemon holds the project."""
        self._write([])
        trust = "once its text is trusted (orchestrator trust PATH)"
        trust = "as it comes (--trust-all)" if self._trusts_all else trust
        many = counted(workers, "attempt")
        self._say(f"project {self._root}, watched folder {top}; {many} at once")
        self._say(f"each plan runs {trust}")

    def tell(self, waiting: Sequence[Standing], refused: Collection[str]) -> None:
        """`refused` have had their line already."""
        stands: dict[Stand, str] = {
            (one.found.path, one.found.sha256, one.state): one.why
            for one in waiting
            if one.state in TOLD and one.found.path not in refused
        }
        stands |= self._unseen(waiting)
        for (path, _, state), why in (
            (key, why) for key, why in stands.items() if key not in self._stands
        ):
            self._say(f"{path} {'runs with' if state == 'running' else 'waits:'} {why}")
        self._stands = stands
        self._write([[one.found.path, one.state] for one in waiting if one.state != "running"])

    def _unseen(self, waiting: Sequence[Standing]) -> dict[Stand, str]:
        """Warnings of plans that nobody was asked to trust, so that nobody was told."""
        return {
            (one.found.path, one.found.sha256, one.state): one.found.doubts
            for one in waiting
            if self._trusts_all and one.state == "running" and one.found.doubts
        }

    def _write(self, plans: list[list[str]]) -> None:
        """Whole, for who reads it meanwhile. It is no record: a disk that is full costs only this."""
        if plans == self._written:
            return
        path = self._root / PRIVATE / FILE
        with suppress(OSError):
            journal.make_home(self._root)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            draft = path.with_name(f".{FILE}.tmp")
            draft.write_text(json.dumps({"pid": os.getpid(), "plans": plans}))
            draft.rename(path)
            self._written = plans


def read(root: Path) -> list[tuple[str, str]]:
    """Path and state of each plan that waits, as the daemon that holds the project has last seen it."""
    held = journal.holder(root)
    pid, plans = _written(root)
    return plans if held is not None and pid == held[0] else []


def writer(root: Path) -> str | None:
    """The pid of the latest daemon, which may be gone."""
    return _written(root)[0]


def _written(root: Path) -> tuple[str | None, list[tuple[str, str]]]:
    try:
        told = json.loads((root / PRIVATE / FILE).read_bytes())
        return str(told["pid"]), [(str(path), str(state)) for path, state in told["plans"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None, []
