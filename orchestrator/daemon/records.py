"""Whether what runs leave behind can be written: the journal, the ledger. Refuses to call either well before a write has come through again."""

from __future__ import annotations

import os
from collections.abc import Iterator

from anyio import to_thread

from orchestrator.engine import Engine
from orchestrator.settings import ledger_folder


async def try_again(engine: Engine) -> None:
    """What was refused, so that it is known to work again before a run needs it."""
    engine.book.try_again()
    if engine.outcomes.trouble:
        await to_thread.run_sync(engine.outcomes.try_again)


def troubles(engine: Engine) -> Iterator[str]:
    """In a person's words."""
    if engine.book.trouble:
        yield engine.book.trouble
    if engine.book.unwritten:
        yield f"the journal cannot be written: {engine.book.unwritten}"
    folder = ledger_folder()
    if engine.outcomes.trouble:
        yield f"the ledger cannot be written: {engine.outcomes.trouble}"
    elif folder.exists() and not os.access(folder, os.W_OK):
        yield f"the ledger cannot be written: {folder}; make it writable"
