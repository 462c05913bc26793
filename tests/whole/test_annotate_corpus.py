"""Annotating 1,344 real plans: every byte but the additions stays, twice is once, and what a plan means stays."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator import project, settings
from orchestrator.cli import annotate
from orchestrator.reader.source import encode

ADDED = re.compile(
    r'(<task[^>\n]*?)(?: (?:subagent|parallel|depends-on|context-mode|estimated-complexity)="[^"\n]*")+'
)
BLOCK = re.compile(
    r"[ \t]*<metrics>\r?\n[ \t]*<estimated-tokens>[\d.-]+</estimated-tokens>\r?\n"
    r"[ \t]*<estimated-duration>[\d-]+(?:min|s)</estimated-duration>\r?\n[ \t]*</metrics>\r?\n"
)
INLINE = re.compile(
    r"<metrics><estimated-tokens>[\d.-]+</estimated-tokens>"
    r"<estimated-duration>[\d-]+(?:min|s)</estimated-duration></metrics>"
)
SECTION = re.compile(r"<task_dependency_graph>\r?\n(?:.*\n)*?</task_dependency_graph>\r?\n\r?\n")


@pytest.mark.timeout(300)
def test_every_plan_of_the_corpus_keeps_its_bytes_and_its_meaning(
    shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """That the meaning stays and nothing new is said is looked at by the command itself, for every file."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    root = shared / "data" / "plans"
    chosen = settings.load(root)
    counts: Counter[str] = Counter()
    for source in project.sources(root, project.find([root])):
        made = annotate.draft(root, source, chosen, models=False, infer=False)
        counts[made.refused.partition(":")[0] if made.refused and not made.failed else ""] += 1
        counts["changed"] += made.changed
        assert "annotated" not in (made.refused or ""), (source.path, made.refused)
        if not made.changed:
            continue
        text = SECTION.sub("", INLINE.sub("", BLOCK.sub("", ADDED.sub(r"\1", made.new))))
        assert encode(text, foreign=made.foreign) == source.content, source.path
        after = replace(source, content=encode(made.new, foreign=made.foreign))
        again = annotate.draft(root, after, chosen, models=False, infer=False)
        assert again.new == made.new, source.path
    assert counts["changed"] > 1190
    assert counts["its tasks are no <task> elements"] == 41
