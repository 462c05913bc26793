"""Gemini CLI 0.61.0 in the contract."""

from __future__ import annotations

from pathlib import Path

from orchestrator.model import Failure
from orchestrator.workers.gemini import Gemini
from tests.workers.cases import CASES
from tests.workers.columns import Absent, Column

POLICY = Path(__file__).parents[1] / "columns/gemini-denied.toml"
NO_CAP = Absent("it tells what it used only at its end, so nobody can count its money before")
NO_SESSIONS = Absent("its --resume sends each tool's answer twice, which Google refuses")
UNTOLD = ("hang", "cancel", "cancel-waiting", "sigkill", "cancel-orphan")

COLUMN = Column(
    name="gemini",
    blind=True,
    client=Gemini,
    model="gemini-2.5-flash",
    keys=("GEMINI_API_KEY",),
    bytes=12_000,
    personal={
        ".gemini/skills/mine/SKILL.md": "---\nname: mine\ndescription: PERSONAL SKILL\n---\nhi\n",
        ".gemini/extensions/mine/gemini-extension.json": '{"name": "mine", "version": "1.0.0"}',
        ".gemini/extensions/mine/GEMINI.md": "PERSONAL EXTENSION",
    },
    differs={
        "drop-then-ok": CASES["drop-then-ok"].expecting(
            failure=Failure.NETWORK, figures="lower bound", makes=False
        ),
        "drop-forever": CASES["drop-forever"].expecting(figures="lower bound"),
        "stream-error-then-ok": Absent("it counts what the broken answer had told, too"),
        "max-tokens": CASES["max-tokens"].expecting(failure=None),  # it says nothing of it
        "refusal": CASES["refusal"].expecting(failure=None),  # nor of this, where words came
        "denied": CASES["denied"].but(arguments=("--admin-policy", str(POLICY))),
        "sigint": CASES["sigint"].expecting(failure=Failure.NO_RESULT, figures="unknown"),
        "sigterm": CASES["sigterm"].expecting(failure=Failure.NO_RESULT, figures="unknown"),
        **{name: CASES[name].expecting(figures="unknown") for name in UNTOLD},
        "max-turns": CASES["max-turns"].expecting(figures="unknown"),  # we end it
        "max-budget": NO_CAP,
        **{name: NO_SESSIONS for name in CASES if name.startswith(("resume", "fork"))},
    },
)
