"""What a person asks to be said on a forge, through their own `gh` program: an issue, a comment. Refuses to say anything twice."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from orchestrator.errors import SettingsError, UsageError
from orchestrator.process import brief

LIMIT_S = 60.0
SHOWN = 100  # characters of an answer that nobody understands
LIST = ("issue", "list", "--state", "all", "--limit", "100", "--json", "title,url")
ISSUE = re.compile(r"#?(\d+)|(https?://[^\s/]+/[^\s/]+/[^\s/]+/issues/\d+)/?")


STEPS = {  # by what gh says where it failed
    r"HTTP 410|\bdisabled\b": "switch issues on in the settings of that repository",
    r"HTTP 40[13]|auth|logged|credential|token": "gh auth status",
    r"git remote|git repository|HTTP 404|could not resolve to": "gh repo view, which tells what repository it means",
    r"HTTP 429|rate limit": "wait, and try it again",
}
ELSE = "try what it says by hand"


class Said(NamedTuple):
    """Where it is; `is_new` False: it was there already."""

    url: str
    is_new: bool


async def open_issue(root: Path, title: str, body: str, labels: Sequence[str]) -> str:
    """Its address. One of that title counts, whoever opened it and whether it is open still."""
    gh = _Gh(root, "--github")
    for one in await gh.ask(_Issues, *LIST, "--search", f'"{title}" in:title'):
        if one.title == title:
            return one.url
    for label in labels:
        await gh.call("label", "create", label)  # one that is there already stays as it is
    words = [word for label in labels for word in ("--label", label)]
    said = await gh.say("issue", "create", "--title", title, "--body-file", "-", *words, given=body)
    return said.split()[-1] if said.split() else title


def issue(name: str) -> str:
    """As gh takes it: its number, or its address. UsageError for anything else, which gh might take for a flag."""
    found = ISSUE.fullmatch(name)
    if found is None:
        raise UsageError(
            f"{name!r} names no issue. Next: give its number, or its address: --comment 12"
        )
    return found[1] or found[2]


async def comment(root: Path, on: str, marker: str, body: str) -> Said:
    """`on`: as `issue` gives it. A comment that has the marker counts, whoever wrote it."""
    gh = _Gh(root, "--comment")
    found = await gh.ask(_Talk, "issue", "view", on, "--json", "comments,url")
    for one in found.comments:
        if marker in one.body:
            return Said(one.url or found.url, is_new=False)
    text = f"{marker}\n{body}"
    said = (await gh.say("issue", "comment", on, "--body-file", "-", given=text)).split()
    return Said(said[-1] if said else found.url, is_new=True)


class _Issue(BaseModel):
    title: str
    url: str


class _Comment(BaseModel):
    body: str
    url: str | None = None


class _TalkOf(BaseModel):
    comments: list[_Comment]
    url: str


_Issues = TypeAdapter(list[_Issue])
_Talk = TypeAdapter(_TalkOf)
T = TypeVar("T")


def _step(why: str) -> str:
    found = (step for words, step in STEPS.items() if re.search(words, why, re.IGNORECASE))
    return next(found, ELSE)


def _cut(said: str) -> str:
    words = " ".join(said.split())
    return repr(words[:SHOWN]) if words else "nothing"


class _Gh:
    """`option`: what a person leaves out who does not want it."""

    def __init__(self, root: Path, option: str) -> None:
        self._root, self._option = root, option

    async def ask(self, kind: TypeAdapter[T], *words: str) -> T:
        """What it answers in JSON."""
        said = await self.say(*words)
        try:
            return kind.validate_json(said)
        except ValidationError:
            what = f"gh {' '.join(words[:2])} said something that this program does not know: {_cut(said)}"
            text = f"{what}. Next: look at gh --version and gh {' '.join(words[:2])}, or leave out {self._option}"
            raise SettingsError(text) from None

    async def say(self, *words: str, given: str = "") -> str:
        done = await self.call(*words, given=given)
        if done.code:
            why = " ".join(done.stderr.split()).rstrip(".") or f"exit {done.code}"
            text = f"gh {' '.join(words[:2])} failed: {why}"
            raise SettingsError(f"{text}. Next: {_step(why)}, or leave out {self._option}")
        return done.stdout.decode("utf-8", "replace")

    async def call(self, *words: str, given: str = "") -> brief.Said:
        env, command = os.environ, ("gh", *words)
        try:
            return await brief.call(
                command, cwd=self._root, env=env, stdin=given.encode(), timeout_s=LIMIT_S
            )
        except OSError as refused:
            text = f"gh cannot be started ({refused.strerror}). Next: install it, or leave out {self._option}"
            raise SettingsError(text) from refused
        except brief.TooLong as slow:
            text = f"gh did not end within {LIMIT_S:.0f} s. Next: leave out {self._option}"
            raise SettingsError(text) from slow
