"""What the tools of a run saved, in a line: with n, and with what was not measured."""

from __future__ import annotations

from orchestrator.model.outloop import Optimization, Saving, ToolCall
from orchestrator.outloop import gained

SIGNATURE = "test:pytest:backend"


def test_a_line_says_what_was_saved_with_n_and_what_was_not_measured():
    def call(name: str, ok: bool = True) -> ToolCall:
        return ToolCall(tool="t", pattern=SIGNATURE, workflow=name, at="2026-09-09", duration_s=1, ok=ok)  # fmt: skip

    def saving(name: str, n: int, usd: float = 0.25) -> Saving:
        return Saving(
            at="2026-09-09", kind=Optimization.PATTERN_OFFLOAD, workflow=name, pattern=SIGNATURE,
            tokens=1200, cost_usd=usd, baseline=n,
        )  # fmt: skip

    assert gained.line([], []) is None
    assert gained.line([call("a", ok=False)], []) is None  # it failed, and a model did it
    unknown = "1 task, as no task of a model that was only this was measured before"
    assert gained.line([call("a")], []) == f"not measured: {unknown}"
    both = [call("a"), call("b"), call("c")]
    told = gained.line(both, [saving("a", 5), saving("b", 7), saving("of another run", 9)])
    assert told == (
        "about 2,400 tokens and $0.50 by 2 tasks, against the mean of n=5 to 7 that a model did; "
        f"not measured: {unknown}"
    )
    free = gained.line([call("a")], [saving("a", 5, usd=0.0)])
    assert free == "about 1,200 tokens by 1 task, against the mean of n=5 that a model did"
