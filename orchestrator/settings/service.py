"""The sections of the settings that are a daemon's; refuses times that no clock has, and addresses that nothing can be posted to."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from orchestrator.settings.cron import refuse_strange_times
from orchestrator.settings.sections import Count, Seconds, Section, Word, Words

Occasion = Literal["checkpoint", "quota", "failure", "end"]


def refuse_no_web(address: str) -> str:
    """An address that a message can be posted to; or nothing."""
    try:
        parts = urlsplit(address)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_web = False
    if address and not is_web:
        raise ValueError('is no web address; write one as "https://example.org/hook", or ""')
    return address


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
    patterns: Cron


class NotifySettings(Section):
    """Who is told what. A webhook gets the JSON that the command gets on its standard input."""

    on: Annotated[tuple[Occasion, ...], Field(strict=False)]
    command: Words
    webhook: Annotated[str, AfterValidator(refuse_no_web)]
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
