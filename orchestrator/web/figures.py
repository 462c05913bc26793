"""What is known beyond one run: plans that wait, health, reports, estimates, metrics. Refuses to tell more of health than whether it is well to whom has no token."""

from __future__ import annotations

from collections import Counter
from functools import partial

from starlette.responses import Response

from orchestrator import project
from orchestrator.errors import OrchestratorError
from orchestrator.intelligence import exports, reporting
from orchestrator.model import PlanId, Tier
from orchestrator.project import Source
from orchestrator.web import asked, metrics, metrics_outloop, models
from orchestrator.web.acts import Refused
from orchestrator.web.table import Call, Endpoint

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


async def health(call: Call) -> models.Alive:
    found = call.seen.daemon.health()
    return models.Alive(status=found.status, health=found if call.known else None)


async def measured(call: Call) -> Response:
    daemon = call.seen.daemon
    told, waits = daemon.health(), await daemon.waiting()
    text = await call.seen.look(partial(metrics.render, told, waits, call.streams.viewers))
    more = await call.seen.study(partial(metrics_outloop.render, daemon.root, call.seen.settings))
    return Response((text + more).encode(), media_type=PROMETHEUS)


async def plans(call: Call) -> models.Plans:
    waits = await call.seen.daemon.waiting()
    return models.Plans(plans=waits, states=Counter(one.state for one in waits))


async def routing(call: Call) -> models.Routing:
    query: asked.RoutingQuery = call.query
    return await call.seen.study(partial(_routing, call, query))


def _routing(call: Call, query: asked.RoutingQuery) -> models.Routing:
    chosen = call.seen.settings
    days = query.days or chosen.learning.window_days
    entries, _ = reporting.entries(days)
    routed = [one for one in exports.live(entries) if one.model_routed is not None]
    newest = sorted(routed, key=lambda one: one.timestamp, reverse=True)[: query.limit]
    told = reporting.report("routing", chosen, days, Tier(query.against))
    return models.Routing.model_validate(told | {"latest": list(map(exports.experiment, newest))})


async def stats(call: Call) -> models.Stats:
    query: asked.StatsQuery = call.query
    days = query.days or call.seen.settings.learning.window_days
    return models.Stats.model_validate(await call.seen.study(partial(reporting.stats, days)))


async def estimate(call: Call) -> models.Estimate:
    sent: asked.EstimateSent = call.body
    return await call.seen.study(partial(_estimate, call, sent))


def _estimate(call: Call, sent: asked.EstimateSent) -> models.Estimate:
    if (sent.text is None) == (not sent.paths):
        raise Refused(
            422, "an estimate is of `paths` or of the `text` of one plan: send one of them"
        )
    root, foresee = call.seen.daemon.root, call.seen.foresee
    if foresee is None:
        raise Refused(404, "this server was started without what estimates")
    if sent.text is not None:
        sources = [Source(PlanId("plan"), "PLAN.md", sent.text.encode())]
    else:
        try:
            asked_ = [root / one for one in sent.paths]
            project.refuse_outside(root, asked_)  # nobody is told whether it is there
            found = project.find(asked_)
            project.refuse_outside(root, found)
            sources = project.sources(root, found, call.seen.settings.reader.max_bytes)
        except (OrchestratorError, OSError) as why:  # such as a name that is too long
            raise Refused(422, str(why)) from why
    return models.Estimate.model_validate(foresee(root, sources))


_get = partial(Endpoint, "GET")
ENDPOINTS = (
    _get(
        "/api/plans/waiting",
        "list_waiting_plans",
        "The plans of the watched folder that are not done, and why each does not run now.",
        plans,
        models.Plans,
    ),
    _get(
        "/api/routing/experiments",
        "list_experiments",
        "Which model was chosen for what, why, and how it went.",
        routing,
        models.Routing,
        asked.RoutingQuery,
    ),
    _get(
        "/api/ledger/stats",
        "show_ledger_stats",
        "What tasks of each kind have used, and how good estimates were.",
        stats,
        models.Stats,
        asked.StatsQuery,
    ),
    Endpoint(
        "POST",
        "/api/estimate",
        "estimate_plans",
        "What plans will use and when they will be done, as ranges. Nothing is run or written.",
        estimate,
        models.Estimate,
        body=asked.EstimateSent,
        refuses=(404,),
    ),
    _get(
        "/health",
        "show_health",
        "Whether all is well; with a token also why not, and what goes on.",
        health,
        models.Alive,
        is_open=True,
    ),
    _get(
        "/metrics",
        "read_metrics",
        "Figures for Prometheus.",
        measured,
        PROMETHEUS,
    ),
)
