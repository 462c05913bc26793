"""A report as rows for people. Refuses to compute: every figure stands in the document, with its n."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import indent
from typing import Any, NamedTuple

from orchestrator.views.text import (
    UNKNOWN,
    columns,
    counted,
    dollars,
    duration,
    fitted,
    plain,
    tokens,
)

Found = Mapping[str, Any]


class Rows(NamedTuple):
    """A table, which whoever shows it fits to its screen."""

    cells: tuple[tuple[str, ...], ...]
    indent: int = 0
    names: tuple[int, ...] = (0,)  # the columns that may be cut
    less: tuple[int, ...] = ()  # those that are left out instead, in their order


Lines = Iterator[str | Rows]


def shown(given: Iterable[str | Rows], width: int | None) -> Iterator[str]:
    """`width` None: nothing is cut."""
    for one in given:
        if isinstance(one, str):
            yield one
        else:
            left = None if width is None else width - one.indent
            fit = (
                fitted(one.cells, left, name=one.names[0], less=one.less)
                if one.less
                else columns(one.cells, width=left, names=one.names)
            )
            yield from (indent(row, " " * one.indent) for row in fit)


def lines(kind: str, found: Found) -> Lines:
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


def _routing(found: Found) -> Lines:
    yield f"ended well: {_rate(found['success'])}"
    yield f"went on to a stronger model: {_rate(found['escalated'])}"
    if found["confidence"]:
        yield f"routing was sure: {_mean(found['confidence'], _percent)}"
    yield from _section("success by model, of attempts", _model_rows(found["models"]))
    yield from _reviews(found["reviews"])
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


def _cost(found: Found) -> Lines:
    yield f"spent: {_spent(found['spent'])}"
    yield f"on failed attempts: {_spent(found['failed_attempts'])}"
    yield f"on stronger models than a task began with: {_spent(found['above_the_first_tier'])}"
    if found["per_task"]:
        yield f"a task: {_mean(found['per_task'], dollars)}{_not_in_it(found)}"
    if found["per_success_usd"] is not None:
        yield f"a task that ended well: {dollars(found['per_success_usd'])}"
    basis = ", ".join(f"{n} {name}" for name, n in found["basis"].items())
    yield f"how costs are known, by attempts: {basis}"
    for title, name in (("by model", "by_model"), ("by kind of task", "by_kind")):
        rows = [(plain(key), _spent(one)) for key, one in found[name].items()]
        yield from _section(title, rows)
    rows = [
        (f"{int(n):,} tasks", f"{_least(one)}{dollars(one['mean'])} ({_span(one, dollars)})")
        for n, one in found["projected"].items()
    ]
    yield from _section("so many tasks like these", rows)
    yield from _savings(found["savings"])


def _models(found: Found) -> Lines:
    for one in found["models"]:
        yield f"{plain(one['model'])} ({', '.join(one['tiers']) or 'no tier'})"
        yield f"  success {_rate(one['success'])}, {one['partial']} partial"
        for name, shown in (("cost_usd", dollars), ("tokens", _tokens), ("duration_s", duration)):
            if one[name]:
                yield f"  {name.partition('_')[0]} {_mean(one[name], shown)}"
        for level, rate in one["by_complexity"].items():
            yield f"  complexity {level}: {_rate(rate)}"
    yield from _reviews(found["reviews"])
    yield from calibration(found["calibration"])


def _validate(found: Found) -> Lines:
    yield f"{found['status']}"
    yield ""
    rows = []
    for one in found["criteria"]:
        shown = "no figure yet"
        if one["value"] is not None:
            shown = f"{_percent(one['value'])} ({_span(one, _percent)})"
        wanted = f"wanted: {one['wanted']}"
        rows.append((one["name"], one["status"], f"{shown}, n {one['n']}", wanted))
    yield Rows(tuple(rows), names=())
    yield from (f"  {one['name']}: {one['note']}" for one in found["criteria"] if one["note"])
    yield ""
    yield f"with fewer than {found['criteria'][0]['least_n']} nothing is called met; intervals are 95%"
    yield from _savings(found["savings"])


def calibration(found: Found) -> Lines:
    rows = [
        (
            plain(kind),
            ", ".join(f"{name} {one['ratio']:.2f} (n {one['n']})" for name, one in told.items()),
        )
        for kind, told in found.items()
    ]
    yield from _section("what was used over what was estimated", rows)


# --- parts ----------------------------------------------------------------------------------------


def _section(title: str, rows: Iterable[tuple[str, ...]]) -> Lines:
    given = tuple(rows)
    if given:
        yield ""
        yield f"{title}:"
        yield Rows(given, 2)


def _model_rows(models: Iterable[Found]) -> Iterator[tuple[str, ...]]:
    for one in models:
        cost = _mean(one["cost_usd"], dollars) if one["cost_usd"] else f"cost {UNKNOWN}"
        yield plain(one["model"]), _rate(one["success"]), cost


def _reviews(found: Iterable[Found]) -> Lines:
    rows = [
        (
            plain(one["model"]),
            f"{one['approved']} of {one['n']} accepted",
            _mean(one["cost_usd"], dollars) if one["cost_usd"] else f"cost {UNKNOWN}",
        )
        for one in found
    ]
    yield from _section("reviews, which are in no figure of the model that worked", rows)


def _savings(found: Found) -> Lines:
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
    yield from (f"  {text}" for text in found["bias"])
    if found["tasks_of_unknown_cost"]:
        yield f"  {counted(found['tasks_of_unknown_cost'], 'task')} of unknown cost left out"


def _opportunities(found: Iterable[Found]) -> Lines:
    rows = [
        (
            f"complexity {one['complexity']}",
            f"{one['tier']} would do (sure {_percent(one['confidence'])})",
            plain(one["reason"]),
        )
        for one in found
    ]
    yield from _section("opportunities", rows or [("insufficient evidence for any",)])


def _experiment(one: Found) -> tuple[str, ...]:
    return (
        plain(one["id"]),
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
    return (
        f"{_least(found)}{shown(found['mean'])} in the mean of {found['n']} ({_span(found, shown)})"
    )


def _span(found: Found, shown: Any, prefix: str = "95%: ") -> str:
    if found["high"] is None:
        return f"{prefix}from {shown(found['low'])} on"
    return f"{prefix}{shown(found['low'])} to {shown(found['high'])}"


def _least(found: Found) -> str:
    return "at least " if found["high"] is None else ""


def _not_in_it(found: Found) -> str:
    unknown = found["tasks_of_unknown_cost"]
    left = f"; {counted(unknown, 'task')} of unknown cost not in it" if unknown else ""
    return (
        "; what is known only in part counts with that part"
        if found["per_task"]["at_least"]
        else ""
    ) + left


def _spent(found: Found) -> str:
    unknown = f", {found['unknown']} of them not known or only in part" if found["unknown"] else ""
    least = "at least " if found["unknown"] else ""
    return f"{least}{dollars(found['usd'])} in {counted(found['attempts'], 'attempt')}{unknown}"


def _tokens(count: float) -> str:
    return tokens(round(count))


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.1%}"
