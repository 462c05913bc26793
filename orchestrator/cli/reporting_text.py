"""A report as rows for people. Refuses to compute: every figure stands in the document, with its n."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestrator.cli.terminal import UNKNOWN, columns, counted, duration, plain, tokens

Found = Mapping[str, Any]


def lines(kind: str, found: Found) -> Iterator[str]:
    yield from _head(found)
    if not found["tasks"]:
        yield "insufficient evidence: no task of a model is in the ledger for these days"
        return
    yield ""
    yield from {"routing": _routing, "cost": _cost, "models": _models, "validate": _validate}[kind](
        found
    )


def _head(found: Found) -> Iterator[str]:
    tasks, attempts = counted(found["tasks"], "task"), counted(found["attempts"], "attempt")
    days = found["window_days"]
    yield f"{tasks} of models, {attempts}, in the last {counted(days, 'day')}"
    told = {
        "retroactive": "imported",
        "scripts": "of scripts",
        "blameless": "ended by limits, outages or people (held against no model)",
    }
    left = [f"{n} {told[name]}" for name, n in found["left_out"].items() if n]
    if found["damaged_lines"]:
        left.append(f"{found['damaged_lines']} damaged (orchestrator ledger check)")
    if left:
        yield f"not counted as evidence: {', '.join(left)}"


def _routing(found: Found) -> Iterator[str]:
    yield f"ended well: {_rate(found['success'])}"
    yield f"went on to a stronger model: {_rate(found['escalated'])}"
    if found["confidence"]:
        yield f"routing was sure: {_mean(found['confidence'], _percent)}"
    yield from _section("success by model, of attempts", _model_rows(found["models"]))
    rows = [
        (one["strategy"], _rate(one["success"]), f"sure {_percent(one['confidence'])}")
        for one in found["strategies"]
    ]
    yield from _section("what decided where tasks began", rows)
    yield from _savings(found["savings"])
    yield from _opportunities(found["opportunities"])
    drawn = found["experiments"]["drawn"]
    latest = [_experiment(one) for one in found["experiments"]["latest"]]
    yield from _section(f"latest decisions ({drawn} of all were drawn to learn from)", latest)


def _cost(found: Found) -> Iterator[str]:
    yield f"spent: {_spent(found['spent'])}"
    yield f"on failed attempts: {_spent(found['failed_attempts'])}"
    yield f"on stronger models than a task began with: {_spent(found['above_the_first_tier'])}"
    if found["per_task"]:
        yield f"a task: {_mean(found['per_task'], dollars)}"
    if found["per_success_usd"] is not None:
        yield f"a task that ended well: {dollars(found['per_success_usd'])}"
    basis = ", ".join(f"{n} {name}" for name, n in found["basis"].items())
    yield f"how costs are known, by attempts: {basis}"
    for title, name in (("by model", "by_model"), ("by kind of task", "by_kind")):
        rows = [(plain(key, 40), _spent(one)) for key, one in found[name].items()]
        yield from _section(title, rows)
    rows = [
        (f"{int(n):,} tasks", f"{dollars(one['mean'])} ({_span(one, dollars)})")
        for n, one in found["projected"].items()
    ]
    yield from _section("so many tasks like these", rows)
    yield from _savings(found["savings"])


def _models(found: Found) -> Iterator[str]:
    for one in found["models"]:
        yield f"{plain(one['model'], 60)} ({', '.join(one['tiers']) or 'no tier'})"
        yield f"  success {_rate(one['success'])}, {one['partial']} partial"
        for name, shown in (("cost_usd", dollars), ("tokens", _tokens), ("duration_s", duration)):
            if one[name]:
                yield f"  {name.partition('_')[0]} {_mean(one[name], shown)}"
        for level, rate in one["by_complexity"].items():
            yield f"  complexity {level}: {_rate(rate)}"
    yield from calibration(found["calibration"])


def _validate(found: Found) -> Iterator[str]:
    yield f"{found['status']}"
    yield ""
    rows = []
    for one in found["criteria"]:
        shown = "no figure yet"
        if one["value"] is not None:
            shown = f"{_percent(one['value'])} ({_span(one, _percent)})"
        wanted = f"wanted: {one['wanted']}"
        rows.append((one["name"], one["status"], f"{shown}, n {one['n']}", wanted))
    yield from columns(rows)
    yield ""
    yield f"with fewer than {found['criteria'][0]['least_n']} nothing is called met; intervals are 95%"
    yield from _savings(found["savings"])


def calibration(found: Found) -> Iterator[str]:
    rows = [
        (
            plain(kind, 40),
            ", ".join(f"{name} {one['ratio']:.2f} (n {one['n']})" for name, one in told.items()),
        )
        for kind, told in found.items()
    ]
    yield from _section("what was used over what was estimated", rows)


# --- parts ----------------------------------------------------------------------------------------


def _section(title: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    given = list(rows)
    if given:
        yield ""
        yield f"{title}:"
        yield from (f"  {row}" for row in columns(given))


def _model_rows(models: Iterable[Found]) -> Iterator[tuple[str, ...]]:
    for one in models:
        cost = _mean(one["cost_usd"], dollars) if one["cost_usd"] else f"cost {UNKNOWN}"
        yield plain(one["model"], 40), _rate(one["success"]), cost


def _savings(found: Found) -> Iterator[str]:
    yield ""
    if found["missing"]:
        yield f"saved against always {found['against']}: {found['missing']}"
        return
    interval = f"{dollars(found['low_usd'])} to {dollars(found['high_usd'])}"
    yield (
        f"saved against always {found['against']}: {dollars(found['saved_usd'])} of "
        f"{dollars(found['other_usd'])}, {_percent(found['share'])} (95%: {interval}, "
        f"{_percent(found['low_share'])} to {_percent(found['high_share'])})"
    )
    yield f"  compared with {found['statement']}"
    if found["tasks_of_unknown_cost"]:
        yield f"  {counted(found['tasks_of_unknown_cost'], 'task')} of unknown cost left out"


def _opportunities(found: Iterable[Found]) -> Iterator[str]:
    rows = [
        (
            f"complexity {one['complexity']}",
            f"{one['tier']} would do (sure {_percent(one['confidence'])})",
            plain(one["reason"], 100),
        )
        for one in found
    ]
    yield from _section("opportunities", rows or [("insufficient evidence for any",)])


def _experiment(one: Found) -> tuple[str, ...]:
    return (
        plain(one["id"], 50),
        one["model"],
        f"{one['strategy'] or UNKNOWN} {_percent(one['confidence'])}",
        one["outcome"] or "no result",
        dollars(one["cost_usd"]),
    )


def _rate(found: Found) -> str:
    if not found["n"]:
        return "no task yet"
    return f"{_percent(found['rate'])} of {found['n']} (95%: {_span(found, _percent, '')})"


def _mean(found: Found, shown: Any) -> str:
    return f"{shown(found['mean'])} in the mean of {found['n']} ({_span(found, shown)})"


def _span(found: Found, shown: Any, prefix: str = "95%: ") -> str:
    return f"{prefix}{shown(found['low'])} to {shown(found['high'])}"


def _spent(found: Found) -> str:
    unknown = f", {found['unknown']} of them not known or only in part" if found["unknown"] else ""
    least = "at least " if found["unknown"] else ""
    return f"{least}{dollars(found['usd'])} in {counted(found['attempts'], 'attempt')}{unknown}"


def _tokens(count: float) -> str:
    return tokens(round(count))


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.1%}"


def dollars(usd: float | None) -> str:
    """With as many digits as it takes to divide by it (C-04)."""
    if usd is None:
        return UNKNOWN
    sign, size = "-" if usd < 0 else "", abs(usd)
    return f"{sign}${size:,.2f}" if size >= 1 or not size else f"{sign}${size:.3g}"
