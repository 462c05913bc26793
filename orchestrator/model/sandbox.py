"""What a program may see and write: an access for each place, the deepest place counts. Refuses to know how that is enforced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from orchestrator.model.plan import Noun


class Access(StrEnum):
    READ = "read"
    WRITE = "write"
    PRIVATE = "private"  # the run's own folder stands in its place
    HIDDEN = "hidden"  # empty


class Sandbox(Noun):
    """Of one program. Places are absolute; all that is below none of them can be read and not written."""

    places: Mapping[str, Access]
    temporary: str  # the folder that stands in private places
    network: bool = True

    def allow(self, access: Access, places: Iterable[str], *, network: bool = False) -> Sandbox:
        """With these too; `network`: it gets one in any case."""
        more = {**self.places, **dict.fromkeys(places, access)}
        return self.model_copy(update={"places": more, "network": network or self.network})
