"""Codex 0.169.0 in the contract. Its provider is told by arguments: the lean profile reads nothing of the person's settings."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.model import Attempt, Failure, Price
from orchestrator.workers.codex import Codex
from orchestrator.workers.reading import Call
from tests.workers.cases import CASES, Case
from tests.workers.columns import Absent, Column

WAITS = Absent(
    "it waits for as long as it is told and prints nothing: only the stall watch ends it"
)
CUT = ("cancel", "cancel-orphan", "sigint")  # whether an answer was on its way is not known
UNTOLD = ("max-tokens", "refusal")  # it drops the figures of answers that are cut short


def first(name: str, **changes: Any) -> Case:
    """With another end of its first try."""
    begun, *rest = CASES[name].tries
    changed = replace(begun, expected=begun.expected.but(**changes))
    return CASES[name].but(tries=(changed, *rest))


class Told(Codex):
    """As with [workers.codex] arguments, which say where its provider is."""

    def call(self, attempt: Attempt, folder: Path) -> Call:
        call = super().call(attempt, folder)
        url = os.environ["OPENAI_BASE_URL"]
        table = f'{{name="fake",base_url="{url}",env_key="OPENAI_API_KEY",request_max_retries=2,stream_max_retries=2}}'
        arguments = ("-c", "model_provider=fake", "-c", f"model_providers.fake={table}")
        return replace(call, argv=(*call.argv, *arguments))


COLUMN = Column(
    name="codex",
    client=Told,
    model="gpt-5.5",
    keys=("OPENAI_API_KEY",),
    bytes=8_000,
    personal={
        ".codex/config.toml": 'developer_instructions = "PERSONAL INSTRUCTIONS"\n'
        'notify = ["touch", "{home}/PERSONAL-notify"]\n'
        '[mcp_servers.mine]\ncommand = "sh"\nargs = ["-c", "touch {home}/PERSONAL-server; exec cat"]\n',
        ".codex/skills/mine/SKILL.md": "---\nname: mine\ndescription: PERSONAL SKILL\n---\n",
        ".agents/skills/mine/SKILL.md": "---\nname: mine\ndescription: PERSONAL SKILL\n---\n",
    },
    differs={
        **dict.fromkeys(("retry-after-90", "retry-after-3600"), WAITS),
        "outside": Absent("its sandbox lets it write to /tmp too, where these tests are"),
        "stream-error-then-ok": CASES["stream-error-then-ok"].expecting(
            failure=Failure.OVERLOADED, makes=False
        ),  # it does not try again
        "500": CASES["500"].expecting(failure=Failure.OVERLOADED),  # its words are those of a 503
        **{name: CASES[name].expecting(figures="lower bound") for name in (*CUT, *UNTOLD)},
        "resume-after-cancel": first("resume-after-cancel", figures="lower bound"),
        "resume-after-failure": first("resume-after-failure", failure=Failure.OVERLOADED),
    },
    own={"gpt-5.5": Price(input=0.1, output=0.5, cache_read=0.01, cache_write=0.125)},
    hushed=r'event.name="codex.(?!sse_event|sandbox_outcome|conversation_starts)|PATH aliases|event.kind=unknown',
    env=lambda url: {"OPENAI_BASE_URL": f"{url}/v1"},
)  # fmt: skip
