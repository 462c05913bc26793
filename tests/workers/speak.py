"""A fake client: says what the real one said, if it is called as that was called. Runs alone, by path: SCENES.json, then arguments.

What was recorded was said before the end, so no signal ends it before it has said that: one that comes earlier waits. Then
a signal that the real one did not survive ends it too; one that it answered is answered.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

MISUSED = 64
ANSWERED = {signal.SIGINT, signal.SIGTERM}


def main(scene: dict[str, Any], arguments: list[str]) -> int:
    """The exit code. Scene: see tests/workers/recordings.py."""
    wrong = [
        *compare("arguments", scene["argv"], arguments),
        *compare("stdin", scene["stdin"], sys.stdin.read()),
    ]
    wrong += [
        f"{name} is not {value!r}"
        for name, value in scene["env"].items()
        if os.environ.get(name) != value
    ]
    wrong += [
        f"the file {name} differs" for name, text in scene["files"].items() if not holds(name, text)
    ]
    if wrong:
        print("not called as when it was recorded:", *wrong, sep="\n", file=sys.stderr)
        return MISUSED
    if scene["leaves"]:
        subprocess.Popen(
            ["sleep", "600"],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    signal.pthread_sigmask(signal.SIG_BLOCK, ANSWERED)  # what it says can get it ended at once
    make(scene["made"])
    say(scene["lines"], scene["stderr"])
    make(scene["begins"])  # what is done to it then, SIGKILL too, comes after what it said
    if scene["waits"]:
        signal.sigwait(ANSWERED)
        say(scene["after"], "")
    while scene["stays"]:
        if signal.sigwait(ANSWERED) not in scene["ignores"]:
            return 0
    if scene["signal"]:
        signal.signal(scene["signal"], signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {scene["signal"]})
        os.kill(os.getpid(), scene["signal"])
    return int(scene["exit"] or 0)


def compare(what: str, expected: Any, given: Any) -> list[str]:
    return [] if expected in (None, given) else [f"{what}: {given!r}\n  but was: {expected!r}"]


def holds(name: str, text: str) -> bool:
    path = Path(name)
    return path.is_file() and path.read_text(encoding="utf-8") == text


def make(files: dict[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def say(lines: list[str], errors: str) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    sys.stderr.write(errors)
    sys.stderr.flush()


def take(path: Path) -> dict[str, Any]:
    """The next scene; it is not there for the start after this one."""
    scene, *rest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(rest), encoding="utf-8")
    return scene


if __name__ == "__main__":
    sys.exit(main(take(Path(sys.argv[1])), sys.argv[2:]))
