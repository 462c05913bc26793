"""The sections of the settings that are a daemon's; refuses times that no clock has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from orchestrator.settings.sections import Count, Seconds, Section, Word, Words

Occasion = Literal["checkpoint", "quota", "failure", "end"]


def refuse_strange_times(words: str) -> str:
    """Whether each field is in range is for who reads the clock; here it is five fields, or nothing."""
    if words and len(words.split()) != 5:
        raise ValueError(f"{words!r} is no time: write five fields as cron has them, or nothing")
    return words


Cron = Annotated[str, AfterValidator(refuse_strange_times)]


class DaemonSettings(Section):
    """How a daemon looks at its folder, ends, and what it does by the clock."""

    settle_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    rescan_s: Seconds
    drain_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    retry_s: Seconds
    runs: Count
    learn: Cron
    clean: Cron


class NotifySettings(Section):
    """Who is told what. A webhook gets the JSON that the command gets on its standard input."""

    on: Annotated[tuple[Occasion, ...], Field(strict=False)]
    command: Words
    webhook: str
    timeout_s: Seconds


class HttpSettings(Section):
    """Where the daemon's pages and API are. Whether that is safe is for web.server, which knows what `host` is."""

    host: Word
    port: Annotated[int, Field(ge=0, le=65535)]
    socket: str
    expose: bool
    cert: str
    key: str
    proxy: str
    allowed_hosts: Words
