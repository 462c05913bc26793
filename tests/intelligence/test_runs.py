"""What intelligence.yaml means for runs: under `baseline` no ledger changes who does a task (S4-29), and no strategy is mapped that runs do not have."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import engine, ledger
from orchestrator import settings as configured
from orchestrator.errors import SettingsError
from orchestrator.graph import build
from orchestrator.intelligence import RoutingStrategy, runs
from orchestrator.ledger import Entry
from orchestrator.model import Route, Task, Tier
from tests.build import plan, task
from tests.engine.runs import TieredAgent
from tests.intelligence.samples import environment
from tests.intelligence.test_settings import SEED, write
from tests.ledger.outcomes import line, stamp

EXPECTED = {name for name in Route.model_fields if name.startswith("estimated_")}
TITLES = ("Add the login endpoint", "Rename it", "Think", "Refactor the store", "Read the docs")


@st.composite
def tasks(draw: st.DrawFn) -> list[Task]:
    found = []
    for ordinal in range(1, draw(st.integers(1, 4)) + 1):
        values: dict[str, Any] = {"name": f"Task {ordinal}: {draw(st.sampled_from(TITLES))}"}
        values["complexity"] = draw(st.none() | st.integers(1, 10))
        values["commands"] = draw(st.sampled_from([(), ("true",)]))
        values["risk"] = draw(st.sampled_from([None, "low", "high"]))
        found.append(task(ordinal, **values))
    return found


@st.composite
def outcomes(draw: st.DrawFn) -> list[Entry]:
    """Of some models at some complexities, in great numbers: enough to decide for any of them."""
    found, now = list[Entry](), datetime.now(UTC)
    for tier in Tier:
        tries, good = draw(st.integers(0, 25)), draw(st.integers(0, 25))
        cost, level = draw(st.floats(0.001, 5)), draw(st.integers(1, 10))
        for number in range(tries):
            found.append(
                line(
                    tier,
                    "success" if number < good else "failed",
                    cost=cost,
                    at=now,
                    worker="agent",
                    run_id=f"{tier}{number}",
                    complexity_estimated=level,
                    model_version=f"{tier}-9",
                )
            )
    return found


rules = st.dictionaries(st.integers(1, 10), st.sampled_from(list(Tier)), max_size=4)


def remember(folder: Path, entries: list[Entry], learned: Mapping[int, Tier]) -> None:
    ledger.append(folder, entries)
    metrics = {"success_rate": 1.0, "avg_cost_usd": 0.1, "avg_duration_sec": 1, "sample_size": 16}
    document = {
        "learned_recommendations": {
            str(level): {"model": tier, "confidence": 1.0, "reason": "x", "metrics": metrics}
            for level, tier in learned.items()
        },
        "last_updated": stamp(datetime.now(UTC)),
        "window_days": 30,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "routing_heuristics.json").write_text(json.dumps(document))


def routes(root: Path, folder: Path, given: list[Task]) -> dict[str, list[dict[str, Any]]]:
    """As a run has them, by the settings that the command line loads for it; without what they are expected to take."""
    os.environ["ORCHESTRATOR_INTELLIGENCE_DIR"] = str(folder)
    graph, said = build([plan(*given)])
    assert graph, said
    chosen = runs.load(root).settings
    crew = engine.prepare(root, graph, chosen, {"agent": TieredAgent("true")})
    return {
        name: [route.model_dump(exclude=EXPECTED) for route in ladder]
        for name, ladder in crew.ladders.items()
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("project")
    write(folder, "learning:\n  strategy: baseline\n")
    with environment(folder):
        yield folder


@settings(deadline=None, max_examples=60)
@given(tasks(), outcomes(), rules)
def test_s4_29_under_the_baseline_the_routes_of_a_run_are_those_of_an_empty_ledger(
    project: Path, given: list[Task], seen: list[Entry], learned: Mapping[int, Tier]
):
    with TemporaryDirectory() as folder:
        usual = routes(project, Path(folder) / "empty", given)
        remember(Path(folder), seen, learned)
        assert routes(project, Path(folder), given) == usual


@pytest.mark.parametrize("changes", ["a cheap model that passes", "a rule"])
def test_without_the_baseline_the_same_ledger_does_change_routes(tmp_path: Path, changes: str):
    """Else the property would say nothing."""
    many = [
        line(tier, cost=cost, at=datetime.now(UTC), worker="agent", run_id=f"{tier}{number}",
             complexity_estimated=6, model_version=f"{tier}-9")
        for tier, cost in (("haiku", 0.01), ("sonnet", 0.5), ("opus", 0.9))
        for number in range(20)
    ]  # fmt: skip
    folder, asked = tmp_path / "ledger", [task(1, complexity=6, commands=("true",))]
    seen, learned = (many, {}) if changes != "a rule" else ([], {6: Tier.HAIKU})
    usual = routes(tmp_path, tmp_path / "empty", asked)
    remember(folder, seen, learned)
    assert routes(tmp_path, folder, asked) != usual
    write(tmp_path, "learning:\n  strategy: baseline\n")
    assert routes(tmp_path, folder, asked) == usual


def test_under_the_baseline_no_learned_cost_sends_a_task_elsewhere(tmp_path: Path):
    """The 15% rule goes by learned costs and by what the ledger says of the day."""
    write(tmp_path, "learning:\n  strategy: baseline\n")
    assert configured.load(tmp_path).budget.dear_share > 0
    assert runs.load(tmp_path).settings.budget.dear_share == 0


# --- the other strategies -------------------------------------------------------------------------


@pytest.mark.parametrize("text", [None, "learning:\n  strategy: balanced\n"])
def test_balanced_is_what_a_run_does(tmp_path: Path, text: str | None):
    if text is not None:
        write(tmp_path, text)
    assert runs.load(tmp_path) == (configured.load(tmp_path), ())


def test_learning_is_a_run_that_explores(tmp_path: Path):
    write(tmp_path, SEED)
    assert runs.load(tmp_path) == (configured.load(tmp_path), ()), "as all do by default"
    (tmp_path / ".orchestrator" / "config.toml").write_text("[routing]\nexplore = false\n")
    usual, found = configured.load(tmp_path), runs.load(tmp_path)
    assert (usual.routing.explore, found.settings.routing.explore) == (False, True)
    assert found.settings.routing.cascade
    assert found.notes == (
        ".orchestrator/intelligence.yaml says strategy: learning, so routing.explore is on",
    )


@pytest.mark.parametrize("strategy", [RoutingStrategy.PERFORMANCE, RoutingStrategy.COST])
def test_what_runs_do_not_have_changes_nothing_and_says_so(
    tmp_path: Path, strategy: RoutingStrategy
):
    write(tmp_path, f"learning:\n  strategy: {strategy}\n")
    chosen, (note,) = runs.load(tmp_path)
    assert chosen == configured.load(tmp_path)
    assert note.endswith("which only AdaptiveModelRouter has; runs go by balanced")


def test_flags_stand_and_a_broken_file_is_an_error(tmp_path: Path):
    assert runs.load(tmp_path, {"run": {"workers": 3}}).settings.run.workers == 3
    write(tmp_path, "learning:\n  stratgy: baseline\n")
    with pytest.raises(SettingsError, match="did you mean strategy"):
        runs.load(tmp_path)
