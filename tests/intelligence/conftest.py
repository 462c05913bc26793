"""Every test of this room is a user of its own: no ledger, no settings, no RAE server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.intelligence import PerformanceTracker
from tests.intelligence.samples import environment


@pytest.fixture(autouse=True)
def own_user(tmp_path: Path) -> Iterator[None]:
    with environment(tmp_path):
        yield


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens, nor can anybody begin to meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def tracker(tmp_path: Path) -> PerformanceTracker:
    return PerformanceTracker(storage_dir=tmp_path / "records")
