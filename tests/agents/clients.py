"""The real coding agents: where they are, and a home and an environment in which they reach only the model server.

The environment variable REAL_CLIENTS names the npm prefix in which they are installed; it downloads nothing.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.agents.canary import Canary
from tests.agents.server import ModelServer

Name = Literal["claude", "codex", "gemini", "opencode", "pi"]
NAMES: tuple[Name, ...] = ("claude", "codex", "gemini", "opencode", "pi")
MODELS = ("fake-model", "fake-strong")
NOWHERE = "http://127.0.0.1:9"
FAKE_KEY = "sk-fake-0123456789-never-a-real-key"

# The program below node_modules, the best first; {os} and {arch} are of this machine.
PROGRAMS: dict[Name, tuple[str, ...]] = {
    "claude": (
        "@anthropic-ai/claude-code-{os}-{arch}/claude",
        "@anthropic-ai/claude-code-{os}-{arch}-*/claude",
    ),
    "codex": ("@openai/codex-{os}-{arch}/vendor/*/bin/codex",),
    "gemini": ("@google/gemini-cli/bundle/gemini.js",),
    "opencode": ("opencode-{os}-{arch}/bin/opencode", "opencode-{os}-{arch}-*/bin/opencode"),
    "pi": ("@*/pi-coding-agent/dist/cli.js",),
}
PACKAGES: dict[Name, str] = {
    "claude": "@anthropic-ai/claude-code",
    "codex": "@openai/codex",
    "gemini": "@google/gemini-cli",
    "opencode": "opencode-ai",
    "pi": "@*/pi-coding-agent",
}


@dataclass(frozen=True)
class Client:
    """A real client: how to start it without arguments, and the version of its package."""

    name: Name
    command: tuple[str, ...]
    version: str


def find(name: Name) -> Client | None:
    prefix = os.environ.get("REAL_CLIENTS")
    return found(name, Path(prefix)) if prefix else None


@cache
def found(name: Name, prefix: Path) -> Client | None:
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}
    arch = machine.get(platform.machine().lower(), platform.machine().lower())
    modules = prefix / "node_modules"
    for pattern in PROGRAMS[name]:
        for path in sorted(modules.glob(pattern.format(os=platform.system().lower(), arch=arch))):
            if command := starting(path):
                told = next(modules.glob(f"{PACKAGES[name]}/package.json"), None)
                version = json.loads(told.read_text("utf-8"))["version"] if told else "unknown"
                return Client(name, command, version)
    return None


def starting(path: Path) -> tuple[str, ...]:
    """How the program at this path is started; nothing if it needs a node that is not here."""
    if path.suffix != ".js":
        return (str(path),)
    node = shutil.which("node")
    return (node, str(path)) if node else ()


def needs(name: Name) -> Client:
    """The client, or the test is skipped (which is a failure in CI)."""
    client = find(name)
    if client is None:
        pytest.skip(f"no real {name}: REAL_CLIENTS is {os.environ.get('REAL_CLIENTS', 'not set')}")
    return client


def bin_folder(place: Path, names: Sequence[Name] = NAMES) -> Path:
    """A folder for a PATH with one program for each of these clients that is here."""
    folder = place / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for client in filter(None, map(find, names)):
        script = folder / client.name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(client.command)} "$@"\n', "utf-8")
        script.chmod(0o755)
    return folder


def environment(
    home: Path,
    server: ModelServer,
    bin: Path,
    *,
    canary: Canary | None = None,
    models: Sequence[str] = MODELS,
) -> dict[str, str]:
    """All that a client or the orchestrator gets to see; nothing of our own environment.

    Without a canary the proxy is a closed port: nothing gets out, and nobody is told.
    """
    node = shutil.which("node")
    folders = [str(bin), *([str(Path(node).parent)] if node else []), "/usr/bin", "/bin"]
    proxy = canary.url if canary else NOWHERE
    temporary = home.parent / "tmp"  # Codex makes no helpers for its sandbox in a home below it
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.pathsep.join(dict.fromkeys(folders)),
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        **{name: proxy for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")},
        **{name: "127.0.0.1,localhost" for name in ("NO_PROXY", "no_proxy")},
        **vendors(server, models),
    }


def vendors(server: ModelServer, models: Sequence[str]) -> dict[str, str]:
    """Keys, addresses and switches that each client reads from its environment."""
    return {
        "ANTHROPIC_API_KEY": FAKE_KEY,
        "ANTHROPIC_BASE_URL": server.url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "2",
        "DISABLE_AUTOUPDATER": "1",
        "OPENAI_API_KEY": FAKE_KEY,
        "OPENAI_BASE_URL": f"{server.url}/v1",
        "GEMINI_API_KEY": FAKE_KEY,
        "GOOGLE_GEMINI_BASE_URL": server.url,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
        "OPENCODE_CONFIG_CONTENT": json.dumps(opencode_config(server, models)),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "PI_OFFLINE": "1",
    }


def prepare_home(home: Path, server: ModelServer, *, models: Sequence[str] = MODELS) -> Path:
    """The files with which Codex, Gemini and pi find the server; Claude and OpenCode need none."""
    for path, text in {
        ".gemini/settings.json": json.dumps(GEMINI_SETTINGS),
        ".codex/config.toml": codex_config(server),
        ".pi/agent/models.json": json.dumps(pi_models(server, models)),
    }.items():
        file = home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return home


GEMINI_SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "privacy": {"usageStatisticsEnabled": False},
    "general": {"enableAutoUpdate": False, "maxAttempts": 2},
}


def codex_config(server: ModelServer) -> str:
    return f"""\
model = "gpt-5-codex"
model_provider = "fake"
check_for_update_on_startup = false

[model_providers.fake]
name = "fake"
base_url = "{server.url}/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 2
stream_max_retries = 2

[analytics]
enabled = false

[features]
plugins = false
"""


def opencode_config(server: ModelServer, models: Sequence[str]) -> dict[str, Any]:
    """Models are called fake/NAME; the prices are 1 $ and 2 $ for a million tokens."""
    price = {"input": 1, "output": 2, "cache_read": 0.1, "cache_write": 1.25}
    limit = {"context": 128_000, "output": 8192}
    return {
        "autoupdate": False,
        "share": "disabled",
        "provider": {
            "fake": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "fake",
                "options": {"baseURL": f"{server.url}/v1", "apiKey": FAKE_KEY},
                "models": {one: {"name": one, "cost": price, "limit": limit} for one in models},
            }
        },
    }


def pi_models(server: ModelServer, models: Sequence[str]) -> dict[str, Any]:
    price = {"input": 1, "output": 2, "cacheRead": 0.1, "cacheWrite": 1.25}
    size = {"contextWindow": 128_000, "maxTokens": 8192}
    return {
        "providers": {
            "fake": {
                "baseUrl": f"{server.url}/v1",
                "api": "openai-completions",
                "apiKey": FAKE_KEY,
                "models": [{"id": one, "name": one, "cost": price, **size} for one in models],
            }
        }
    }
