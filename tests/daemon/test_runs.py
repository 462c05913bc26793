"""What becomes of a run that a daemon had to do with: one that goes on is nothing else any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import journal
from orchestrator.daemon import runs
from orchestrator.daemon.runs import Runs
from orchestrator.daemon.witness import Witness
from orchestrator.errors import UsageError
from orchestrator.history import fold
from orchestrator.inbox import Letter
from orchestrator.journal import Journal
from orchestrator.model import EventKind, RunId

RUN = RunId("261128-aaaaa")


def test_who_goes_on_is_not_tried_again_and_has_not_broken_off(tmp_path: Path):
    found = Runs()
    found.waiting[RUN] = 10.0
    assert found.breaks_off(RUN, "no room")
    assert (found.due(9.0), found.due(10.0), found.busy) == ([], [RUN], {RUN})
    found.goes_on(RUN, Witness(tmp_path, print, print))
    assert (found.waiting, found.crashed, found.busy) == ({}, {}, {RUN})
    assert not found.breaks_off(RUN, "no room")  # told already
    assert found.breaks_off(RUN, "no agent")


def begin(book: Journal, *engines: bool, begun: bool = False) -> RunId:
    """A run of which each engine was a daemon's or not, and none came to its end."""
    run = book.begin({"unattended": begun}, [])
    for unattended in engines:
        book.append(run, EventKind.RUN_RESUMED, {"unattended": unattended})
    return run


def test_what_a_daemon_began_or_was_asked_for_last_is_its_own(tmp_path: Path):
    with journal.writing(tmp_path) as book:
        ours = [
            begin(book, begun=True),
            begin(book, False, True),
            begin(book, False, begun=True),
        ]
        theirs = [begin(book), begin(book, False), begin(book, True, False)]
        assert set(runs.interrupted(book)) == set(ours)
        for run in ours:
            runs.cancel(book, Letter(do="cancel", run=run, by="ann"))
            assert fold(book.events(run)).cancelled == "cancelled by ann"
        for run in ours + theirs:
            with pytest.raises(UsageError, match="does not go on now"):
                runs.cancel(book, Letter(do="cancel", run=run))
        assert runs.interrupted(book) == []
