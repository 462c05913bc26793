"""`.orchestrator/intelligence.yaml` (S4-25): the seed's file as it is, defaults without one, every wrong key told at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import SettingsError
from orchestrator.intelligence import (
    AdaptiveModelRouter,
    PerformanceTracker,
    RoutingStrategy,
)
from orchestrator.intelligence.settings import IntelligenceSettings, load, parse
from orchestrator.settings import ledger_folder
from tests.intelligence.samples import history, record, registry

SEED = """# Learning configuration
learning:
  strategy: learning  # baseline, performance, cost, balanced, learning
  min_samples: 5      # Minimum samples to trust historical data
  success_weight: 0.7 # Weight for success rate (0-1)
  cost_weight: 0.3    # Weight for cost optimization (0-1)
  exploration_rate: 0.1  # Probability of trying non-optimal models

# Performance tracking
tracking:
  storage_dir: orchestrator/intelligence/data
  rae_integration: true
  sync_interval: 60  # Seconds between RAE syncs

# Analytics
analytics:
  min_confidence: 0.6  # Minimum confidence for historical routing
  optimization_threshold: 0.01  # Min savings to report (USD)
"""


def write(root: Path, text: str) -> Path:
    path = root / ".orchestrator" / "intelligence.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_s4_25_the_seeds_file_loads_unchanged(tmp_path: Path):
    write(tmp_path, SEED)
    found = load(tmp_path)
    assert found.model_dump(mode="json") == {
        "learning": {
            "strategy": "learning",
            "min_samples": 5,
            "success_weight": 0.7,
            "cost_weight": 0.3,
            "exploration_rate": 0.1,
        },
        "tracking": {
            "storage_dir": "orchestrator/intelligence/data",
            "rae_integration": True,
            "sync_interval": 60.0,
        },
        "analytics": {"min_confidence": 0.6, "optimization_threshold": 0.01},
    }


def test_s4_25_without_a_file_there_are_defaults(tmp_path: Path):
    assert load(tmp_path) == IntelligenceSettings()
    write(tmp_path, "# nothing yet\n")
    assert load(tmp_path) == IntelligenceSettings()
    write(tmp_path, "learning:\n")
    assert load(tmp_path) == IntelligenceSettings()
    assert load(tmp_path).tracking.storage_dir is None


def test_s4_25_all_unknown_keys_are_told_at_once_with_what_was_meant(tmp_path: Path):
    path = write(
        tmp_path,
        "learning:\n  stratgy: cost\n  zzz: 1\nanalitics:\n  min_confidence: 0.5\n",
    )
    with pytest.raises(SettingsError) as told:
        load(tmp_path)
    assert str(told.value).splitlines() == [
        f"{path}: analitics: no such section; did you mean analytics?",
        f"{path}: learning.stratgy: no such setting; did you mean strategy?",
        f"{path}: learning.zzz: no such setting; known here: "
        "strategy, min_samples, success_weight, cost_weight, exploration_rate",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning:\n  strategy: clever\n", "learning.strategy = clever: "),
        ("learning:\n  min_samples: 0\n", "learning.min_samples = 0: "),
        ("learning:\n  min_samples: many\n", "learning.min_samples = many: "),
        ("learning:\n  exploration_rate: 1.5\n", "learning.exploration_rate = 1.5: "),
        ("learning:\n  success_weight: 0\n  cost_weight: 0\n", "both 0"),
        ("tracking:\n  rae_integration: perhaps\n", "tracking.rae_integration = perhaps: "),
        ("tracking:\n  sync_interval: 0\n", "tracking.sync_interval = 0: "),
        ("analytics:\n  min_confidence: .nan\n", "analytics.min_confidence = .nan: "),
        ("learning: 5\n", "learning = 5: "),
        ("- a\n- b\n", "has no keys"),
        (
            "learning:\n  min_samples: 5\n  min_samples: 6\n",
            ":3:1: the key min_samples stands twice",
        ),
        ("learning: [\n", ":2:1: did not find"),
    ],
)
def test_s4_25_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, words: str):
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as told:
        load(tmp_path)
    assert words in str(told.value)
    assert str(told.value).startswith(str(path))


@given(st.text(st.sampled_from("ab:-{}[]#&*!|>'\"\n \t0.1")))
def test_s4_25_any_text_gives_settings_or_an_error_with_its_file(text: str):
    told = ""
    try:
        parse(text, "a.yaml")
    except SettingsError as error:
        told = str(error)
    assert not told or told.startswith("a.yaml")


def test_s4_25_a_file_that_cannot_be_read_is_told(tmp_path: Path):
    path = write(tmp_path, "")
    path.write_bytes(b"learning: \xff\n")
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path)


def test_s4_25_the_file_sets_up_tracker_and_router(tmp_path: Path):
    write(tmp_path, SEED)
    tracker = PerformanceTracker(root=tmp_path)
    assert tracker.storage_dir == tmp_path / "orchestrator" / "intelligence" / "data"
    router = AdaptiveModelRouter(registry(), tracker)
    assert router.strategy is RoutingStrategy.LEARNING
    assert router.config.show_confidence == 0.6
    assert tracker.rae.sync_interval == 60
    assert not tracker.rae.enabled, "true alone names no server"


@pytest.mark.parametrize("folder", ["../../out", "/tmp/out", "~/out", "a/../../out", "link/out"])
def test_s4_25_a_project_says_of_no_folder_elsewhere_that_it_is_written(
    tmp_path: Path, folder: str
):
    root = tmp_path / "project"
    path = write(root, f"tracking:\n  storage_dir: {folder}\n")
    (root / "link").symlink_to(tmp_path)
    words = f"{path}: tracking.storage_dir = {folder}: is outside of the project; name a folder"
    with pytest.raises(SettingsError) as told:
        PerformanceTracker(root=root)
    assert str(told.value).startswith(words)
    assert "ORCHESTRATOR_INTELLIGENCE_DIR" in str(told.value)


def test_s4_25_with_a_folder_of_its_own_what_runs_left_is_read_too(tmp_path: Path):
    users = PerformanceTracker(storage_dir=ledger_folder())
    history(users, "of-a-run", good=2, of=2)
    write(tmp_path, SEED)
    tracker = PerformanceTracker(root=tmp_path)
    record(tracker)
    assert len(tracker.get_all_records()) == 3
    assert len(users.get_all_records()) == 2, "what is recorded goes to its own"
    os.environ["ORCHESTRATOR_INTELLIGENCE_DIR"] = str(tmp_path / "chosen")
    assert PerformanceTracker(root=tmp_path).storage_dir == tmp_path / "chosen"


def test_s4_25_rae_can_be_switched_off_by_the_file(tmp_path: Path):
    os.environ["RAE_ENDPOINT"] = "http://localhost:9"
    assert PerformanceTracker(root=tmp_path).rae.enabled
    write(tmp_path, "tracking:\n  rae_integration: false\n")
    assert not PerformanceTracker(root=tmp_path).rae.enabled
