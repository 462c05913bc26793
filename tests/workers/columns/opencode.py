"""OpenCode 1.18.33 in the contract: few real cells, because each start takes 2 to 7 s, and its own retries wait for a minute."""

from __future__ import annotations

import json
from collections.abc import Mapping

from orchestrator.model import Failure
from orchestrator.workers.opencode import OpenCode
from tests.agents.steps import fail, shell
from tests.workers.cases import CASES, DONE, FAR, FOREVER, USED, Case, one
from tests.workers.columns import Absent, Column

SLOW = Absent(
    "it waits 2, 4, 8, 16 and 30 s between its own tries, and no setting makes them fewer"
)
COPIES = Absent("a copy of a session goes on working in the folder of the original")
NOTHING_NEW = Absent("read like another cell, and each takes seconds")


def env(url: str) -> Mapping[str, str]:
    """The provider that is asked is Anthropic, so that cache writes are told; only its address is another."""
    options = {"baseURL": f"{url}/v1"}
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps({"provider": {"anthropic": {"options": options}}})
    }


LIMIT = {"retry-after": "1", "anthropic-ratelimit-unified-reset": str(FAR)}
WITH_HEADERS = one(
    "429",
    "429 for ever, with all that a provider tells of its limits",
    fail(429, headers=LIMIT, times=FOREVER),
    failure=Failure.RATE_LIMIT,
    retry_after_s=1.0,
    reset_at=float(FAR),
)
USED_UP = one(
    "quota",
    "the quota of a subscription is used up",
    fail(
        429,
        headers={
            **LIMIT,
            "anthropic-ratelimit-unified-status": "rejected",
            "anthropic-ratelimit-unified-representative-claim": "five_hour",
        },
        times=FOREVER,
    ),
    failure=Failure.QUOTA,
    retry_after_s=1.0,
    reset_at=float(FAR),
    window="five_hour",
)
SILENT = Absent(
    "it waits for as long as it is told and prints nothing: only the stall watch ends it"
)
DENIED = one(
    "denied",
    "a command that looks outside its folder is denied, and it says that it is done",
    shell("cat /etc/hostname", usage=USED),
    DONE,
    denials=("cat /etc/hostname",),
)


def killed(name: str) -> Case:
    """It tells its figures at the end of a step: of the first one, none."""
    return CASES[name].expecting(figures="unknown", session=False)


COLUMN = Column(
    name="opencode",
    ends_silently=True,
    client=OpenCode,
    model="anthropic/claude-haiku-4-5",
    keys=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"),
    bytes=12_000,
    personal={
        ".config/opencode/AGENTS.md": "PERSONAL INSTRUCTIONS",
        ".claude/CLAUDE.md": "MORE PERSONAL INSTRUCTIONS",
    },
    differs={
        "429": WITH_HEADERS,
        "quota": USED_UP,
        "retry-after-3600": SILENT,
        "denied": DENIED,
        "400-context": CASES["400-context"].expecting(figures="lower bound"),  # we end it
        "no-key": CASES["no-key"].expecting(session=True),
        "sigterm": killed("sigterm"),
        "cancel": killed("cancel"),
        **{name: CASES[name].expecting(figures="either") for name in ("max-turns", "max-budget")},
        "hang": CASES["hang"].expecting(figures="lower bound"),
        **dict.fromkeys(("resume-after-failure", "503", "500", "529", "refused", "drop-before", "drop-forever"), SLOW),
        **dict.fromkeys(("fork",), COPIES),
        **dict.fromkeys(
            ("403", "retry-after-90", "529-then-ok", "sigint", "sigkill", "cancel-orphan", "resume-twice", "resume-after-cancel", "resume-after-sigterm", "resume-after-sigkill", "resume-after-budget", "resume-after-turns"),
            NOTHING_NEW,
        ),
    },
    env=env,
    leaves=("registry.*",),
    noise=frozenset({"id", "messageID", "snapshot", "time", "callID"}),
)  # fmt: skip
