"""What was found out later about checks (a later check, a person, CI): it moves what their word is worth, and so where tasks start."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator import ledger, settings
from orchestrator.engine.experience import audits, gather
from orchestrator.ledger import Amendment, Entry, Samples, append, read, seal
from orchestrator.ledger.line import Reviewed, Tokens
from orchestrator.ledger.samples import sample
from orchestrator.model import Tier
from orchestrator.routing.beliefs import Beliefs, Candidate
from orchestrator.routing.cascade import Ask, plan_rungs
from orchestrator.routing.evidence import Audit, Evidence, Trial, Trust
from orchestrator.settings import ledger_folder
from tests.ledger.outcomes import NOW, line, stamp

LADDER = (Candidate(Tier.HAIKU, "h", 0.02), Candidate(Tier.OPUS, "o", 0.70))


def told(entry: Entry, outcome: str) -> Amendment:
    return Amendment(
        run_id=entry.run_id,
        task_id=entry.task_id,
        attempt=entry.attempt,
        outcome=outcome,
        by="CI",
        timestamp=stamp(NOW),
    )


def models(trust: Trust) -> tuple[str, ...]:
    trials = [Trial("h", n < 35, 0.02) for n in range(50)]
    trials += [Trial("o", n < 45, 0.70) for n in range(50)]
    trials += [Trial("o", n < 40, 0.70, after=("h",)) for n in range(50)]
    return plan_rungs(LADDER, Beliefs(Evidence.of(trials), LADDER, 5), Ask(trust)).models


def test_a_history_of_false_accepts_forbids_to_begin_with_the_cheap_one():
    """Of forty wrong works the checks had let twenty pass."""
    folder, now = ledger_folder(), datetime.now(UTC)
    passed = [line(number=n, verify_strength=1.0, at=now) for n in range(1, 41)]
    red = {"outcome": "failed", "verify_strength": 0.0, "at": now}
    append(folder, passed + [line(number=n, attempt=2, **red) for n in range(21, 41)])
    fresh = gather(settings.load(Path("/nowhere")))
    assert fresh.trust(1.0).accepts_wrong == 0.05  # nobody looked: what is stated
    assert models(fresh.trust(1.0))[0] == "h"
    append(folder, [told(one, "failed") for one in passed[:20]])
    known = gather(settings.load(Path("/nowhere")))
    assert known.trust(1.0).accepts_wrong == pytest.approx(20.5 / 50)
    assert models(known.trust(1.0))[0] == "o"
    assert known.trust(0.5) == fresh.trust(0.5)  # checks of another strength are others


def test_what_was_confirmed_counts_too_and_what_nobody_looked_at_does_not(tmp_path: Path):
    lines = [line(number=n, verify_strength=1.0) for n in (1, 2, 3)]
    append(tmp_path, [*lines, told(lines[0], "success"), told(lines[1], "failed")])
    assert audits(read(tmp_path)) == {Audit(1.0, True, True): 1, Audit(1.0, True, False): 1}


def test_a_false_reject_is_of_the_check_that_passed_the_same_task(tmp_path: Path):
    red = line(outcome="failed", verify_strength=0.0)
    green = line(attempt=2, verify_strength=1.0)
    alone = line(outcome="failed", number=2, verify_strength=0.0)
    append(tmp_path, [red, green, alone, told(red, "success"), told(alone, "success")])
    assert audits(read(tmp_path)) == {Audit(1.0, False, True): 1}


def test_s1_14_what_a_review_cost_is_not_learned_as_the_workers(tmp_path: Path):
    """By the fast way and by the slow one."""
    nothing = Tokens.model_validate(dict.fromkeys(Tokens.model_fields))
    review = Reviewed(model="o", approved=True, tokens_total=9, cost_usd=0.25, tokens=nothing)
    plain = line(cost=0.05)
    reviewed = seal(line(number=2, cost=0.30).model_copy(update={"review": review}))
    append(tmp_path, [plain, reviewed])
    first, second = Samples(tmp_path, "2020-01-01T00:00:00Z")
    assert (first.cost_usd, second.cost_usd) == (0.05, 0.05)
    assert [sample(one) for one in ledger.read(tmp_path).entries] == [first, second]
    assert b"review" not in (tmp_path / ledger.NAME).read_bytes().splitlines()[0]
