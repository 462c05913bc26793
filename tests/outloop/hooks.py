"""The hook as a client starts it, and what its clients tell it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator import hook

ALONE = (sys.executable, "-I", "-S", hook.__file__)


def told(event: str, **more: Any) -> dict[str, Any]:
    """As Claude Code 2.1.329 says it."""
    return {
        "session_id": "f5210b69",
        "transcript_path": "/home/me/.claude/projects/-p/f5210b69.jsonl",
        "cwd": "/p",
        "permission_mode": "acceptEdits",
        "hook_event_name": event,
        **more,
    }


def before(key: str, tool: str, **given: Any) -> dict[str, Any]:
    return told("PreToolUse", tool_name=tool, tool_input=given, tool_use_id=key)


def after(key: str, tool: str, **given: Any) -> dict[str, Any]:
    result = {"stdout": "OUTPUT", "stderr": "", "interrupted": False}
    return told(
        "PostToolUse", tool_name=tool, tool_input=given, tool_response=result, tool_use_id=key
    )


def failed(key: str, tool: str, **given: Any) -> dict[str, Any]:
    return told(
        "PostToolUseFailure",
        tool_name=tool,
        tool_input=given,
        tool_use_id=key,
        error="Exit code 3\nOUTPUT",
        is_interrupt=False,
    )


def run(
    folder: Path,
    event: object,
    environment: Mapping[str, str] | None = None,
    command: tuple[str, ...] = ALONE,
) -> subprocess.CompletedProcess[bytes]:
    """`event`: what is on stdin, as JSON or as bytes."""
    text = event if isinstance(event, bytes) else json.dumps(event).encode()
    return subprocess.run(
        command, input=text, capture_output=True, cwd=folder, env={"HOME": str(folder / "nobody"), **(environment or {})},
        timeout=30,
    )  # fmt: skip


def spool(root: Path) -> Path:
    return root / hook.HOME / hook.SPOOL


def lines(root: Path) -> list[dict[str, Any]]:
    path = spool(root)
    if not path.exists():
        return []
    return [json.loads(row) for row in path.read_text().splitlines() if row]
