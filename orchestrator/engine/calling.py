"""The worker boundary: one worker asked, whatever it raises becomes an Outcome. Refuses to let one broken worker end the run."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable

from orchestrator.errors import RecordError
from orchestrator.model import Attempt, Failure, Outcome, Progress
from orchestrator.workers import Worker

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


async def call(worker: Worker, attempt: Attempt, report: Callable[[Progress], None]) -> Outcome:
    try:
        return await worker.run(attempt, report)
    except RecordError:
        raise  # not the worker: our own journal
    except Exception as bug:
        return broken(worker.name, bug)


def broken(worker: str, bug: Exception) -> Outcome:
    if isinstance(bug, OSError) and bug.errno in NO_ROOM:
        detail = (
            f"nothing could be written for {worker}: {bug}; make room or correct the permissions"
        )
        return Outcome(failure=Failure.WORKSPACE, detail=detail)
    trace = "".join(traceback.format_exception(bug))
    detail = f"the {worker} worker is broken, please report this:\n{trace}"
    return Outcome(failure=Failure.NO_RESULT, detail=detail)
