"""Suggestions as issues, through the `gh` program of the person who asks for it. Refuses to open one that is there already."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import SettingsError
from orchestrator.process import brief

LIMIT_S = 60.0
LIST = ("issue", "list", "--state", "all", "--limit", "100", "--json", "title,url")


async def open_issue(root: Path, title: str, body: str, labels: Sequence[str]) -> str:
    """Its address. One of that title counts, whoever opened it and whether it is open still."""
    said = await _gh(root, *LIST, "--search", f'"{title}" in:title')
    for one in json.loads(said):
        if one["title"] == title:
            return str(one["url"])
    for label in labels:
        await _call(root, "label", "create", label)  # one that is there already stays as it is
    words = [word for label in labels for word in ("--label", label)]
    said = await _gh(
        root, "issue", "create", "--title", title, "--body-file", "-", *words, given=body
    )
    return said.split()[-1] if said.split() else title


async def _gh(root: Path, *words: str, given: str = "") -> str:
    done = await _call(root, *words, given=given)
    if done.code:
        why = " ".join(done.stderr.split()) or f"exit {done.code}"
        raise SettingsError(
            f"gh {' '.join(words[:2])} failed: {why}. Next: gh auth status, or leave out --github"
        )
    return done.stdout.decode("utf-8", "replace")


async def _call(root: Path, *words: str, given: str = "") -> brief.Said:
    try:
        return await brief.call(
            ("gh", *words), cwd=root, env=os.environ, stdin=given.encode(), timeout_s=LIMIT_S
        )
    except OSError as refused:
        text = f"gh cannot be started ({refused.strerror}). Next: install it, or leave out --github"
        raise SettingsError(text) from refused
    except brief.TooLong as slow:
        raise SettingsError(f"gh did not end within {LIMIT_S:.0f} s; leave out --github") from slow
