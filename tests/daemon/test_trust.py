"""Trust is in bytes: it survives a crash, a torn line and foreign hands, and never reaches another text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.daemon import trust
from orchestrator.errors import RecordError

A, B = "a" * 64, "b" * 64
FILE = Path(".orchestrator", trust.FILE)


def give(root: Path, sha256: str) -> None:
    trust.trust(root, sha256, "plans/a-PLAN.md", "me", "2026-11-28T00:00:00+00:00")


def test_nobody_is_trusted_before_somebody_says_so(tmp_path: Path):
    assert trust.trusted(tmp_path) == frozenset()
    assert trust.stamp(tmp_path) is None


def test_what_is_trusted_is_the_text_and_who_said_so_stands_beside_it(tmp_path: Path):
    give(tmp_path, A)
    before = trust.stamp(tmp_path)
    give(tmp_path, B)
    assert trust.trusted(tmp_path) == {A, B}
    assert trust.stamp(tmp_path) != before
    first = json.loads((tmp_path / FILE).read_text().splitlines()[0])
    assert (first["sha256"], first["path"], first["by"]) == (A, "plans/a-PLAN.md", "me")
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_word_on_the_cost_is_of_the_text_and_the_last_one_counts(tmp_path: Path):
    assert trust.approved(tmp_path) == {}
    give(tmp_path, A)
    for usd in (9.0, 2.5):
        trust.trust(tmp_path, B, "plans/b-PLAN.md", "me", "2026-11-28T00:00:00+00:00", usd)
    for wrong in ("true", "null", '"9"', "Infinity"):
        with (tmp_path / FILE).open("a") as file:
            file.write(f'{{"sha256": "{A}", "usd": {wrong}}}\n')
    assert trust.approved(tmp_path) == {B: 2.5}
    assert trust.trusted(tmp_path) == {A, B}


@pytest.mark.parametrize("cut", range(0, 60, 5))
def test_a_torn_line_trusts_nothing_and_spoils_no_other(tmp_path: Path, cut: int):
    give(tmp_path, A)
    whole = (tmp_path / FILE).read_bytes()
    give(tmp_path, B)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[: len(whole) + cut])
    assert trust.trusted(tmp_path) == {A}
    give(tmp_path, "c" * 64)
    assert trust.trusted(tmp_path) == {A, "c" * 64}


def test_what_is_no_line_of_ours_trusts_nothing(tmp_path: Path):
    give(tmp_path, A)
    foreign = b'[]\n3\n{"sha": "x"}\n{"sha256": ""}\n\xff\xfe\n\x00\n' + b'{"sha256": null}\n'
    (tmp_path / FILE).write_bytes(foreign + (tmp_path / FILE).read_bytes())
    assert trust.trusted(tmp_path) == {A}


def test_a_file_that_cannot_be_read_is_told_with_its_place(tmp_path: Path):
    (tmp_path / FILE).mkdir(parents=True)
    with pytest.raises(RecordError, match=r"trusted\.jsonl"):
        trust.trusted(tmp_path)
    with pytest.raises(RecordError, match=r"trusted\.jsonl"):
        give(tmp_path, A)
