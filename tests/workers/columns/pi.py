"""pi 0.73.1 in the contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.model import Failure
from orchestrator.workers.pi import Pi
from tests.workers.cases import CASES, ON, several
from tests.workers.columns import Absent, Column

HOMES: list[TemporaryDirectory[str]] = []  # gone when the tests are over
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
CAPS = ("max-turns", "max-budget")  # we end it: it may have asked once more by then
CUT = CASES["cancel"].expecting(figures="lower bound").last
CAPPED = {name: CASES[name].expecting(figures="either") for name in CAPS}


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
        **dict.fromkeys(("denied", "outside"), Absent("it denies nothing")),
        "400-context": CASES["400-context"].expecting(figures="unknown"),  # of its compaction
        "refusal": CASES["refusal"].expecting(failure=Failure.EXIT, figures="lower bound"),
        **{name: CASES[name].expecting(figures="lower bound") for name in BOUND},
        **CAPPED,
        "resume-after-cancel": several(
            "resume-after-cancel", "it goes on after we cancelled it", CUT, ON
        ),
        "resume-after-turns": several(
            "resume-after-turns",
            "it goes on after its cap of turns, with the same cap",
            CAPPED["max-turns"].last,
            replace(ON, change={"max_turns": 2}),
        ),
        "resume-after-budget": several(
            "resume-after-budget",
            "it goes on after its cap of money, with a new cap that is enough",
            CAPPED["max-budget"].last,
            replace(ON, change={"max_usd": 0.1}),
        ),
    },
)
