"""What many tests share: where the data beside the project is, and who must have it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test data beside a checkout. A plain clone skips; CI must have it."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the test data in {folder}")
        pytest.skip("the test data beside the checkout is not here")
    return folder
