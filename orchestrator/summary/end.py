"""The sections that look ahead: what went another way, what is missing and how to go on. It refuses to tick what only a person can."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

from orchestrator.history.spans import duration
from orchestrator.model import CheckResult, Task, TaskState
from orchestrator.model.goals import KeyLink
from orchestrator.summary.account import Account
from orchestrator.summary.opening import unproven
from orchestrator.summary.text import code, fence, listed, plural, prose
from orchestrator.summary.work import green_before, heading, ordinals

ITEM = 400  # characters of one line of the checklist
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+(?:\[[ xX]?\]\s*)?")


def deviations(account: Account) -> Iterator[str]:
    found = [(task, text) for task in account.plan.tasks for text in _warnings(account, task)]
    if not found:
        yield "None - plan executed exactly as written." if account.is_complete else "None."
    for task, text in found:
        yield f"- **Task {task.ordinal}:** {prose(text, ITEM)}"


def _warnings(account: Account, task: Task) -> list[str]:
    """Of every attempt; what stands under Checks is not said again."""
    told: dict[str, None] = {}
    for tried in account.past(task).tried:
        verdict = tried.outcome.verdict if tried.outcome else None
        proven = tuple(f": {command}" for command in green_before(tried))
        warnings = verdict.warnings if verdict else ()
        told |= dict.fromkeys(text for text in warnings if not text.endswith(proven))
    return list(told)


# --- issues ----------------------------------------------------------------------------------------


def issues(account: Account) -> Iterator[str]:
    lines = [
        *_failed(account),
        *_given_back(account),
        *_skipped(account),
        *_unaffordable(account),
        *_waits(account),
        *_plan_checks(account),
    ]
    yield from lines or ["None."]


def _failed(account: Account) -> Iterator[str]:
    for task in account.having(TaskState.FAILED):
        past, last = account.past(task), account.last(task)
        if last is not None and last.failure is not None:
            attempts = plural(len(past.tried), "attempt")
            reason = prose(last.detail.strip().split("\n")[0])
            kept = (
                f"; its work is kept: {code(f'git show {last.work.ref}')}"
                if last.work and last.work.ref
                else ""
            )
            yield f"- {heading(task)} failed after {attempts} ({last.failure}){f': {reason}' if reason else ''}{kept}"
        elif past.answer is not None:
            note = f": {prose(past.answer.note)}" if past.answer.note.strip() else ""
            by = f" by {prose(past.answer.by)}" if past.answer.by else ""
            yield f"- {heading(task)} was rejected{by}{note}"
        else:
            yield f"- {heading(task)} failed; the reason is unknown"


def _given_back(account: Account) -> Iterator[str]:
    """What a tool was to do, and a model has done: somebody may want to look at the tool."""
    for task in account.plan.tasks:
        past, last = account.past(task), account.last(task)
        failed = [
            one for one in past.tried if one.route.tool and one.outcome and not one.outcome.ok
        ]
        if not failed or last is None or not last.ok:
            continue
        said = (failed[-1].outcome.detail if failed[-1].outcome else "").strip().partition("\n")[0]
        tries, reason = plural(len(failed), "attempt"), f": {prose(said)}" if said else ""
        name = failed[-1].route.tool or ""
        why = account.tools_off.get(name)
        off = f". The tool may not work now: {prose(why)}" if why else ""
        yield f"- {heading(task)} went to a model after {tries} of the tool {code(name)}{reason}{off}"


def _skipped(account: Account) -> Iterator[str]:
    for task in account.having(TaskState.SKIPPED):
        causes = [_name(account, one) for one in account.causes(task)]
        why = f"{listed(causes)} failed" if causes else "what it waits for did not succeed"
        yield f"- {heading(task)} skipped: {why}"


def _unaffordable(account: Account) -> Iterator[str]:
    for task in account.having(TaskState.WAITING):
        short = account.history.shortages.get(task.id)
        if short is not None and short.stops:
            yield f"- {heading(task)} did not start (budget): {prose(short.reason, 300)}"


def _name(account: Account, id: str) -> str:
    own = next((task for task in account.plan.tasks if task.id == id), None)
    return f"task {own.ordinal}" if own else f"task {code(id)}"


def _waits(account: Account) -> Iterator[str]:
    """Of the whole run: a closed gate holds back every task behind it."""
    waits: dict[tuple[str, str], list[float]] = {}
    for one in account.history.closings:
        waits.setdefault((one.gate, one.failure), []).append(one.pause_s)
    for (gate, failure), pauses in waits.items():
        times = plural(len(pauses), "time")
        yield f"- {code(gate)} was closed {times} ({failure}), {duration(sum(pauses))} in all; no try was spent"


def _plan_checks(account: Account) -> Iterator[str]:
    told = [("The plan's own check", check) for check in account.plan_checks or ()]
    told += [("On the result the check", check) for check in account.result_checks or ()]
    for what, check in told:
        if check.result is not CheckResult.GREEN:
            yield f"- **{what}** {code(check.command)} is {check.result}"
            if check.output.strip():
                yield from fence(check.output, "  ")


# --- for a person ----------------------------------------------------------------------------------


def checklist(account: Account) -> Iterator[str]:
    plan = account.plan
    told = [*plan.must_haves.truths]
    told += [line for task in plan.tasks for text in task.human_checks for line in _items(text)]
    for tag in ("verification", "success_criteria"):
        told += _items(plan.section(tag))
    told += map(_link, plan.must_haves.key_links)
    shown = dict.fromkeys(filter(None, (prose(line, ITEM) for line in told)))
    rows = [*_artifacts(account), *(f"- [ ] {line}" for line in shown)]
    yield from rows or ["None."]


def _artifacts(account: Account) -> Iterator[str]:
    """Ticked is only what was looked at: the file is there and holds what was promised."""
    for one in account.plan.must_haves.artifacts:
        trouble = account.artifacts.get(one.path, "not looked at")
        provides = f": {prose(one.provides, ITEM)}" if one.provides else ""
        missing = f" ({prose(trouble)})" if trouble else ""
        yield f"- [{' ' if trouble else 'x'}] {code(one.path)}{provides}{missing}"


def _link(link: KeyLink) -> str:
    told = f"{link.source} uses {link.target}" if link.target else link.source
    return f"{told}, via {link.via}" if link.via else told


def setup(account: Account) -> Iterator[str]:
    """What only a person can do: accounts, keys, dashboards."""
    for one in account.plan.user_setup:
        yield f"- **{prose(one.service)}**{f': {prose(one.why, ITEM)}' if one.why else ''}"
        yield from (f"  - [ ] {prose(step, ITEM)}" for step in one.steps)
    if not account.plan.user_setup:
        yield "None - no external service needs a person."


def _items(text: str) -> list[str]:
    """The bullets and paragraphs of Markdown, one line each; no fences, headings and lead-ins."""
    items, fresh = list[str](), True
    for line in _unfenced(text):
        if not line.strip() or line.lstrip().startswith("#"):
            fresh = True
        elif fresh or _BULLET.match(line):
            items.append(_BULLET.sub("", line).strip())
            fresh = False
        else:
            items[-1] += f" {line.strip()}"
    return [item for item in items if not item.endswith(":")]


def _unfenced(text: str) -> Iterator[str]:
    """The lines of `text`; a fence is one empty line."""
    mark = ""
    for line in text.splitlines():
        found = _FENCE.match(line)
        if mark:
            closes = found is not None and found[1].startswith(mark) and not line.strip(" \t`~")
            mark = "" if closes else mark
        elif found:
            mark = found[1]
            yield ""
        else:
            yield line


# --- how to go on ----------------------------------------------------------------------------------


def readiness(account: Account) -> Iterator[str]:
    if account.is_complete:
        yield "Ready: nothing is missing."
        return
    yield "Not ready. What is missing:\n"
    yield from _retries(account)
    yield from _answers(account)
    yield from _rest(account)
    yield from _plan_rest(account)


def _retries(account: Account) -> Iterator[str]:
    failed = account.having(TaskState.FAILED)
    for task in failed:
        yield f"- {heading(task)}: {command('retry', account.run, task.id)}"
    skipped = account.having(TaskState.SKIPPED)
    foreign = [c for t in skipped for c in account.causes(t) if c not in {t.id for t in failed}]
    for cause in dict.fromkeys(foreign):
        if account.graph.plan_of(cause).id != account.plan.id:
            yield f"- Task {code(cause)}: {command('retry', account.run, cause)}"
    if skipped:
        yield f"- {ordinals(skipped)}, skipped: tried again by itself once that is done"


def _answers(account: Account) -> Iterator[str]:
    paused = account.having(TaskState.PAUSED)
    for task in paused:
        options = [
            f"{code(option.id)} {prose(option.name) if option.name != option.id else ''}".strip()
            for option in task.options
        ]
        choice = ["--option", task.options[0].id] if options else []
        yes, no = (
            command("approve", account.run, task.id, *choice),
            command("reject", account.run, task.id),
        )
        which = f" (options: {'; '.join(options)})" if options else ""
        yield f"- {heading(task)} waits for a person: {yes} or {no}{which}{_expires(account, task)}"


def _expires(account: Account, task: Task) -> str:
    expiry = account.past(task).expiry
    if expiry is None:
        return ""
    return f"; it expires on {datetime.fromtimestamp(expiry.at, UTC):%Y-%m-%d %H:%M} UTC"


def _rest(account: Account) -> Iterator[str]:
    waiting = account.having(TaskState.WAITING, TaskState.RUNNING)
    unfinished = f"{ordinals(waiting)}, not done yet" if waiting else ""
    if account.having(TaskState.PAUSED):
        unfinished = f"Then, also for {unfinished.lower()}" if waiting else "Then"
    if unfinished:
        yield f"- {unfinished}: {command('resume', account.run)}"
    if account.not_selected:
        again = command("run", account.plan.path)
        yield f"- {ordinals(account.not_selected)}, not selected for this run: {again}"


def _plan_rest(account: Account) -> Iterator[str]:
    if not account.all_succeeded:
        return
    again, own = command("resume", account.run), account.plan_checks
    if own is None and account.plan.commands:
        yield f"- The plan's own check: {again}"
    elif any(check.result is not CheckResult.GREEN for check in own or ()):
        yield f"- The plan's own check, not green: mend what it names, then {again}"
    else:
        mend = (
            ""
            if account.result_checks is None
            else f", not green: mend it on the branch {code(branch(account))}, then"
        )
        yield f"- The look at the result as a whole{mend or ':'} {again}"


def branch(account: Account) -> str:
    return f"orchestrator/{account.run}"


def command(*words: str) -> str:
    return code(f"orchestrator {shlex.join(words)}")


def self_check(account: Account) -> str:
    if not account.is_complete:
        return "By our own checks only: the plan is not complete; Next Phase Readiness says what is missing."
    weak = unproven(account)
    if not weak:
        return "By our own checks only: every task and the plan itself."
    if len(weak) == len(account.plan.tasks):
        why = (
            "was red before the work" if any(account.judged(task) for task in weak) else "was there"
        )
        return f"No check failed, but none {why}: nothing proves these results."
    return f"By our own checks only; nothing proves {ordinals(weak).lower()}."
