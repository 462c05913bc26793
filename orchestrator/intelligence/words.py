"""Words of which there are a few; refuses any other, and says which there are. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn

from orchestrator.reader.near import hint


class Word(StrEnum):
    """What programs write as text, too."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        known = [str(one) for one in cls]
        near = hint(value, frozenset(known)) if isinstance(value, str) else ""
        raise ValueError(f"{value!r} is no {cls.__name__}: write one of {', '.join(known)}{near}")
