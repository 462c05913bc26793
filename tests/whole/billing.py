"""A project between the command and the counting model server, and the comparison of what was booked with what was billed."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import ledger, prices
from orchestrator.ledger import Entry
from orchestrator.model import Usage
from tests.agents import clients
from tests.agents.canary import Canary
from tests.agents.server import ModelServer
from tests.agents.steps import Step, Used
from tests.cli.projects import Project

CLASSES = ("input", "output", "cache_read", "cache_write")
HAIKU, SONNET, OPUS = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5")
PLAN = "plans/demo-PLAN.md"


def used(number: int, **more: int) -> Used:
    """Other figures for each answer, so that no two mistakes make a right sum."""
    given = {"input": 1000 + 37 * number, "output": 40 + 11 * number}
    return Used(**given | {"cache_read": 300 + 7 * number, "cache_write": 100 + 3 * number} | more)


@dataclass
class Sums:
    """Tokens by class, and dollars."""

    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    usd: float = 0.0

    def add(self, tokens: Mapping[str, int], usd: float) -> None:
        for name in CLASSES:
            self.tokens[name] += tokens[name]
        self.usd += usd


Account = Mapping[str, Sums]
Script = Mapping[str, Sequence[Step]]


@dataclass
class Bench:
    """`worker` is whose tasks these are: "api", or the real "claude"."""

    project: Project
    server: ModelServer
    worker: str
    in_git: bool

    # --- working ------------------------------------------------------------------------------

    def write(self, *tasks: str) -> None:
        place = "" if self.in_git else "workspace: directory\n"
        head = f"---\nphase: demo\nplan: 01\n{place}---\n<objective>x</objective>\n"
        path = self.project.root / PLAN
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{head}<tasks>\n{''.join(tasks)}</tasks>\n")
        if self.in_git:
            self._begin()

    def task(self, number: int = 1, words: str = 'model="haiku"', check: str = "") -> str:
        check = check or f"grep -q hello {number}.txt"
        return (
            f'<task type="auto" worker="{self.worker}" depends-on="" {words}><name>Task {number}: write</name>'
            f"<files>{number}.txt</files><action>Write {number}.txt.</action>"
            f"<verify><automated>{check}</automated></verify><done>it says hello</done></task>\n"
        )

    def run(self, *words: str, code: int = 0) -> str:
        done = self.project.call(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _begin(self) -> None:
        (self.project.root / ".orchestrator" / ".gitignore").write_text("*\n")
        self.git("init", "-q", "-b", "main")
        for key, value in (("user.name", "me"), ("user.email", "me@localhost")):
            self.git("config", key, value)
        self.git("add", "-A")
        self.git("commit", "-qm", "base")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", "-C", self.project.root, *words],
            env=self.project.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    # --- what was booked ----------------------------------------------------------------------

    @property
    def entries(self) -> Sequence[Entry]:
        return ledger.read(Path(self.project.environment["XDG_DATA_HOME"]) / "orchestrator").entries

    @property
    def asked(self) -> list[str]:
        """The models, in the order of the requests; without those for a title and the like."""
        return [one.model for one in self.server.requests if not one.side]

    def summary(self) -> dict[str, Any]:
        """Handed over; else on the branch of the result; else, of a run without one, beside its transcripts."""
        name = PLAN.replace("PLAN", "SUMMARY")
        path, folder = self.project.root / name, self.project.root / ".orchestrator" / "runs"
        if path.exists():
            text = path.read_text()
        elif branch := self._branch(name):
            text = self.git("show", f"{branch}:{name}")
        else:
            (aside,) = folder.glob(f"*/{name.replace('/', '-')}")
            text = aside.read_text()
        found: dict[str, Any] = yaml.safe_load(text.split("---\n", 2)[1])["execution"]
        return found

    def _branch(self, name: str) -> str:
        """The one of the result, if it has the file."""
        listed = ("branch", "--format=%(refname:short)", "--list", "orchestrator/*")
        branch = self.git(*listed).strip()
        return branch if branch and self.git("ls-tree", branch, name) else ""

    def bill(self) -> Account:
        """Of what was delivered as a whole."""
        found: dict[str, Sums] = defaultdict(Sums)
        for model, told in self.server.answers:
            tokens = {name: getattr(told, name) for name in CLASSES}
            found[model].add(tokens, cost(model, tokens))
        return found


def parts(entry: Entry) -> Iterator[tuple[str, Mapping[str, int], float]]:
    """Of the model that worked, and of the one that reviewed."""
    tokens = {name: getattr(entry.tokens, name) or 0 for name in CLASSES}
    usd = entry.cost_usd or 0.0
    if entry.review is not None:
        theirs = {name: getattr(entry.review.tokens, name) or 0 for name in CLASSES}
        cost = entry.review.cost_usd or 0.0
        yield entry.review.model or "unknown", theirs, cost
        tokens = {name: tokens[name] - theirs[name] for name in CLASSES}
        usd -= cost
    yield entry.model_version or "unknown", tokens, usd


def booked(entries: Iterable[Entry]) -> Account:
    found: dict[str, Sums] = defaultdict(Sums)
    for entry in entries:
        for model, tokens, usd in parts(entry):
            if any(tokens.values()) or usd:
                found[plain(model)].add(tokens, usd)
    return found


def plain(model: str) -> str:
    """Without the provider before it."""
    return model.rpartition("/")[2]


def cost(model: str, tokens: Mapping[str, int]) -> float:
    """Of one request."""
    usage = Usage(**{f"{name}_tokens": tokens[name] for name in CLASSES})
    usd = prices.price(usage, provider="anthropic", model=model, own={}).cost_usd
    assert usd is not None
    return usd


def total(account: Account) -> Sums:
    found = Sums()
    for one in account.values():
        found.add(one.tokens, one.usd)
    return found


# --- comparing ------------------------------------------------------------------------------------


def reconcile(bench: Bench, *, at_least: bool = False) -> None:
    """By model, class and dollar: ledger, SUMMARY, report and `show` say what the server billed.

    With `at_least` a client was ended: no more may be booked than was billed, and if it is less, everybody says so.
    """
    entries, bill = bench.entries, bench.bill()
    found = booked(entries)
    assert is_equal(found, bill) or (at_least and is_below(found, bill)), (found, bill)
    flagged = any(one.lower_bound for one in entries)
    assert flagged or is_equal(found, bill)
    assert at_least or not flagged
    _compare_summary(bench.summary(), total(found), flagged)
    report = bench.project.json("report", "cost")
    told = {plain(name): one["usd"] for name, one in report["by_model"].items() if one["usd"]}
    assert told == {name: pytest.approx(one.usd, abs=1e-8) for name, one in found.items()}
    assert report["spent"]["usd"] == pytest.approx(total(found).usd, abs=1e-8)
    assert bool(report["spent"]["unknown"]) is flagged
    budget = bench.project.json("show")["budget"]
    assert budget["used"]["usd"] == pytest.approx(total(found).usd, abs=1e-6)
    assert budget["charged"]["usd"] >= total(found).usd - 1e-6


def _compare_summary(told: Mapping[str, Any], found: Sums, flagged: bool) -> None:
    assert {name: told["tokens"][name] for name in CLASSES} == found.tokens
    assert told["total_subagent_tokens"] == sum(found.tokens.values())
    assert told["cost_usd"] == pytest.approx(found.usd, abs=1e-6)
    assert (told["lower_bound"], told["cost_lower_bound"]) == (flagged, flagged)


def is_equal(found: Account, bill: Account) -> bool:
    """A model that was billed nothing need not be there."""
    return all(
        found.get(name, Sums()).tokens == one.tokens
        and found.get(name, Sums()).usd == pytest.approx(one.usd)
        for name, one in bill.items()
    ) and set(found) <= set(bill)


def is_below(found: Account, bill: Account) -> bool:
    return set(found) <= set(bill) and all(
        one.tokens[kind] <= bill[name].tokens[kind]
        for name, one in found.items()
        for kind in CLASSES
    )


# --- the place ------------------------------------------------------------------------------------


@contextmanager
def bench_of(
    folder: Path, worker: str, script: Sequence[Step] | Script, *, in_git: bool
) -> Iterator[Bench]:
    """Steps in the order in which they are asked for; where several agents ask at once, by a marker in the request."""
    project = Project(folder)
    with (
        ModelServer(script if isinstance(script, Mapping) else {"default": script}) as server,
        Canary() as canary,
    ):
        home, programs = Path(project.environment["HOME"]), folder / "bin"
        if worker == "claude":
            clients.bin_folder(folder, ("claude",))
        own = clients.environment(home, server, programs, canary=canary)
        shell = shutil.which("git")
        assert shell is not None
        path = f"{own['PATH']}:{Path(shell).parent}"
        project.environment |= own | {
            "PATH": path,
            "ORCHESTRATOR_ROUTING__CASCADE": "false",
            "ORCHESTRATOR_RUN__AGENTS": f'["{worker}"]',  # reviewers, too
            "ORCHESTRATOR_RUN__SHARE_PROMPT_CACHE_S": "0",
        }
        yield Bench(project, server, worker, in_git)
        assert canary.attempts == []
