"""One column of the contract for each client: how its worker is made, and in which cells it differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from orchestrator.model import Price, Tier
from orchestrator.settings import WorkerSettings
from orchestrator.workers.agent import GRACE_S, AgentWorker
from orchestrator.workers.reading import Client
from tests.agents.clients import NAMES, Name
from tests.workers.cases import CASES, Case

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Absent:
    """There is no such cell for this client."""

    because: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """`differs` has a changed case or its absence, by the case's name; `leaves` are hosts that it is known to ask for.

    `keys` are variables that "no key" takes away. `personal` writes what a person keeps in the home: none of these words
    may reach the model. `bytes` bounds the first request of the lean profile with a real prompt. `hostile` lies in the
    workspace, where any agent can write, and must change nothing: `{thief}` is another server, `{home}` the home.
    """

    name: Name
    client: Callable[[], Client]
    model: str
    keys: tuple[str, ...]
    bytes: int
    personal: Mapping[str, str]
    hostile: Mapping[str, str] = field(default_factory=dict)
    differs: Mapping[str, Case | Absent] = field(default_factory=dict)
    own: Mapping[str, Price] = field(default_factory=dict)
    env: Callable[[str], Mapping[str, str | None]] = lambda url: {}
    settings: Callable[[str], Mapping[str, Any]] = lambda url: {}
    leaves: tuple[str, ...] = ()
    noise: frozenset[str] = frozenset()  # keys of its events that no reader needs
    hushed: str = ""  # lines of its stderr that none needs
    ends_silently: bool = False  # no event says that it is over, only its exit
    blind: bool = False  # it tells its figures only at its end

    def case(self, name: str) -> Case | Absent:
        return self.differs.get(name, CASES[name])

    @property
    def cases(self) -> list[Case]:
        found = map(self.case, CASES)
        return [case for case in found if isinstance(case, Case)]

    def worker(
        self,
        url: str,
        case: Case,
        wrap: Callable[[Client], Client] = lambda client: client,
        grace_s: float = GRACE_S,
    ) -> AgentWorker:
        """`url` is where the model server is."""
        settings = WorkerSettings(**{"arguments": case.arguments, **self.settings(url)})
        models = dict.fromkeys(Tier, self.model)
        return AgentWorker(wrap(self.client()), settings, models, self.own, grace_s)


def columns() -> dict[Name, Column]:
    """Those that are written."""
    there = [name for name in NAMES if (FOLDER / f"{name}.py").exists()]
    return {name: import_module(f"tests.workers.columns.{name}").COLUMN for name in there}
