"""What a plan promises as a whole: every shape that its frontmatter has in the wild gives something, and loses no text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import PlanId
from orchestrator.model.goals import Artifact, KeyLink, MustHaves, Setup
from orchestrator.reader import goals, read
from tests.reader.plans import read_plan

TASK = "<tasks>\n<task>\n<name>n</name>\n<action>x</action>\n</task>\n</tasks>\n"


def test_the_documented_shape_is_read():
    text = """---
requirements: [R-1, R-2]
must_haves:
  truths:
    - "A user can log in"
    - says: "hello"
  artifacts:
    - path: src/a.py
      provides: The page
      min_lines: 30
      exports: ["make", "show"]
      contains: "class Page"
  key_links:
    - from: src/a.py
      to: src/b.py
      via: import
      pattern: "import.*b"
user_setup:
  - service: stripe
    why: Payments
    env_vars:
      - name: STRIPE_KEY
        source: Dashboard
    dashboard_config:
      - task: Make a webhook
        location: Developers
---
"""
    plan = read_plan(text + TASK).plan
    assert plan is not None
    assert plan.requirements == ("R-1", "R-2")
    assert plan.must_haves == MustHaves(
        truths=("A user can log in", "says: hello"),
        artifacts=(
            Artifact(
                path="src/a.py", provides="The page", min_lines=30, contains="class Page",
                exports=("make", "show"),
            ),
        ),
        key_links=(KeyLink(source="src/a.py", target="src/b.py", via="import", pattern="import.*b"),),
    )  # fmt: skip
    assert plan.user_setup == (
        Setup(
            service="stripe",
            why="Payments",
            steps=(
                "env vars: STRIPE_KEY (Dashboard)",
                "dashboard config: Make a webhook (Developers)",
            ),
        ),
    )


def test_other_shapes_of_the_wild_are_read_too():
    assert goals.must_haves(["a", {"b": "c"}]).truths == ("a", "b: c")
    assert goals.must_haves("it works").truths == ("it works",)
    assert goals.must_haves({"artifacts": "src/a.py"}).artifacts == (Artifact(path="src/a.py"),)
    assert goals.must_haves({"other": "x"}).truths == ("other: x",)
    assert goals.must_haves("[]") == MustHaves()
    assert goals.requirements("R-1, R-2") == ("R-1", "R-2")
    assert goals.user_setup(["make a key"]) == (Setup(service="make a key"),)


SCALARS = st.text("abc: []{}~-1", max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3)
)


@given(VALUES)
def test_no_value_breaks_it(value: Any):
    goals.must_haves(value)
    goals.must_haves({"truths": value, "artifacts": value, "key_links": value})
    goals.requirements(value)
    goals.user_setup(value)


def test_over_the_corpus_every_promise_of_the_frontmatter_is_kept(shared: Path):
    folder = shared / "data" / "plans"
    truths = artifacts = 0
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        data = (folder / entry["repo"].replace("/", "__") / entry["path"]).read_bytes()
        plan = read(data, "p", id=PlanId("p"), max_bytes=2_000_000, max_tasks=500).plan
        if plan is None or not isinstance(given := plan.frontmatter.get("must_haves"), dict):
            continue
        for name, found in (
            ("truths", plan.must_haves.truths),
            ("artifacts", plan.must_haves.artifacts),
        ):
            listed = given.get(name)
            if isinstance(listed, list):
                assert len(found) >= len(listed), (entry["path"], name)
        truths += len(plan.must_haves.truths)
        artifacts += len(plan.must_haves.artifacts)
        assert all(one.path for one in plan.must_haves.artifacts), entry["path"]
    assert truths > 5000
    assert artifacts > 2500
