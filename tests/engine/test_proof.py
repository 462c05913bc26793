"""What checks prove before they have run, how passes and failures weigh, and what a run itself finds out later of its own work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator import ledger
from orchestrator.engine.escalation import keeper
from orchestrator.engine.experience import Experience, audits, trials
from orchestrator.engine.proof import Strengths, expected_strength
from orchestrator.ledger import Entry, seal
from orchestrator.ledger.line import Reviewed, Tokens
from orchestrator.model import (
    EXPIRY,
    Answer,
    Check,
    CheckResult,
    Score,
    Strategy,
    Task,
    TaskId,
    Tier,
)
from orchestrator.routing import Choice, Forecast
from orchestrator.routing.evidence import Audit, Evidence, Tally
from orchestrator.settings import ledger_folder, load
from tests.build import task
from tests.engine.runs import Watcher, bash, checkpoint, run, write_plan
from tests.ledger.outcomes import IDS, line

COMMAND, PROSE = task(1, commands=("true",)), task(1)
REVIEW = Reviewed(
    model="o",
    approved=False,
    tokens_total=9,
    cost_usd=0.25,
    tokens=Tokens.model_validate(dict.fromkeys(Tokens.model_fields)),
)


def known(tmp_path: Path, *, red_first: bool = True) -> Experience:
    return Experience(load(tmp_path, {"verify": {"red_first": red_first}}))


def seen(result: CheckResult) -> Check:
    return Check(command="true", result=result, exit_code=None, output="", duration_s=0)


def counted(entries: list[Entry]) -> Tally:
    """Of haiku, all of it."""
    tallies = Evidence.of(trials(entries)).tallies.get(IDS["haiku"], {}).values()
    return Tally(*map(sum, zip(*tallies, strict=True))) if tallies else Tally()


def red(number: int, **more: Any) -> Entry:
    return line(outcome="failed", number=number, **{"verify_strength": 0.0, **more})


# --- before it has run ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "red_first", "reviewed", "strength"),
    [
        (COMMAND, True, False, 1.0),
        (COMMAND, False, False, 0.5),
        (COMMAND, False, True, 0.5),
        (PROSE, True, True, 0.5),
        (PROSE, True, False, 0.0),
    ],
)
def test_c_35_what_a_check_will_prove(
    one: Task, red_first: bool, reviewed: bool, strength: float, tmp_path: Path
):
    settings = load(tmp_path, {"verify": {"red_first": red_first}})
    assert expected_strength(one, settings, reviewed) == strength


def test_how_it_stood_before_the_work_tells_more(tmp_path: Path):
    settings = load(tmp_path)
    both = (seen(CheckResult.RED), seen(CheckResult.GREEN))
    assert expected_strength(COMMAND, settings, False, both) == 0.0
    assert expected_strength(COMMAND, settings, True, both) == 0.5
    assert expected_strength(COMMAND, settings, False, [seen(CheckResult.INCONCLUSIVE)]) == 0.5


def first(known: Experience, one: Task, **more: bool) -> Tier | None:
    models = dict(IDS.items())
    costs = {Tier.HAIKU: 0.01, Tier.OPUS: 0.7}
    lines = [line(n_tier, number=n, cost=costs[Tier(n_tier)], run_id=f"{n_tier}{n}")
             for n_tier in ("haiku", "opus") for n in range(60)]  # fmt: skip
    seen = Experience(known.settings, evidence=Evidence.of(trials(lines)))
    forecasts: dict[Tier | None, Forecast] = {
        t: Forecast(9, cost, 9.0) for t, cost in costs.items()
    }
    named = {Tier(tier): model for tier, model in models.items()}
    keep = keeper(one, Score(value=6, reasons=()), seen, named, forecasts, **more)
    return keep(Choice(Tier.OPUS, Strategy.DEFAULT, 0.6, "x"), tuple(Tier)).rungs[0]


def test_prose_that_is_reviewed_may_begin_cheaply_and_prose_alone_may_not(tmp_path: Path):
    assert first(known(tmp_path), COMMAND) is Tier.HAIKU
    assert first(known(tmp_path), PROSE) is Tier.OPUS
    assert first(known(tmp_path), PROSE, reviewed=True) is Tier.HAIKU


# --- passes and failures on one scale -------------------------------------------------------------


def test_ten_of_twenty_by_review_are_ten_of_twenty():
    good = {"verified": "review", "verify_strength": 0.5}
    lines = [line(number=n, **good) for n in range(1, 11)]
    lines += [
        seal(red(n, verified="none").model_copy(update={"review": REVIEW})) for n in range(11, 21)
    ]
    told = counted(lines)
    assert (told.passed, told.samples) == (5.0, 10.0)


def test_eighteen_passes_of_prose_and_two_timeouts_are_no_failures():
    prose = {"verified": "none", "verify_strength": 0.0}
    lines = [line(number=n, **prose) for n in range(1, 19)]
    ended = {"failure": "timeout", "verified": None, "verify_strength": None}
    assert counted([*lines, *(red(n, **ended) for n in (19, 20))]) == Tally()
    assert counted([red(n, check_strength=0.0, **ended) for n in (19, 20)]) == Tally()
    assert counted([red(n, **ended) for n in (19, 20)]).samples == 2.0  # nothing says otherwise


def test_the_strength_of_a_failure_is_that_of_its_tasks_check():
    green = line(attempt=2, verify_strength=0.5)
    own, elsewhere = red(1), red(1, run_id="r2")
    told = red(2, check_strength=0.5)
    alone = red(3, verified=None)
    strengths = Strengths([own, green, elsewhere, told, line(number=4, verify_strength=1.0), alone])
    weights = [strengths.weight(one) for one in (own, elsewhere, told, alone)]
    assert weights == [0.5, 0.5, 0.5, 0.75]  # the last: as passes are on average
    assert strengths.known(alone) is None


def test_what_a_tool_was_proven_by_says_nothing_of_what_a_model_made():
    by_tool = line(number=1, worker="tool", model_version=None, verify_strength=1.0)
    strengths = Strengths([by_tool, line(number=2, verify_strength=0.5)])
    failed = red(1, run_id="r2", verified="command")
    assert strengths.known(failed) is None
    assert strengths.weight(failed) == 0.5  # as passes of models are


def test_a_line_of_a_failure_says_what_its_check_would_have_proved_and_what_was_asked(
    tmp_path: Path,
):
    old = line()
    assert "check_strength" not in old.model_dump()
    ledger.append(tmp_path, [old, red(2, check_strength=0.5)])
    assert [one.check_strength for one in ledger.read(tmp_path).entries] == [None, 0.5]


async def test_a_run_writes_the_strength_of_what_did_not_pass(tmp_path: Path):
    plan = write_plan(tmp_path, bash("Task 1: a", "true", "test -s 1.txt", files="1.txt"))
    ran = await run(tmp_path, plan)
    entries = ledger.read(ledger_folder()).entries
    assert ran.code == 1
    assert {(one.verify_strength, one.check_strength) for one in entries} == {(0.0, 1.0)}


# --- what a run finds out later -------------------------------------------------------------------


def told() -> list[tuple[str, int, str, str]]:
    found = ledger.read(ledger_folder()).amendments
    return [(one.task_id, one.attempt, one.outcome, one.by) for one in found]


ONE = bash("Task 1: a", "echo x > 1.txt", "test -s 1.txt", files="1.txt")
TWO = bash("Task 2: b", "echo x > 2.txt", "test -s 2.txt", files="2.txt")
BROKEN = "<verification>\n```bash\ntest -s missing.txt\n```\n</verification>\n"


async def test_a_plans_red_check_is_a_false_accept_of_its_only_task(tmp_path: Path):
    ran = await run(tmp_path, write_plan(tmp_path, ONE, tail=BROKEN))
    assert ran.code == 1
    assert told() == [("demo-task-1", 1, "failed", "the plan's own check")]
    found = audits(ledger.read(ledger_folder()))
    assert found == {Audit(1.0, accepted=True, right=False): 1}


async def test_of_two_tasks_nobody_knows_whose_it_is(tmp_path: Path):
    ran = await run(tmp_path, write_plan(tmp_path, ONE, TWO, tail=BROKEN))
    assert ran.code == 1
    assert told() == []


async def test_of_two_plans_nobody_knows_whose_it_is(tmp_path: Path):
    first = write_plan(tmp_path, ONE, tail=BROKEN)
    second = write_plan(tmp_path, TWO, name="other", tail=BROKEN)
    ran = await run(tmp_path, first, second)
    assert ran.code == 1
    assert told() == []


@pytest.mark.parametrize(
    ("tasks", "answer", "blamed"),
    [
        ((ONE,), Answer(approved=False, by="anna", via="terminal"), True),
        ((ONE,), Answer(approved=False, by=EXPIRY), False),
        ((ONE,), Answer(approved=True, by="anna", via="terminal"), False),
        ((ONE, TWO), Answer(approved=False, by="anna", via="terminal"), False),
    ],
)
async def test_a_persons_no_behind_one_task_is_of_its_work(
    tasks: tuple[str, ...], answer: Answer, blamed: bool, tmp_path: Path
):
    last = f"demo/{len(tasks) + 1}"
    watcher = Watcher(answers={TaskId(last): answer})
    await run(tmp_path, write_plan(tmp_path, *tasks, checkpoint()), watcher=watcher)
    assert told() == ([("demo-task-1", 1, "failed", "a person")] if blamed else [])


def test_held_work_that_a_person_rejects_was_let_pass_by_its_check(tmp_path: Path):
    rejected = line(outcome="failed", failure="rejected", verify_strength=1.0)
    said = ledger.Amendment(
        run_id="r1", task_id=rejected.task_id, attempt=1, outcome="failed", by="a person",
        timestamp=rejected.timestamp,
    )  # fmt: skip
    ledger.append(tmp_path, [rejected])
    assert audits(ledger.read(tmp_path)) == {}
    ledger.append(tmp_path, [said])
    found = audits(ledger.read(tmp_path))
    assert found == {Audit(1.0, accepted=True, right=False): 1}
