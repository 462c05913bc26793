"""One event of a client's hook -> one line of .orchestrator/hooks.jsonl. Says nothing, never fails, and keeps no content, no output and no word of a prompt.

It runs before and after every tool of an agent that a person talks to, so it must cost next to nothing: only what is
needed is imported, and where it is needed. The installed hook runs this file by its path, without what `site` does.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # its own module is imported only if there is something to keep
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

HOME = ".orchestrator"
SPOOL = "hooks.jsonl"
PATIENCE_S = 2.0  # for all of it: whoever does not close our stdin holds up nobody
MOST_INPUT = 16_000_000  # bytes; after a tool its whole result is told
MOST_LINE, MOST_SPOOL = 8_000, 4_000_000  # bytes; a full spool takes no more until it is counted
LONGEST, LONGEST_NAME = 300, 100  # characters of a command or path, and of all else
LONGEST_SCRIPT = 200_000  # of what is looked through for text that goes into files; of a longer one nothing is kept
LOCK_S = 0.02  # a hook holds the spool for far less; whoever holds it longer is no hook
IGNORED = "*\n!config.toml\n"  # what git is told in .orchestrator
KINDS = {
    "PreToolUse": "PreToolUse",
    "PostToolUse": "PostToolUse",
    "PostToolUseFailure": "PostToolUse",
    "UserPromptSubmit": "UserPromptSubmit",
}
TARGETS = ("command", "file_path", "notebook_path", "path")
DETECT = "ORCHESTRATOR_PATTERNS__DETECT"
NO = ("false", "0", "no", "off", "f", "n")
OF_ENGINE = "ORCHESTRATOR_ATTEMPT"  # in what an engine starts: it keeps the steps itself


def main() -> NoReturn:
    """Exit code 0, whatever happens."""
    try:
        _end_later()
        _keep(os.environ)
    except BaseException:  # noqa: S110 - whatever it is, the client goes on
        pass
    finally:
        os._exit(0)


def _end_later() -> None:
    import signal

    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)


def _keep(environment: Mapping[str, str]) -> None:
    home = home_of(environment.get("CLAUDE_PROJECT_DIR") or os.getcwd())
    if home is None or OF_ENGINE in environment or is_off(home, environment):
        return
    import json

    told = json.loads(_read(0))
    found = line(told, environment) if isinstance(told, dict) else b""
    if found:
        ignore(home)
        append(os.path.join(home, SPOOL), found)


def home_of(folder: str) -> str | None:
    """The .orchestrator of the project around it. One that is a link leads anywhere: nothing is kept there."""
    while True:
        home = os.path.join(folder, HOME)
        if os.path.isdir(home):
            return None if os.path.islink(home) else home
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return None


def is_off(home: str, environment: Mapping[str, str]) -> bool:
    """patterns.detect is false: in the environment, else in the project's file, else in the person's."""
    if DETECT in environment:
        return environment[DETECT].strip().lower() in NO
    configured = environment.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(configured):
        configured = os.path.expanduser("~/.config")
    for folder in (home, os.path.join(configured, "orchestrator")):
        said = _said(os.path.join(folder, "config.toml"))
        if said is not None:
            return str(said).strip().lower() in NO
    return False


def _said(file: str) -> object:
    """What it sets patterns.detect to; None: nothing. It is read as TOML only if that word is in it, and not as a comment alone."""
    try:
        with open(file, "rb") as settings:
            text = settings.read()
    except FileNotFoundError:
        return None
    rows = [row for row in text.split(b"\n") if not row.lstrip().startswith(b"#")]
    if not any(b"detect" in row or b"\\" in row for row in rows):
        return None
    import tomllib

    table = tomllib.loads(text.decode("utf-8-sig")).get("patterns")
    return table.get("detect") if isinstance(table, dict) else None


def ignore(home: str) -> None:
    """Git ignores what is kept there, also in a clone, which has the settings only."""
    path = os.path.join(home, ".gitignore")
    if os.path.lexists(path):
        return
    draft = f"{path}.{os.getpid()}"
    try:
        with open(draft, "x", encoding="utf-8") as file:
            file.write(IGNORED)
        os.rename(draft, path)
    finally:
        if os.path.lexists(draft):
            os.unlink(draft)


def _read(descriptor: int) -> bytes:
    parts, size = list[bytes](), 0
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
        size += len(part)
        if size > MOST_INPUT:
            return b""
    return b"".join(parts)


def line(told: Mapping[str, Any], environment: Mapping[str, str]) -> bytes:
    """What is kept of an event; nothing of one that is not known. Free of secrets of the environment, and of what looks like a key."""
    import json
    import time

    event = told.get("hook_event_name")
    if event not in KINDS or not isinstance(told.get("session_id"), str):
        return b""
    clean = _cleaner(environment)
    kept = {
        "event": KINDS[event],
        "session": clean(told["session_id"])[:LONGEST_NAME],
        "at": round(time.time(), 3),
    }
    if event == "UserPromptSubmit":
        prompt = told.get("prompt")
        kept["words"] = len(prompt.split()) if isinstance(prompt, str) else None
    else:
        kept |= _tool(told, clean)
    text = json.dumps(kept, separators=(",", ":")).encode()
    return text if len(text) <= MOST_LINE else b""


def _tool(told: Mapping[str, Any], clean: Any) -> dict[str, Any]:
    event, given = told["hook_event_name"], told.get("tool_input")
    words = [given.get(name) for name in TARGETS] if isinstance(given, dict) else []
    target = next((one for one in words if isinstance(one, str) and one), "")
    names = {"id": told.get("tool_use_id"), "tool": told.get("tool_name")}
    kept = {
        name: clean(word)[:LONGEST_NAME] if isinstance(word, str) else ""
        for name, word in names.items()
    }
    kept["target"] = _shown(target, clean)[:LONGEST]
    if event == "PreToolUse":
        return kept
    size = _size(told, target) if kept["tool"] == "Read" else None
    return {**kept, "ok": event == "PostToolUse", "size": size}


def _shown(target: str, clean: Any) -> str:
    """Without what here-documents put into files. Cleaned before anything is cut out or off: half of a secret is found by nobody."""
    if len(target) > LONGEST_SCRIPT:
        return ""
    shown: str = clean(target)
    if "<<" not in shown:
        return shown
    from orchestrator.redact import heredocs

    return str(clean(heredocs.without_texts(shown)))


def _size(told: Mapping[str, Any], path: str) -> int | None:
    folder = told.get("cwd")
    try:
        return os.stat(os.path.join(folder if isinstance(folder, str) else "", path)).st_size
    except (OSError, ValueError):
        return None


def _cleaner(environment: Mapping[str, str]) -> Any:
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if package not in sys.path:  # run by its path
        sys.path.append(package)
    from orchestrator import redact
    from orchestrator.redact import commands

    redact.learn(environment)
    return lambda text: commands.masked(redact.text(text))


def append(spool: str, text: bytes) -> None:
    """In one write. Who takes the spool away waits for those that hold it, so a line never goes with it unread."""
    import stat
    import time

    # To read, too: whether the last one could be written whole.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    ends = time.monotonic() + LOCK_S
    for _ in range(3):
        descriptor = os.open(spool, flags, 0o600)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_SPOOL:
                return
            if not _is_held(descriptor, spool, found.st_ino, ends):
                continue
            if found.st_mode & 0o077:
                os.fchmod(descriptor, 0o600)
            is_torn = found.st_size and os.pread(descriptor, 1, found.st_size - 1) != b"\n"
            os.write(descriptor, (b"\n" if is_torn else b"") + text + b"\n")
            return
        finally:
            os.close(descriptor)


def _is_held(descriptor: int, spool: str, number: int, ends: float) -> bool:
    """False: it was taken away, or somebody else holds it."""
    import fcntl
    import time

    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if not _is_there(spool, number) or time.monotonic() > ends:
                return False
            time.sleep(0.001)
        else:
            return _is_there(spool, number)


def _is_there(spool: str, number: int) -> bool:
    try:
        return os.stat(spool, follow_symlinks=False).st_ino == number
    except OSError:
        return False


if __name__ == "__main__":
    main()
