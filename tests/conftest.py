"""What many tests share: where the data beside the project is, and who must have it."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SANDBOX = "ORCHESTRATOR_SANDBOX__MODE"
os.environ.setdefault(
    SANDBOX, "none"
)  # most tests watch from outside what their scripts do; with "auto" tests/engine runs, too
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also below `nohup`: engines of tests must hear it
OPEN = {SANDBOX: os.environ[SANDBOX]}  # for those who make an environment of their own


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test data beside a checkout. A plain clone skips; CI must have it."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the test data in {folder}")
        pytest.skip("the test data beside the checkout is not here")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI nothing may be skipped: what is missing there is a failure."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {report.longrepr}"
    return report


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many crash points were swept, in words: a number that shrinks is a test that went missing."""
    name = "test_a_crash_at_every_event"
    passed = [one.nodeid for one in terminalreporter.stats.get("passed", ()) if name in one.nodeid]
    if passed:
        kinds = {node.partition("[")[2].partition("-")[2] for node in passed}
        terminalreporter.write_line(
            f"crash points: {len(passed)} passed, before and after {len(kinds)} kinds of event"
        )


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: for thousands of files, each with its fsync."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)
