"""`python -m orchestrator.intelligence.dashboard`: what the records say, in a terminal; refuses to print a figure that was not measured."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from math import isnan
from typing import Any

from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.intelligence.analytics import (
    INSUFFICIENT,
    ROLES,
    ModelPerformance,
    PerformanceAnalytics,
    Ranked,
    Role,
)
from orchestrator.intelligence.monitoring import (
    compare_models,
    find_anomalies,
    find_degradations,
)
from orchestrator.intelligence.performance_tracker import PerformanceTracker
from orchestrator.intelligence.records import TaskRisk

USAGE = """usage: python -m orchestrator.intelligence.dashboard COMMAND
  summary               what all tasks came to
  optimize              where a cheaper model would do
  rankings AREA RISK    models for one kind of task; RISK is low, medium or high
  model ID              one model"""
MOST_ODD = 5  # tasks far out of line, the newest
MEDALS = ("🥇", "🥈", "🥉")
UNKNOWN = "unknown"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
Lines = Iterator[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; 64 for words that it does not know."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        lines = list(show(words, PerformanceAnalytics(PerformanceTracker())))
    except OrchestratorError as error:
        _say(sys.stderr, [f"error: {error}"])
        return error.exit_code
    _say(sys.stdout, lines)
    return 0


def show(words: Sequence[str], analytics: PerformanceAnalytics) -> Lines:
    """UsageError for words that it does not know."""
    match words:
        case ["-h" | "--help"]:
            return iter(USAGE.splitlines())
        case ["summary"]:
            return summary(analytics)
        case ["optimize"]:
            return optimize(analytics)
        case ["rankings", area, risk] if risk in list(TaskRisk):
            return rankings(analytics, area, risk)
        case ["model", model]:
            return one_model(analytics, model)
    raise UsageError(f"{' '.join(words) or 'no command'}: is none of these\n{USAGE}")


def _say(stream: Any, lines: Sequence[str]) -> None:
    """A terminal without these signs, or one that has gone, ends nothing."""
    encoding = stream.encoding or "utf-8"
    text = "".join(f"{line}\n" for line in lines).encode(encoding, "replace").decode(encoding)
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


# --- the four pages -------------------------------------------------------------------------------


def summary(analytics: PerformanceAnalytics) -> Lines:
    """The four counts add up to the total."""
    stats = analytics.tracker.get_statistics()
    total = stats["total_tasks"]
    yield "📊 ORCHESTRATOR PERFORMANCE SUMMARY"
    yield f"Total Tasks: {total}"
    for sign, name in (
        ("✅", "successful"),
        ("❌", "failed"),
        ("🟡", "partial"),
        ("⛔", "blocked"),
    ):
        of = f" ({stats[name] / total:.1%})" if total else ""
        yield f"  {sign} {name.capitalize()}: {stats[name]}{of}"
    yield f"Success rate: {_rate(stats)}"
    if stats["imported"]:
        yield f"Imported, not counted: {stats['imported']}"
    yield "💰 Cost Metrics:"
    yield f"  Total Cost: ${stats['total_cost']:.2f}{_missing(stats)}"
    yield f"  Average Cost: {_money(stats['avg_cost'])} per task"
    yield from _providers(analytics)
    for fall in find_degradations(analytics.tracker.get_all_records()):
        yield f"⚠️ {_clean(fall.model_id)} got worse: {fall.before.told()}, then {fall.lately.told()}"
    yield from _out_of_line(analytics)


def _out_of_line(analytics: PerformanceAnalytics) -> Lines:
    found = find_anomalies(analytics.records())
    if found:
        yield f"⚠️ Far out of line: {len(found)}, the newest of them:"
        yield from _window(analytics)
    for odd in found[-MOST_ODD:]:
        shown = _money if odd.measure == "cost" else "{:.1f}s".format
        model = _clean(odd.record.implementer_model or UNKNOWN)
        usual = f"{odd.measure} {shown(odd.value)}, of {model} mostly {shown(odd.usual)}"
        yield f"  {_clean(odd.record.record_id)}: {usual}"


def _rate(stats: Mapping[str, Any]) -> str:
    if isnan(stats["success_rate"]):
        return INSUFFICIENT
    low, high = stats["success_interval"]
    words = f"{stats['success_rate']:.1%} of {stats['counted']} (95%: {low:.1%} to {high:.1%})"
    return f"{words}, blocked ones not counted" if stats["blocked"] else words


def _missing(stats: Mapping[str, Any]) -> str:
    number = stats["attempts_of_unknown_cost"]
    return f" (without {number} attempts of unknown cost)" if number else ""


def _providers(analytics: PerformanceAnalytics) -> Lines:
    found = analytics.get_provider_comparison()
    if found:
        yield "🏢 Providers (attempts):"
        yield from _window(analytics)
    for name, one in found.items():
        low, high = one["success_interval"]
        yield (
            f"  {_clean(name)}: {one['success_rate']:.1%} of {one['total_tasks']} "
            f"(95%: {low:.1%} to {high:.1%}), {_money(one['avg_cost'])} on average"
        )


def optimize(analytics: PerformanceAnalytics) -> Lines:
    """What may be tried, dearest first."""
    yield "💡 OPTIMIZATION OPPORTUNITIES"
    yield from _window(analytics)
    found = analytics.identify_optimization_opportunities()
    for number, one in enumerate(found, start=1):
        yield f"#{number} {_title(one['task_area'], one['task_risk'])} ({one['role']})"
        yield f"  Current: {_choice(one, 'current')}"
        yield f"  Recommended: {_choice(one, 'new')}"
        yield f"  💰 Savings: {_money(one['savings_per_task'])} per task"
        yield f"  No worse by more than {analytics.config.margin:.0%}: {one['confidence']:.0%} sure"
    if not found:
        least = analytics.tracker.settings.analytics.optimization_threshold
        yield f"{INSUFFICIENT}: no model is known to do as well for {_money(least)} less a task"


def _choice(one: Mapping[str, Any], which: str) -> str:
    model = one["current_model" if which == "current" else "recommended_model"]
    low, high = one[f"{which}_interval"]
    return (
        f"{_clean(model)} ({_money(one[f'{which}_cost'])}, {one[f'{which}_success_rate']:.1%} "
        f"of {one[f'{which}_tasks']}, 95%: {low:.1%} to {high:.1%})"
    )


def rankings(analytics: PerformanceAnalytics, area: str, risk: str) -> Lines:
    """Both roles by success rate; those with too few tasks have no medal."""
    yield f"📈 MODEL RANKINGS: {_title(area, risk)}"
    yield from _window(analytics)
    for role in ROLES:
        yield f"{role.upper()} MODELS (by success rate):"
        yield from _ranked(analytics, area, risk, role)
    pattern = analytics.analyze_task_pattern(area, risk)
    if pattern and pattern.common_errors:
        errors = (f"{_clean(name)} ({number})" for name, number in pattern.common_errors)
        yield f"Common errors: {', '.join(errors)}"


def _ranked(analytics: PerformanceAnalytics, area: str, risk: str, role: Role) -> Lines:
    ranked = analytics.rank_models_for_task(area, risk, role)
    for place, one in enumerate(ranked):
        medal = MEDALS[place] if one.sufficient and place < len(MEDALS) else "  "
        yield f"  {medal} {_place(one)}"
    if not ranked:
        yield f"  {INSUFFICIENT}: no task yet"
    if role == "implementer" and len(ranked) > 1:
        (first, _), (second, _) = ranked[:2]
        here = [
            one for one in analytics.records() if (one.task_area, one.task_risk) == (area, risk)
        ]
        yield f"  The first two: {_clean(compare_models(here, first, second).answer)}"


def _place(one: Ranked) -> str:
    model, rate = one
    low, high = one.tally.interval
    weak = "" if one.sufficient else f", {INSUFFICIENT}"
    cost = _money(one.tally.mean_cost)
    return f"{_clean(model)}: {rate:.1%} of {one.tally.tasks} (95%: {low:.1%} to {high:.1%}{weak}), {cost} on average"


def one_model(analytics: PerformanceAnalytics, model: str) -> Lines:
    """In each role that it had."""
    yield f"🤖 MODEL PERFORMANCE: {_clean(model)}"
    yield from _window(analytics)
    found = [analytics.analyze_model_performance(model, role) for role in ROLES]
    for one in found:
        if one is not None:
            yield from _performance(one)
    if not any(found):
        yield f"{INSUFFICIENT}: no task yet"


def _performance(one: ModelPerformance) -> Lines:
    low, high = one.success_interval
    yield f"AS {one.role.upper()}:"
    yield f"  Tasks: {one.total_tasks} ({one.successful} successful, {one.partial} partial, {one.failed} failed)"
    if one.blocked:
        yield f"  Blocked, not counted: {one.blocked}"
    yield f"  Success rate: {one.success_rate:.1%} (95%: {low:.1%} to {high:.1%})"
    yield f"  Average cost: {_money(one.avg_cost_per_task)} per task (of {one.tasks_of_known_cost})"
    yield f"  Average duration: {UNKNOWN if one.avg_duration is None else f'{one.avg_duration:.1f}s'}"
    yield f"  Average retries: {one.avg_retries:.1f}"
    gates: tuple[tuple[str, Callable[[ModelPerformance], float | None]], ...] = (
        ("Quality gates", lambda each: each.quality_gate_rate),
        ("Code reviews", lambda each: each.code_review_rate),
        ("Plan reviews", lambda each: each.plan_review_rate),
    )
    for name, rate in gates:
        if (passed := rate(one)) is not None:
            yield f"  {name} passed: {passed:.1%}"
    for error, number in one.common_errors:
        yield f"  Error: {_clean(error)} ({number})"


# --- words ----------------------------------------------------------------------------------------


def _title(area: str, risk: str) -> str:
    return f"{_clean(area).upper()} / {risk.upper()}"


def _window(analytics: PerformanceAnalytics) -> Lines:
    """What analytics look at, where that is not everything."""
    if (days := analytics.config.window_days) is not None:
        yield f"  of the last {days} days"


def _money(value: float | None) -> str:
    return UNKNOWN if value is None or isnan(value) else f"${value:.4f}"


def _clean(text: str) -> str:
    """Names are of others: no control characters of theirs reach the terminal."""
    return CONTROL.sub(" ", text)


if __name__ == "__main__":
    sys.exit(main())
