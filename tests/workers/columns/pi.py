"""pi 0.73.1 in the contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.model import Failure
from orchestrator.workers.pi import Pi
from tests.workers.cases import CASES, ON, several
from tests.workers.columns import Absent, Column

HOMES: list[TemporaryDirectory[str]] = []  # gone when the tests are over
NO_CAPS = Absent("it has no cap of turns or money")
WAITS = Absent(
    "it waits for as long as it is told and prints nothing: only the stall watch ends it"
)
BOUND = (
    "drop-then-ok",
    "stream-error-then-ok",
    "drop-forever",
    "sigint",
    "cancel",
    "cancel-orphan",
)
CUT = CASES["cancel"].expecting(figures="lower bound").last


def env(url: str) -> Mapping[str, str]:
    """The provider that is asked is Anthropic, so that cache writes are told; only its address is another."""
    HOMES.append(TemporaryDirectory(prefix="pi-"))
    models = {"providers": {"anthropic": {"baseUrl": url}}}
    Path(HOMES[-1].name, "models.json").write_text(json.dumps(models), "utf-8")
    return {"PI_CODING_AGENT_DIR": HOMES[-1].name}


COLUMN = Column(
    name="pi",
    client=Pi,
    model="anthropic/claude-haiku-4-5",
    keys=("ANTHROPIC_API_KEY",),
    bytes=6_000,
    personal={
        ".pi/agent/skills/mine/SKILL.md": "---\nname: mine\ndescription: PERSONAL SKILL\n---\nhi\n"
    },
    env=env,
    noise=frozenset({"api", "assistantMessageEvent", "partialResult", "responseId", "toolResults"}),
    differs={
        **dict.fromkeys(("retry-after-90", "retry-after-3600"), WAITS),
        **dict.fromkeys(
            ("max-turns", "max-budget", "resume-after-turns", "resume-after-budget"), NO_CAPS
        ),
        "denied": Absent("it denies nothing"),
        "400-context": CASES["400-context"].expecting(figures="unknown"),  # of its compaction
        "refusal": CASES["refusal"].expecting(failure=Failure.EXIT, figures="lower bound"),
        **{name: CASES[name].expecting(figures="lower bound") for name in BOUND},
        "resume-after-cancel": several(
            "resume-after-cancel", "it goes on after we cancelled it", CUT, ON
        ),
    },
)
