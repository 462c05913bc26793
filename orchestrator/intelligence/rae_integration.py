"""Records to a RAE server, and what it knows from it, in the background; refuses to send more than `wire.FIELDS`, and to be in anyone's way.

Nothing leaves the machine unless RAE_ENDPOINT (or an argument) names where to. Then one thread of its own sends from a bounded
queue. A server that is slow, wrong or gone costs log lines and records that are not sent; never an exception, never a wait longer
than the limit that the caller gave. The ledger stays the truth: what was not sent is still there.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooSlow
from contextlib import suppress
from typing import Any, Protocol

import structlog
from tenacity import (
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_random_exponential,
)

from orchestrator import redact
from orchestrator.intelligence import wire
from orchestrator.intelligence.records import ExecutionRecord
from orchestrator.intelligence.salt import salt
from orchestrator.intelligence.wire import Refused, Unreachable
from orchestrator.settings import ledger_folder

ENDPOINT = "RAE_ENDPOINT"
LOG = "orchestrator.rae"
QUEUE = 1000  # records that wait; more are not kept for it
BATCH = 100
TRIES = 3
REQUEST_S, ASK_S, LEAVE_S = 3.0, 5.0, 1.0
_log = structlog.wrap_logger(
    logging.getLogger(LOG), processors=[structlog.processors.KeyValueRenderer()]
)


class Tracker(Protocol):
    """What is asked of a PerformanceTracker."""

    rae: RAEIntegration

    def get_all_records(self) -> list[ExecutionRecord]: ...


class RAEIntegration:
    """Without an endpoint every method does nothing and answers that nothing is known."""

    def __init__(self, endpoint: str | None, sync_interval: float = 60.0) -> None:
        self.server = wire.Server.at(endpoint, REQUEST_S) if endpoint else None
        redact.learn(os.environ)  # a program of somebody else's has not
        self.sync_interval = sync_interval
        self.sent = self.failed = self.dropped = 0
        self._queue: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue(QUEUE)
        self._asked: queue.Queue[tuple[Callable[[], Any], Future[Any]]] = queue.Queue(QUEUE)
        self._wake, self._stop = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._follows: Tracker | None = None
        self._known: set[str] = set()  # sent, or waiting for it
        self._salt = b""

    @property
    def enabled(self) -> bool:
        return self.server is not None

    # --- what it is asked -------------------------------------------------------------------------

    def sync_record(self, record: ExecutionRecord) -> bool:
        """Whether it will be sent; it returns at once."""
        if not self.enabled or not self._put(record):
            return False
        self._begin()
        return True

    def _put(self, record: ExecutionRecord) -> bool:
        """Under the lock: the thread and the program may come with the same record."""
        with self._lock:
            if record.record_id in self._known:
                return False
            try:
                self._queue.put_nowait((record.record_id, wire.fields(record, self._salted())))
            except queue.Full:
                self.dropped += 1
                return False
            self._known.add(record.record_id)
            return True

    def _salted(self) -> bytes:
        """Where none can be kept, one of this program alone: a server then takes what comes twice for two."""
        if not self._salt:
            try:
                self._salt = salt(ledger_folder())
            except OSError as error:
                _log.warning("no salt can be kept beside the ledger", error=str(error))
                self._salt = secrets.token_bytes(32)
        return self._salt

    def query_similar_tasks(
        self,
        task_description: str,
        task_area: str | None = None,
        task_risk: str | None = None,
        limit: int = 10,
        timeout_s: float = ASK_S,
    ) -> list[dict[str, Any]]:
        """As the server tells them; [] where it does not answer in time. The description is sent, without secrets."""
        if self.server is None or limit < 1:
            return []
        server, asked = self.server, wire.question(task_description, task_area, task_risk, limit)
        found = self._ask(lambda: server.post(wire.SIMILAR, asked), timeout_s)
        tasks = found.get("tasks") if isinstance(found, dict) else None
        known = tasks if isinstance(tasks, list) else []
        return [one for one in known if isinstance(one, dict)][:limit]

    def get_global_statistics(self, timeout_s: float = ASK_S) -> dict[str, Any]:
        """As the server tells them; {} where it does not answer in time."""
        if self.server is None:
            return {}
        server = self.server
        found = self._ask(lambda: server.get(wire.STATISTICS), timeout_s)
        return found if isinstance(found, dict) else {}

    def enable_cross_deployment_learning(self, tracker: Tracker) -> bool:
        """Every `sync_interval` seconds what `tracker` has and the server has not is sent; whether that is so now.

        Records of others never come into the ledger: they are asked for, and stay what another machine says.
        """
        if not self.enabled:
            return False
        self._follows = tracker
        tracker.rae = self
        self._begin()
        return True

    def flush(self, timeout_s: float = ASK_S) -> bool:
        """Waits until all is sent or given up; whether that came in time."""
        with self._queue.all_tasks_done:
            return self._queue.all_tasks_done.wait_for(
                lambda: not self._queue.unfinished_tasks, timeout_s
            )

    def close(self, timeout_s: float = LEAVE_S) -> None:
        """What is not sent by then is not sent. The second time there is nothing to wait for."""
        if self._thread is not None and not self._stop.is_set():
            self.flush(timeout_s)
            self._stop.set()
            self._wake.set()
            self._thread.join(0.1)
            atexit.unregister(self.close)  # a daemon has one for each run

    # --- the thread -------------------------------------------------------------------------------

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._work, name="rae", daemon=True)
                self._thread.start()
                atexit.register(self.close)
        self._wake.set()

    def _ask(self, call: Callable[[], Any], timeout_s: float) -> Any:
        answer: Future[Any] = Future()
        try:
            self._asked.put_nowait((call, answer))
        except queue.Full:
            return None
        self._begin()
        with suppress(TooSlow):
            return answer.result(timeout_s)
        answer.cancel()
        _log.warning("no answer in time", endpoint=str(self.server), seconds=timeout_s)
        return None

    def _work(self) -> None:
        """Questions go before records: somebody waits for them."""
        due = 0.0
        while not self._stop.is_set():
            self._wake.clear()
            self._answer_all()
            if (
                self._follows is not None
                and time.monotonic() >= due
                and self._catch_up(self._follows)
            ):
                due = time.monotonic() + self.sync_interval
            self._send(self._batch())
            if self._queue.empty() and self._asked.empty():
                self._wake.wait(max(0.0, due - time.monotonic()) if self._follows else None)

    def _catch_up(self, tracker: Tracker) -> bool:
        """Whether all of it is on its way; if not, the rest follows when there is room."""
        try:
            for record in tracker.get_all_records():
                if self._queue.full():
                    return False
                self.sync_record(record)
        except Exception as error:  # the thread must go on, whatever became of the ledger
            _log.warning("the records cannot be read", error=str(error))
        return True

    def _answer_all(self) -> None:
        while not self._asked.empty():
            call, answer = self._asked.get()
            if answer.set_running_or_notify_cancel():
                answer.set_result(self._try(call)[1])

    def _batch(self) -> list[tuple[str, dict[str, Any]]]:
        found = list[tuple[str, dict[str, Any]]]()
        with suppress(queue.Empty):
            while len(found) < BATCH:
                found.append(self._queue.get_nowait())
        return found

    def _send(self, batch: list[tuple[str, dict[str, Any]]]) -> None:
        if not batch or self.server is None:
            return
        server, told = self.server, {"records": [values for _, values in batch]}
        went, _ = self._try(lambda: server.post(wire.RECORDS, told))
        if went:
            self.sent += len(batch)
        else:
            self.failed += len(batch)
            with self._lock:
                self._known.difference_update(name for name, _ in batch)
        for _ in batch:
            self._queue.task_done()

    def _try(self, call: Callable[[], Any]) -> tuple[bool, Any]:
        """Whether it came to an answer, and the answer."""
        tries = Retrying(
            stop=stop_after_attempt(TRIES) | stop_when_event_set(self._stop),
            sleep=sleep_using_event(self._stop),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            retry=retry_if_exception_type(Unreachable),
            reraise=True,
        )
        try:
            return True, tries(call)
        except (Unreachable, Refused) as error:
            _log.warning("not reached", endpoint=str(self.server), error=str(error))
        except (
            Exception
        ) as error:  # the boundary to another machine: nothing of it may end the thread
            _log.warning("failed", endpoint=str(self.server), error=repr(error))
        return False, None


def create_rae_integration(
    endpoint: str | None = None, sync_interval: float = 60.0
) -> RAEIntegration:
    """At `endpoint`, by default where RAE_ENDPOINT says; without either it does nothing. SettingsError if it is no address."""
    chosen = os.environ.get(ENDPOINT, "") if endpoint is None else endpoint
    return RAEIntegration(chosen.strip() or None, sync_interval)
