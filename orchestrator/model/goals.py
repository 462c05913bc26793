"""What a plan promises as a whole, and what it asks a person to set up: the parts of `must_haves` and `user_setup`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Goal(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Artifact(Goal):
    """A file that must be there at the end."""

    path: str
    provides: str = ""
    min_lines: int | None = None
    contains: str | None = None
    exports: tuple[str, ...] = ()


class KeyLink(Goal):
    """Something that must use something else."""

    source: str
    target: str
    via: str = ""
    pattern: str | None = None


class MustHaves(Goal):
    truths: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    key_links: tuple[KeyLink, ...] = ()


class Setup(Goal):
    """What only a person can do for a service: accounts, keys, a dashboard. One line for each step."""

    service: str
    why: str = ""
    steps: tuple[str, ...] = ()
