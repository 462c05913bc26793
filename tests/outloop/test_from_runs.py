"""From runs of an agent to a run without one: five make a candidate, a person approves, the sixth is done by the tool. Real engines."""

from __future__ import annotations

from pathlib import Path

from orchestrator import settings
from orchestrator.model import Attempt, Outcome, Usage
from orchestrator.outloop import analysis, discovery, store
from orchestrator.workers import Report
from tests.engine import runs
from tests.outloop.test_sync import Stepper

TASK = (
    '<task type="auto" context-mode="fresh"><name>Task 1: Run the tests</name><action>Run them.</action>'
    "<verify><automated>python3 -m unittest -q</automated></verify><done>done</done></task>\n"
)
TEST = "import unittest\nclass T(unittest.TestCase):\n    def test_it(self): pass\n"


class Dear(Stepper):
    """Runs the tests for twenty cents. It counts how often it is asked."""

    asked = 0

    async def run(self, attempt: Attempt, report: Report) -> Outcome:
        self.asked += 1
        done = await super().run(attempt, report)
        usage = Usage(input_tokens=900, output_tokens=100, cost_usd=0.2, cost_basis="reported")
        return done.model_copy(update={"usage": usage})


async def play(root: Path, agent: Dear) -> runs.Ran:
    runs.write_plan(root, TASK, head=runs.HEAD)
    return await runs.run(root, workers={"agent": agent})


async def test_five_runs_make_a_candidate_a_person_approves_and_the_sixth_asks_no_model(
    tmp_path: Path,
):
    (tmp_path / "test_it.py").write_text(TEST)
    (tmp_path / ".orchestrator").mkdir()
    (tmp_path / ".orchestrator" / "config.toml").write_text('[run]\nagents = ["agent"]\n')
    agent, chosen = Dear("python3 -m unittest -q"), settings.load(tmp_path)
    for _ in range(4):
        assert (await play(tmp_path, agent)).code == 0
    assert analysis.analyze(tmp_path, chosen).candidates == ()
    await play(tmp_path, agent)
    (found,) = analysis.analyze(tmp_path, chosen).candidates
    assert (found.signature, found.occurrences, found.mean_tokens) == ("test:unittest:all", 5, 1000)
    assert (round(found.confidence), round(found.monthly_usd, 2)) == (75, 1.0)

    await play(tmp_path, agent)
    assert agent.asked == 6, "a candidate is not used"
    with store.writing(tmp_path) as book:
        assert discovery.approve(book, found.signature, "anna").status == "active"
    ran = await play(tmp_path, agent)
    assert (ran.code, agent.asked) == (0, 6)
    (tried,) = ran.history.of(next(iter(ran.history.tasks))).tried
    assert tried.outcome is not None
    assert (tried.route.worker, tried.outcome.usage and tried.outcome.usage.tokens) == ("tool", 0)
    with store.reading(tmp_path) as kept:
        assert kept is not None
        (saving,) = kept.savings()
        assert (saving.tokens, saving.baseline, saving.pattern) == (1000, 6, found.signature)
        assert kept.find(found.signature).occurrences == 6, "what a tool does is no occurrence"
