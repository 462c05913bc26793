"""Tools as a person, or a program, is told of them; refuses to call one healthy that was never run."""

from __future__ import annotations

from typing import Any

from orchestrator.model.outloop import Tool, ToolStatus
from orchestrator.outloop import toolbox


def document(tool: Tool) -> dict[str, Any]:
    return {
        **tool.model_dump(mode="json"),
        "success_rate": tool.success_rate,
        "trouble": toolbox.trouble(tool),
        "health": health(tool),
    }


def health(tool: Tool) -> str:
    if tool.status is ToolStatus.DISABLED:
        return f"disabled: {tool.why}"
    if why := toolbox.trouble(tool):
        return f"not used: {why}"
    if tool.success_rate is None:
        return "enabled, not used yet"
    row = f", {tool.failed_in_a_row} failed in a row" if tool.failed_in_a_row else ""
    return f"enabled, {tool.successes} of {tool.calls} calls succeeded{row}"
