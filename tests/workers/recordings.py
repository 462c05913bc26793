"""What a real client did in a case, as a small file; and the stage on which a fake does the same again.

A recording has `client` (its version) and `tries`: what the server `billed`, and a scene for each start of the client:
how it was called (`argv env files stdin`), what it said (`lines`, after a signal `after`, `stderr`), how it ended (`exit`
or `signal`), and what it `made`. Paths, addresses and what is drawn by lot have placeholders.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from orchestrator.model import Attempt, Progress
from orchestrator.process import Ended
from orchestrator.workers.reading import Call, Client, Reading
from tests.agents import clients
from tests.agents.clients import NOWHERE
from tests.agents.script import Billed
from tests.conftest import REPOSITORY
from tests.workers.cases import RUNNING, Case, Happens, Try
from tests.workers.columns import Column
from tests.workers.contract import Place, Stage

FOLDER = Path(__file__).parent / "recorded"
SPEAK = Path(__file__).parent / "speak.py"
NOISE = frozenset(
    {
        "duration_ms", "duration_api_ms", "ttft_ms", "ttft_stream_ms", "time_to_request_ms",
        "first_content_frame_ms", "uuid", "timestamp", "request_id",
    }
)  # fmt: skip
LOTS = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|(?<![0-9a-f])[0-9a-f]{20}(?![0-9a-f])"  # of the model server
)
WHEN = re.compile(r"\b20\d\d-\d\d-\d\dT[\d:.]+Z?")


def path_of(name: str, case: Case) -> Path:
    return FOLDER / name / f"{case.name}.json"


# --- recording -----------------------------------------------------------------------------------


class Listener:
    """A client that notes what the real one is called with and says, on its way to the reader."""

    def __init__(self, client: Client, stage: NotingStage) -> None:
        self._client, self._calls = client, stage.calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def call(self, attempt: Attempt, place: Path) -> Call:
        call = self._client.call(attempt, place)
        self._calls.append(Noted(call, place))
        return call

    def read(self, line: str, reading: Reading) -> Iterable[Progress]:
        self._calls[-1].heard.append((time.monotonic(), line))
        return self._client.read(line, reading)

    def read_error(self, line: str, reading: Reading) -> Iterable[Progress]:
        self._calls[-1].complained.append(line)
        return self._client.read_error(line, reading)

    def conclude(self, ended: Ended, reading: Reading) -> None:
        self._calls[-1].ended = ended
        self._client.conclude(ended, reading)


@dataclass
class Noted:
    """One start of the client. `disturbed_at`: when something was done to it. `ended` is None where we cancelled it."""

    call: Call
    place: Path
    heard: list[tuple[float, str]] = field(default_factory=list)
    complained: list[str] = field(default_factory=list)
    disturbed_at: float | None = None
    ended: Ended | None = None

    def scene(self, arguments: tuple[str, ...]) -> dict[str, Any]:
        since = self.disturbed_at or self._silence()
        return {
            "argv": [*self.call.argv[1:], *arguments],
            "env": dict(self.call.env),
            "files": {str(self.place / name): text for name, text in self.call.files.items()},
            "stdin": self.call.stdin,
            "lines": [line for at, line in self.heard if since is None or at <= since],
            "waits": since is not None,
            "after": [line for at, line in self.heard if since is not None and at > since],
            "stderr": "".join(f"{line}\n" for line in self.complained),
            "exit": self.ended.exit_code if self.ended else None,
            "signal": self.ended.signal if self.ended else None,
            "made": {},
        }

    def _silence(self) -> float | None:
        """When it fell silent for so long that we ended it."""
        if self.ended is None or not (self.ended.stalled or self.ended.timed_out):
            return None
        times = [at for at, _ in self.heard]
        gaps = [(after - before, before) for before, after in pairwise(times)]
        longest, since = max(gaps, default=(0.0, 0.0))
        return since if longest > 1.0 else max(times, default=0.0)


class NotingStage:
    """A real stage that notes each start of the client."""

    def __init__(self, stage: Stage, arguments: tuple[str, ...]) -> None:
        self._stage, self._arguments = stage, arguments
        self.place, self.url, self.env = stage.place, stage.url, stage.env
        self.calls: list[Noted] = []
        self.tries: list[dict[str, Any]] = []

    def set(self, number: int, try_: Try, attempt: Attempt) -> None:
        self.calls.clear()
        self._stage.set(number, try_, attempt)

    def begun(self, try_: Try) -> bool:
        return self._stage.begun(try_)

    def happened(self) -> None:
        self.calls[-1].disturbed_at = time.monotonic()

    def bill(self) -> tuple[Billed, Billed]:
        billed, broken = self._stage.bill()
        scenes = [noted.scene(self._arguments) for noted in self.calls]
        scenes[-1]["made"] = {str(path): path.read_text() for path in files(self.place.work)}
        self.tries.append({"billed": asdict(billed), "broken": asdict(broken), "scenes": scenes})
        return billed, broken


def files(work: Path) -> list[Path]:
    hidden = {".git", ".claude"}
    return [p for p in sorted(work.rglob("*")) if p.is_file() and not hidden & set(p.parts)]


def tidy(stage: NotingStage, noise: frozenset[str], hushed: str = "") -> list[Any]:
    """Its tries, without what changes from one recording to the next."""
    given = ours(scene for one in stage.tries for scene in one["scenes"])
    for scene in (scene for one in stage.tries for scene in one["scenes"]):
        for name in ("lines", "after"):
            scene[name] = [tidy_line(line, noise | NOISE) for line in scene[name]]
        if hushed:
            lines = scene["stderr"].splitlines(keepends=True)
            scene["stderr"] = "".join(line for line in lines if not re.search(hushed, line))
    text = json.dumps(stage.tries)
    for placeholder, real in placeholders(stage).items():
        text = text.replace(json.dumps(real)[1:-1], placeholder)
    drawn: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        lot = found[0]
        if lot in given:
            return lot
        head, wide = ("00000000-0000-4000-8000-", 12) if "-" in lot else ("", 20)
        return drawn.setdefault(lot, f"{head}{len(drawn) + 1:0{wide}d}")

    return json.loads(WHEN.sub("2026-01-01T00:00:00.000Z", LOTS.sub(number, text)))


def ours(scenes: Iterable[Mapping[str, Any]]) -> set[str]:
    """What was drawn by us and is always the same: what a client is called with before it has said it."""
    given, heard = set[str](), set[str]()
    for scene in scenes:
        given |= set(LOTS.findall(json.dumps(scene["argv"]))) - heard
        heard |= set(LOTS.findall(json.dumps([scene["lines"], scene["after"]])))
    return given


def tidy_line(line: str, noise: frozenset[str]) -> Any:
    """A JSON object without noise, or the line as it is."""

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: clean(one) for key, one in value.items() if key not in noise}
        return [clean(one) for one in value] if isinstance(value, list) else value

    try:
        found = json.loads(line)
    except ValueError:
        return line
    return clean(found) if isinstance(found, dict) else line


def placeholders(stage: Stage) -> dict[str, str]:
    place = stage.place
    named = {"{work}": place.work, "{home}": place.home, "{runs}": place.runs, "{root}": place.root}
    installed = os.environ.get("REAL_CLIENTS", "/opt/clients")  # stack traces name it
    named |= {"{tests}": REPOSITORY / "tests", "{clients}": Path(installed)}
    return {"{url}": stage.url, **{name: str(path) for name, path in named.items()}}


def lay_out(client: str, tries: Iterable[Mapping[str, Any]]) -> str:
    """JSON with one line for each thing that was said."""

    def write(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    def spread(value: Any, name: str, indent: str) -> str:
        if name in ("tries", "scenes"):
            return "[" + ", ".join(body(one, indent) for one in value) + "]"
        if name in ("lines", "after"):
            return "[" + ",".join(f"\n{indent} {write(one)}" for one in value) + "]"
        return write(value)

    def body(value: Mapping[str, Any], indent: str) -> str:
        parts = (f"\n{indent} {write(k)}: {spread(v, k, indent + ' ')}" for k, v in value.items())
        return "{" + ",".join(parts) + f"\n{indent}}}"

    return body({"client": client, "tries": tries}, "") + "\n"


def keep(column: Column, case: Case, stage: NotingStage) -> Path:
    client = clients.find(column.name)
    assert client is not None
    path = path_of(column.name, case)
    path.parent.mkdir(parents=True, exist_ok=True)
    tries = tidy(stage, column.noise, column.hushed)
    path.write_text(lay_out(f"{client.name} {client.version}", tries), encoding="utf-8")
    return path


# --- playing it again ----------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], dict[str, Any]]


def as_it_was(scene: dict[str, Any]) -> dict[str, Any]:
    return scene


class RecordedStage:
    """A fake under the client's name, which plays the recorded scenes one after the other."""

    def __init__(
        self, place: Place, column: Column, case: Case, change: Change = as_it_was
    ) -> None:
        self.place, self.url, self._change = place, NOWHERE, change
        basics = {"PATH": f"{place.bin}:/usr/bin:/bin", "HOME": str(place.home), "LANG": "C.UTF-8"}
        given = {**basics, "TERM": "dumb", **column.env(self.url), **case.env}
        self.env = {name: value for name, value in given.items() if value is not None}
        self._tries = json.loads(path_of(column.name, case).read_text("utf-8"))["tries"]
        self._try: dict[str, Any] = {}
        self._file = place.root / "scenes.json"
        words = shlex.join([sys.executable, "-I", "-S", str(SPEAK), str(self._file)])
        program = place.bin / column.client().program
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        program.chmod(0o755)

    def set(self, number: int, try_: Try, attempt: Attempt) -> None:
        text = json.dumps(self._tries[number - 1])
        for placeholder, real in placeholders(self).items():
            text = text.replace(placeholder, json.dumps(real)[1:-1])
        self._try = json.loads(text)
        scenes = self._try["scenes"]
        for scene in scenes:
            for name in ("lines", "after"):
                scene[name] = [o if isinstance(o, str) else json.dumps(o) for o in scene[name]]
            scene |= {"stays": False, "ignores": [], "leaves": try_.leaves, "begins": {}}
        if try_.happens is not Happens.NOTHING:
            scenes[-1]["begins"] = {str(self.place.work / RUNNING): ""}
        self._file.write_text(json.dumps([self._change(scene) for scene in scenes]), "utf-8")

    def begun(self, try_: Try) -> bool:
        return (self.place.work / RUNNING).exists()

    def happened(self) -> None:
        return

    def bill(self) -> tuple[Billed, Billed]:
        return Billed(**self._try["billed"]), Billed(**self._try["broken"])
