"""Which of a client's own tools carries out a step, and with which arguments."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from tests.agents.asking import Asked, Tool
from tests.agents.steps import Call, Shell, Write

WRITERS = ("Write", "write_file", "write", "create_file")
SHELLS = ("Bash", "run_shell_command", "bash", "exec_command", "shell_command", "shell")
PATHS = ("file_path", "filePath", "path")
COMMANDS = ("cmd", "command")


def chosen(step: Write | Shell | Call, asked: Asked) -> tuple[str, dict[str, Any]]:
    """The tool's name and its arguments."""
    if isinstance(step, Call):
        return step.tool, dict(step.arguments)
    if isinstance(step, Shell):
        return run(step.command, asked.tools)
    path = step.path
    if not path.startswith("/") and asked.folder:
        path = str(PurePosixPath(asked.folder, path))
    if tool := first(WRITERS, asked.tools):
        key = next(key for key in PATHS if key in tool.properties)
        return tool.name, filled({key: path, "content": step.content}, tool)
    folder = shlex.quote(str(PurePosixPath(path).parent))
    content, target = shlex.quote(step.content), shlex.quote(path)
    return run(f"mkdir -p {folder} && printf %s {content} > {target}", asked.tools)


def run(command: str, tools: Sequence[Tool]) -> tuple[str, dict[str, Any]]:
    tool = first(SHELLS, tools)
    if tool is None:
        raise LookupError(f"the client has no shell: {[tool.name for tool in tools]}")
    key = next(key for key in COMMANDS if key in tool.properties)
    words = tool.properties[key].get("type") == "array"
    return tool.name, filled({key: ["bash", "-lc", command] if words else command}, tool)


def first(names: Sequence[str], tools: Sequence[Tool]) -> Tool | None:
    known = {tool.name: tool for tool in tools}
    return next((known[name] for name in names if name in known), None)


def filled(arguments: Mapping[str, Any], tool: Tool) -> dict[str, Any]:
    """The arguments, and something harmless for whatever else the tool requires."""
    harmless = {"boolean": False, "number": 1, "integer": 1, "array": [], "object": {}}
    wanted = {name: tool.properties.get(name, {}).get("type") for name in tool.required}
    return {name: harmless.get(kind, "scripted") for name, kind in wanted.items()} | {**arguments}
