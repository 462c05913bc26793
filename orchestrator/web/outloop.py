"""Patterns, tools, savings and the quota over HTTP, and a person's word on the first two. Refuses moves that no pattern may make."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from orchestrator import clock
from orchestrator.errors import UsageError
from orchestrator.intelligence import reporting
from orchestrator.model.outloop import Pattern, PatternStatus, ToolStatus
from orchestrator.outloop import analysis, discovery, forecast, quota, store, toolbox
from orchestrator.outloop.store import Store
from orchestrator.views import saved, tooling
from orchestrator.views.asking import person
from orchestrator.views.text import command
from orchestrator.web import asked, models
from orchestrator.web.acts import Refused
from orchestrator.web.table import Call, Endpoint


async def patterns(call: Call) -> models.Patterns:
    def work() -> models.Patterns:
        with store.reading(call.seen.daemon.root) as book:
            return models.Patterns(patterns=tuple(analysis.current(book)) if book else ())

    return await call.seen.study(work)


async def tools(call: Call) -> models.Tools:
    def work() -> models.Tools:
        with store.reading(call.seen.daemon.root) as book:
            return models.Tools(tools=tuple(map(tooling.document, toolbox.known(book))))

    return await call.seen.study(work)


async def month(call: Call) -> models.Quota:
    def work() -> models.Quota:
        chosen = call.seen.settings.quota
        found = quota.look(call.seen.daemon.root, chosen, clock.wall())
        return models.Quota.model_validate(forecast.document(found, throttles=chosen.throttle))

    return await call.seen.study(work)


async def savings(call: Call) -> models.Savings:
    query: asked.SavingsQuery = call.query

    def work() -> models.Savings:
        since = reporting.since(query.days) if query.days else ""
        with store.reading(call.seen.daemon.root) as book:
            told = saved.report(book, call.seen.settings.patterns.match, query.days, since)
        return models.Savings.model_validate(told)

    return await call.seen.study(work)


# --- a person's word ------------------------------------------------------------------------------


async def approve(call: Call) -> models.Done:
    def work(book: Store, name: str) -> models.Done:
        found = discovery.approve(book, name, person())
        if found.status is PatternStatus.ACTIVE:
            said = f"{found.signature} is approved, and active: {found.tool} does it from now on"
            return models.Done(done=said)
        step = command("patterns", "propose", found.signature)
        said = f"{found.signature} is approved; no tool that is enabled does it yet"
        return models.Done(done=said, next=step)

    return await _of_pattern(call, work)


async def reject(call: Call) -> models.Done:
    sent: asked.NoteSent = call.body

    def work(book: Store, name: str) -> models.Done:
        found = discovery.reject(book, name, person(), sent.note)
        return models.Done(done=f"{found.signature} is rejected: it is suggested no more")

    return await _of_pattern(call, work)


async def deprecate(call: Call) -> models.Done:
    sent: asked.NoteSent = call.body

    def work(book: Store, name: str) -> models.Done:
        was = book.find(name).status
        found = discovery.deprecate(book, name, person(), sent.note)
        return models.Done(done=discovery.ended(found, was))

    return await _of_pattern(call, work)


async def enable(call: Call) -> models.Done:
    def work(book: Store, name: str) -> models.Done:
        again = toolbox.told(toolbox.enable(book, name, person()))
        return models.Done(done=f"{name} is enabled{again}")

    return await _of_tool(call, ToolStatus.ENABLED, work)


async def disable(call: Call) -> models.Done:
    sent: asked.NoteSent = call.body

    def work(book: Store, name: str) -> models.Done:
        again = toolbox.told(toolbox.disable(book, name, sent.note, person()))
        return models.Done(done=f"{name} is disabled{again}")

    return await _of_tool(call, ToolStatus.DISABLED, work)


Work = Callable[[Store, str], models.Done]


async def _of_pattern(call: Call, work: Work) -> models.Done:
    def find(book: Store | None, name: str) -> Pattern:
        if book is None:
            raise UsageError("nothing ran here yet, so there is no pattern")
        return book.find(name)

    return await _change(call, call.given["pattern"], find, work)


async def _of_tool(call: Call, status: ToolStatus, work: Work) -> models.Done:
    def find(book: Store | None, name: str) -> None:
        known = {one.name: one for one in toolbox.known(book)}
        if name not in known:
            raise UsageError(f"there is no tool {name!r}; there are: {', '.join(known)}")
        if known[name].status is status:
            raise Refused(409, f"{name} is {status} already")

    return await _change(call, call.given["tool"], find, work)


async def _change(
    call: Call, name: str, find: Callable[[Store | None, str], object], work: Work
) -> models.Done:
    """404 where there is no such thing, 409 where it stands otherwise. No journal is made for what is not there."""

    def change() -> models.Done:
        root = call.seen.daemon.root
        with store.reading(root) as book:
            find(book, name)
        try:
            with store.writing(root) as books:
                return work(books, name)
        except UsageError as why:
            raise Refused(409, str(why)) from why

    return await call.seen.study(change)


_get = partial(Endpoint, "GET")
_post = partial(Endpoint, "POST", gives=models.Done, refuses=(404, 409))
ENDPOINTS = (
    _get(
        "/api/patterns",
        "list_patterns",
        "Operations that agents do again and again.",
        patterns,
        models.Patterns,
    ),
    _post(
        "/api/patterns/{pattern}/approve",
        "approve_pattern",
        "Let its tool do it from now on, or as soon as there is one.",
        approve,
        body=asked.NothingSent,
    ),
    _post(
        "/api/patterns/{pattern}/reject",
        "reject_pattern",
        "Suggest it no more.",
        reject,
        body=asked.NoteSent,
    ),
    _post(
        "/api/patterns/{pattern}/deprecate",
        "deprecate_pattern",
        "Let a model do it again from now on.",
        deprecate,
        body=asked.NoteSent,
    ),
    _get(
        "/api/tools",
        "list_tools",
        "Scripts that do an operation in place of a model, and how their calls went.",
        tools,
        models.Tools,
    ),
    _post(
        "/api/tools/{tool}/enable",
        "enable_tool",
        "Let a tool work again, with a new record.",
        enable,
        body=asked.NothingSent,
    ),
    _post(
        "/api/tools/{tool}/disable",
        "disable_tool",
        "Keep a tool from working: another one does its operations, else a model.",
        disable,
        body=asked.NoteSent,
    ),
    _get(
        "/api/savings",
        "show_savings",
        "What tools saved, against measured tasks, with n and intervals.",
        savings,
        models.Savings,
        asked.SavingsQuery,
    ),
    _get(
        "/api/quota",
        "show_quota",
        "Whether the month's tokens will last, and how full the windows are that clients told of.",
        month,
        models.Quota,
    ),
)
