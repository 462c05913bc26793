"""1,344 plans that nobody here wrote: no crash, no task lost, and the seed's own example."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import PlanId
from orchestrator.reader import Reading, frontmatter, read
from orchestrator.reader.source import Source, decode, encode
from tests.reader.plans import read_plan

Row = tuple[dict[str, Any], Reading]


@pytest.fixture(scope="module")
def corpus(shared: Path) -> list[Row]:
    folder = shared / "data" / "plans"
    rows = []
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        data = (folder / entry["repo"].replace("/", "__") / entry["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        reading = read(data, entry["path"], id=PlanId("x"), max_bytes=2_000_000, max_tasks=500)
        rows.append((entry, reading))
    return rows


def counted(text: str) -> int:
    """How upstream counts the tasks of a plan."""
    tags = re.findall(r"<task[\s>]", text, re.I)
    return len(tags or re.findall(r"##\s*Task\s*\d+", text, re.I))


def validated(text: str) -> int:
    """The tasks that upstream's validator sees; where it sees none, its count of headings."""
    blocks = r"<task(\s[^>]{0,1000})?>((?:(?!<task[\s>])[\s\S])*?)<\/task>"
    return len(re.findall(blocks, text)) or counted(text)


def test_nearly_every_plan_has_no_structure_error(corpus: list[Row]) -> None:
    bad = [
        entry["path"]
        for entry, reading in corpus
        if any(d.code[0] in "SFT" for d in reading.errors)
    ]
    assert len(corpus) == 1344
    assert len(bad) <= 0.005 * len(corpus), bad


def test_every_file_gives_a_plan_or_an_error(corpus: list[Row]) -> None:
    assert all(reading.plan is not None or reading.errors for _, reading in corpus)


def test_every_task_tag_is_a_task_or_a_known_difference(corpus: list[Row]) -> None:
    """The table says for each file why we and the two expressions of upstream differ."""
    known = json.loads(Path(__file__).with_name("corpus_differences.json").read_text())
    different = {
        entry["sha256"][:12]: [reading.tasks, counted(reading.text), validated(reading.text)]
        for entry, reading in corpus
        if {counted(reading.text), validated(reading.text)} != {reading.tasks}
    }
    assert different == {sha: row["counts"] for sha, row in known.items()}


def test_every_task_tag_at_the_start_of_a_line_is_a_task_or_said(corpus: list[Row]) -> None:
    for entry, reading in corpus:
        tags = re.finditer(r"^[ \t]*<task[\s>]", reading.text, re.M)
        lines = {reading.text.count("\n", 0, m.end() - 1) + 1 for m in tags}
        tasks = {task.position.line for task in reading.plan.tasks} if reading.plan else set()
        assert lines <= tasks | {d.line for d in reading.diagnostics}, entry["path"]


def test_raw_texts_are_parts_of_the_file(corpus: list[Row]) -> None:
    for entry, reading in corpus:
        for task in reading.plan.tasks if reading.plan else ():
            assert all(e.text in reading.text for e in task.elements), entry["path"]
            assert reading.errors or "</task>" not in task.name, entry["path"]


def test_files_without_tasks_are_read_by_their_headings_or_refused_by_their_kind(
    corpus: list[Row],
) -> None:
    rest = [reading for entry, reading in corpus if not entry["n_task_tags"]]
    refused = Counter(reading.errors[0].code for reading in rest if reading.errors)
    assert refused == {"K403": 14, "K404": 60}
    assert sum(reading.tasks > 0 for reading in rest) == 32 + 7  # by headings, by features


def test_the_example_of_seed_002_reads_as_seven_tasks(shared: Path) -> None:
    (seed,) = (shared / "seeds").glob("002_*.txt")
    section = seed.read_text().split("### 7.1", 1)[1]
    example = section.split("```markdown\n", 1)[1].split("\n```\n\n---\n", 1)[0]
    reading = read_plan(example + "\n")
    plan = reading.plan
    assert plan is not None
    assert (reading.tasks, reading.diagnostics) == (7, ())
    assert "(<20 lines each)" in plan.tasks[2].action
    assert "<200ms" in plan.tasks[5].verify
    assert [task.depends_on for task in plan.tasks] == [
        (), ("1",), ("1", "2"), ("1", "2", "3"), ("1", "2", "3"), ("1", "2", "3"), ("4", "5", "6")
    ]  # fmt: skip
    assert [task.complexity for task in plan.tasks] == [None, None, None, 3, 6, 7, 4]
    assert [task.label for task in plan.tasks] == list("1234567")
    assert all(task.estimated_tokens and task.estimated_duration_s for task in plan.tasks)


def test_no_key_of_any_frontmatter_is_lost_and_a_round_trip_changes_no_byte(shared: Path) -> None:
    folder = shared / "data" / "plans"
    keys = fallbacks = 0
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        data = (folder / entry["repo"].replace("/", "__") / entry["path"]).read_bytes()
        text, foreign = decode(data)
        assert encode(text, foreign=foreign is not None) == data
        block = re.match(r"---\r?\n([\s\S]+?)\r?\n---", text)
        if block is None:
            continue
        named = re.findall(r"^([A-Za-z_][\w-]*):(?=\s|$)", block[1], re.M)
        source = Source(text, entry["path"])
        found = frontmatter.read(source)
        assert set(named) <= set(found.values), entry["path"]
        assert {name.replace("-", "_") for name in named} <= set(found.places), entry["path"]
        keys += len(named)
        fallbacks += any(one.code == "F202" for one in source.diagnostics)
    assert keys > 10_000
    assert fallbacks == 5
