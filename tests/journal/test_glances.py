"""Whoever looks while an engine makes its journal finds no run, or one that is whole; never that something is missing."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from orchestrator import journal
from orchestrator.errors import UnknownRun

PLACES = 40
WRITES = """import sys
from pathlib import Path
from orchestrator import journal
from orchestrator.model import EventKind
for place in map(Path, sys.argv[1:]):
    with journal.writing(place) as book:
        run = book.begin({}, [])
        for _ in range(3):
            book.append(run, EventKind.RUN_STARTED, {})
"""


def test_a_glance_at_a_journal_that_is_being_made_misses_nothing(tmp_path: Path):
    places = [tmp_path / str(number) for number in range(PLACES)]
    for place in places:
        place.mkdir()
    with subprocess.Popen([sys.executable, "-c", WRITES, *map(str, places)]) as writer:
        for place in places:
            count = 0
            while count < 3:
                assert writer.poll() in (None, 0)
                with suppress(UnknownRun), journal.reading(place) as book:
                    assert book.trouble is None
                    count = len(book.events(book.find(None).id))
    assert writer.returncode == 0
