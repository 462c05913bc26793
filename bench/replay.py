"""Real outcomes replayed through the router: what would be saved, at what success, learned online from nothing. `python -m bench.replay [--json] [FILE]`."""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import statistics
import sys
import tomllib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, reduce
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator import complexity, engine, settings
from orchestrator.engine import Experience
from orchestrator.engine.escalation import Trying, drawn, keeper
from orchestrator.model import Position, Route, RunId, Task, TaskId, Tier
from orchestrator.routing import Forecast, ladder
from orchestrator.routing.evidence import PERFECT, Audit, Evidence, Trial, Trust

DATA = Path(__file__).parents[2] / "shared/data/routing/fleet_a.csv.gz"
DEFAULTS = tomllib.loads(settings.shipped().read_text("utf-8"))
SHIPPED = settings.Settings.model_validate({"workers": {}, "prices": {}, **DEFAULTS})
HERE = Position(line=1, column=1)
SHUFFLES, RESAMPLES = 30, 2000
IMPERFECT = Trust(1.0, 0.2, 0.05)
UNSOUND = "Claude 3.7 Sonnet"  # its flags contradict its own headline
MAIN = ("GPT-5 mini", "Claude 4.5 Sonnet", "Claude 4.5 Opus")
# Drawn by chance from all threes in the same order by cost and success: three where the strongest alone is best,
# three for cheap then strong, two for middle then strong, two for the full ladder. Beginnings of names, weakest first.
TRIPLES = (
    ("Llama 4 Maverick", "Kimi K2", "GPT-5.1-codex"),
    ("GLM-4.5", "GPT-5.1 (", "Gemini 3 Pro"),
    ("o4-mini", "Devstral small", "Gemini 3 Pro"),
    ("Devstral small", "GPT-5.1-codex", "Claude 4 Opus"),
    ("gpt-oss-120b", "Qwen3-Coder", "Minimax M2"),
    ("GPT-5 nano", "Gemini 3 Pro", "Claude 4.5 Opus"),
    ("Devstral small", "GPT-5 (", "Claude 4 Opus"),
    ("gpt-oss-120b", "GLM-4.6", "GPT-5 ("),
    ("GPT-5 mini", "GPT-5 (", "Claude 4 Opus"),
    ("GPT-5 nano", "GPT-5 (", "Claude 4.5 Opus"),
)

Order = tuple[int, ...]  # places in the fleet, weakest 0
ENDS_STRONG: tuple[Order, ...] = ((2,), (0, 2), (1, 2), (0, 1, 2))
WORDS = ("cheap", "middle", "strong")


class Result(NamedTuple):
    right: bool
    cost: float
    step: float = 0.0  # what one call to the model cost: how far a cap is overrun


class Fleet(NamedTuple):
    """Models, weakest first, and what each did with each task. `hard`: how many models outside of it failed there."""

    models: tuple[str, ...]
    results: Mapping[str, tuple[Result, ...]]  # by task, in the order of the models
    hard: Mapping[str, float]


Policy = Callable[
    [Fleet, Trust, random.Random], dict[str, Result]
]  # by task: what was kept and paid


# --- reading --------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, dict[str, Result]]:
    """By model, then task; without the one that is known to be wrong."""
    found: dict[str, dict[str, Result]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if not row["model"].startswith(UNSOUND):
                cost = float(row["cost_usd"])
                result = Result(row["resolved"] == "1", cost, cost / max(1, int(row["api_calls"])))
                found.setdefault(row["model"], {})[row["instance"]] = result
    return found


def fleet(results: Mapping[str, Mapping[str, Result]], names: Sequence[str]) -> Fleet:
    """`names` are beginnings of models' names, weakest first; each must fit exactly one."""
    models = []
    for name in names:
        fitting = [model for model in results if model.startswith(name)]
        if len(fitting) != 1:
            sys.exit(
                f"{name!r} fits {len(fitting)} models; there are: {', '.join(sorted(results))}"
            )
        models += fitting
    tasks = sorted(set.intersection(*(set(results[model]) for model in models)))
    others = [results[model] for model in sorted(results) if model not in models]
    return Fleet(
        tuple(models),
        {task: tuple(results[model][task] for model in models) for task in tasks},
        {task: sum(not each[task].right for each in others if task in each) for task in tasks},
    )


def ordered(results: Mapping[str, Mapping[str, Result]]) -> Iterator[tuple[str, str, str]]:
    """Every three models that are in the same order by mean cost and by success."""
    cost = {m: statistics.fmean(each.cost for each in results[m].values()) for m in results}
    success = {m: statistics.fmean(each.right for each in results[m].values()) for m in results}
    for one, two, three in combinations(sorted(results, key=lambda m: (cost[m], success[m])), 3):
        if success[one] <= success[two] <= success[three]:
            yield one, two, three


# --- policies -------------------------------------------------------------------------------------


def accepts(right: bool, trust: Trust, chance: random.Random) -> bool:
    drawn = chance.random()
    return drawn >= trust.rejects_right if right else drawn < trust.accepts_wrong


def climb(order: Order, made: Sequence[Result], trust: Trust, chance: random.Random) -> Result:
    """One try on each rung until the check passes; what the last one made is kept as it is."""
    paid = 0.0
    for place in order:
        paid += made[place].cost
        if accepts(made[place].right, trust, chance):
            break
    return Result(made[place].right, paid)


def fixed(order: Order) -> Policy:
    return lambda one, trust, chance: {
        task: climb(order, made, trust, chance) for task, made in one.results.items()
    }


def by_complexity(one: Fleet, trust: Trust, chance: random.Random) -> dict[str, Result]:
    """A static table whose labels are as good as can be: a third of the tasks each, by what models outside the fleet failed at."""
    ranked = sorted(one.results, key=lambda task: (one.hard[task], task))
    return {
        task: one.results[task][3 * number // len(ranked)] for number, task in enumerate(ranked)
    }


def oracle(one: Fleet, trust: Trust, chance: random.Random) -> dict[str, Result]:
    """The cheapest that gets it right, known before; where none does, the cheapest."""
    return {
        task: min([each for each in made if each.right] or made, key=lambda each: each.cost)
        for task, made in one.results.items()
    }


def learned(
    one: Fleet,
    trust: Trust,
    chance: random.Random,
    *,
    capped: bool = True,
    told: bool = False,
    beside: int = 0,
) -> dict[str, Result]:
    """The product as it is shipped: from an empty ledger, one task after the other, knowing only what its checks said.

    `told`: somebody has amended so many outcomes that it knows how often its checks are wrong. `beside`: so many tasks
    run at once with each, and their outcomes are not known yet. `capped`: clients can stop at a sum.
    """
    run, known = RunId(str(chance.random())), Evidence(audits=amended(trust) if told else {})
    found, ended = {}, deque[list[Trial]]()
    for name in chance.sample(list(one.results), len(one.results)):
        while len(ended) > beside:
            known = reduce(Evidence.learn, ended.popleft(), known)
        tries, done = list[Trial](), one.results[name]
        for route in rungs(one, name, known, run):
            made = done[one.models.index(route.model or "")]
            cap = route.cap_usd if capped and route.cap_usd is not None else made.cost
            stopped = made.cost > cap  # by its client, after the call that crosses it
            if stopped:
                made = Result(False, min(made.cost, cap + made.step))
            passed = not stopped and accepts(made.right, trust, chance)
            after = tuple(each.model for each in tries)
            tries.append(Trial(route.model or "", passed, made.cost, after=after))
            if passed:
                break
        found[name] = Result(made.right, sum(each.cost_usd or 0.0 for each in tries))
        ended.append(tries)
    return found


def rungs(one: Fleet, name: str, known: Evidence, run: RunId) -> list[Route]:
    """What a run does for a task with a check, by the code of runs. One try per model: of no second try is the outcome known."""
    task = Task(
        id=TaskId(name), ordinal=1, position=HERE, name="Do it", commands=("true",), complexity=5
    )
    score, models = complexity.score(task), dict(zip(Tier, one.models, strict=True))
    trying = Trying(drawn(run, task.id), again=False)
    forecasts: dict[Tier | None, Forecast] = {tier: Forecast() for tier in Tier}
    routes = ladder(
        task,
        score,
        worker="bench",
        tiers=tuple(Tier),
        models=models,
        asks_a_model=True,
        provider=str,
        policy=engine.policy(SHIPPED),
        keep=keeper(task, score, Experience(SHIPPED, evidence=known), models, forecasts, trying),
        forecasts=forecasts,
    )
    return [
        route
        for number, route in enumerate(routes)
        if route.model != routes[number - 1].model or not number
    ]


def amended(trust: Trust) -> dict[Audit, int]:
    """What was found of 2000 outcomes: as often wrong as such checks are."""
    wrong, right = round(1000 * trust.accepts_wrong), round(1000 * trust.rejects_right)
    return {
        Audit(1.0, accepted=True, right=False): wrong,
        Audit(1.0, accepted=False, right=False): 1000 - wrong,
        Audit(1.0, accepted=False, right=True): right,
        Audit(1.0, accepted=True, right=True): 1000 - right,
    }


ROUTER = "this router, from an empty ledger"
WITHOUT = "the same without caps"
ROUTERS: Mapping[str, Policy] = {
    ROUTER: learned,
    "the same, five tasks at once": partial(learned, beside=4),
    "the same, told how checks err": partial(learned, told=True),
    WITHOUT: partial(learned, capped=False),
}
POLICIES: Mapping[str, Policy] = {
    "always strong": fixed((2,)),
    "always middle": fixed((1,)),
    "always cheap": fixed((0,)),
    "static table by complexity": by_complexity,
    "full ladder": fixed((0, 1, 2)),
    "cheap then strong": fixed((0, 2)),
    "middle then strong": fixed((1, 2)),
    "cheap then middle, ends below": fixed((0, 1)),
    **ROUTERS,
    "oracle": oracle,
}


# --- figures --------------------------------------------------------------------------------------


class Figures(NamedTuple):
    """Means over shuffles. `d` and its bound in points of success, `regret` in points of the strongest's cost."""

    success: float
    cost: float
    saved: float
    d: float
    d_low: float
    regret: float


def measure(one: Fleet, policy: Policy, trust: Trust, shuffles: int) -> dict[str, Result]:
    """By task: how often it was right and what it cost, over shuffles."""
    right, cost = dict.fromkeys(one.results, 0.0), dict.fromkeys(one.results, 0.0)
    for number in range(shuffles):
        for task, each in policy(one, trust, random.Random(number)).items():
            right[task] += each.right / shuffles
            cost[task] += each.cost / shuffles
    return {task: Result(right[task], cost[task]) for task in one.results}


def lower_bound(differences: Sequence[float]) -> float:
    """One-sided 95%, by a bootstrap over tasks."""
    chance, size = random.Random(0), len(differences)
    means = sorted(sum(chance.choices(differences, k=size)) / size for _ in range(RESAMPLES))
    return means[RESAMPLES // 20]


def compare(
    one: Fleet, trust: Trust, shuffles: int, policies: Mapping[str, Policy]
) -> dict[str, Figures]:
    strong = measure(one, fixed((2,)), PERFECT, 1)
    paid = sum(each.cost for each in strong.values())
    best = min(
        sum(
            each.cost
            for each in measure(one, fixed(order), trust, _enough(trust, shuffles)).values()
        )
        for order in ENDS_STRONG
    )
    found = {}
    for name, policy in policies.items():
        often = shuffles if policy in ROUTERS.values() else _enough(trust, shuffles)
        made = measure(one, policy, trust, often)
        cost = sum(each.cost for each in made.values())
        gaps = [100 * (made[task].right - strong[task].right) for task in strong]
        success = 100 * statistics.fmean(each.right for each in made.values())
        found[name] = Figures(
            success, cost, 100 * (1 - cost / paid), statistics.fmean(gaps), lower_bound(gaps),
            100 * (cost - best) / paid,
        )  # fmt: skip
    return found


def _enough(trust: Trust, shuffles: int) -> int:
    """A fixed plan with a perfect check knows no chance."""
    return 1 if trust is PERFECT else shuffles


def best_plan(one: Fleet) -> Order:
    return min(
        ENDS_STRONG,
        key=lambda order: sum(
            each.cost for each in fixed(order)(one, PERFECT, random.Random(0)).values()
        ),
    )


def study(results: Mapping[str, Mapping[str, Result]], shuffles: int, some: int) -> dict[str, Any]:
    """Everything that is printed. `some`: that many more threes, drawn by chance, in less detail."""
    main = fleet(results, MAIN)
    checks = {"perfect": PERFECT, "20% false accepts, 5% false rejects": IMPERFECT}
    threes = [fleet(results, names) for names in TRIPLES]
    drawn = list(ordered(results))
    drawn = random.Random(1).sample(drawn, min(some, len(drawn)))
    return {
        "main": {name: compare(main, trust, shuffles, POLICIES) for name, trust in checks.items()},
        "triples": [_three(each, shuffles) for each in threes],
        "drawn": [_three(fleet(results, names), max(1, shuffles // 10)) for names in drawn],
    }


def _three(one: Fleet, shuffles: int) -> dict[str, Any]:
    figures = compare(one, PERFECT, shuffles, {ROUTER: learned})[ROUTER]
    without = compare(one, PERFECT, max(1, shuffles // 3), {WITHOUT: ROUTERS[WITHOUT]})[WITHOUT]
    plan = " then ".join(WORDS[place] for place in best_plan(one))
    return {
        "models": one.models,
        "best_plan": plan,
        **figures._asdict(),
        "uncapped_regret": without.regret,
    }


# --- telling --------------------------------------------------------------------------------------


def tell(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{' / '.join(MAIN)}; saved, d and bound against always strong\n"
    for check, figures in found["main"].items():
        yield f"checks: {check}"
        yield f"{'':34}{'success %':>10}{'cost $':>9}{'saved %':>9}{'d':>7}{'d, 95% >=':>11}{'regret':>8}"
        for name, each in figures.items():
            yield (
                f"{name:34}{each.success:10.1f}{each.cost:9.1f}{each.saved:9.1f}{each.d:+7.1f}"
                f"{each.d_low:+11.1f}{each.regret:8.1f}"
            )
        yield ""
    for name in ("triples", "drawn"):
        if found[name]:
            yield from _tell_threes(name, found[name])


def _tell_threes(name: str, threes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    regrets = sorted(each["regret"] for each in threes)
    yield f"{len(threes)} {name}: regret to the best fixed plan that ends at strong, points of always strong's cost"
    without = sorted(each["uncapped_regret"] for each in threes)
    yield f"median {statistics.median(regrets):.1f}, worst {regrets[-1]:.1f}; without caps median {statistics.median(without):.1f}, worst {without[-1]:.1f}"
    for each in threes if name == "triples" else ():
        models = " / ".join(model.partition(" (")[0] for model in each["models"])
        yield f"{each['regret']:6.1f}  saved {each['saved']:5.1f}%  d {each['d_low']:+5.1f} or more  best: {each['best_plan']:26}{models}"
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=DATA)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--shuffles", type=int, default=SHUFFLES)
    parser.add_argument("--drawn", type=int, default=0, metavar="N", help="N more threes by chance")
    given = parser.parse_args()
    if not given.file.is_file():
        sys.exit(f"{given.file} is not there; give the path of a table of outcomes")
    found = study(read(given.file), given.shuffles, given.drawn)
    if given.json:
        told = {k: {n: f._asdict() for n, f in v.items()} for k, v in found["main"].items()}
        print(json.dumps({**found, "main": told}, indent=1))
    else:
        print("\n".join(tell(found)))


if __name__ == "__main__":
    main()
