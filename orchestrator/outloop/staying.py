"""Why a task stays with a model although a pattern could be meant: the first reason alone. Refuses to speak of patterns that neither its checks nor its words touch."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.model import Task
from orchestrator.model.outloop import Pattern, PatternStatus, Tool, ToolStatus
from orchestrator.outloop.matching import Words, refuses, score, wants
from orchestrator.outloop.operation import operations

Pair = tuple[Pattern, Tool]
MOST = 5  # words that are named


def why(task: Task, known: Iterable[Pair], said: str, root: str = "") -> str | None:
    """`known`: patterns that have a tool; `said`: by `matching.match`. None: it has nothing to do with any of them."""
    run = {level for one in task.commands for op in operations(one, root) for level in op.levels}
    words = Words.of(task)
    near = [
        (found, pattern.signature in run, pattern, tool)
        for pattern, tool in known
        if (found := score(words, pattern.signature, tool.phrases)) or pattern.signature in run
    ]
    if not near:
        return None
    best, _, pattern, tool = max(near, key=lambda one: (*one[:2], one[2].signature.count(":")))
    if refuses(task):
        return said
    if tool.status is ToolStatus.DISABLED:
        return f"the tool {tool.name} of {pattern.signature} is disabled: {tool.why or 'somebody disabled it'}"
    if pattern.status is not PatternStatus.ACTIVE:
        return f"the pattern {pattern.signature} is {pattern.status}, not active"
    if not best and score(words._replace(done=""), pattern.signature, tool.phrases):
        more = ", ".join(wants(words, pattern.signature, tool.phrases)[:MOST])
        return f"its words say {pattern.signature}, but its <done> wants more than that: {more}"
    if not best:
        return f"its check runs {pattern.signature}, and its words ask for more than that, or for something else"
    return said


def no_command(pattern: Pattern) -> str:
    verb, *_ = pattern.signature.split(":")
    return f"its words say {pattern.signature}, but none of its checks does nothing but {verb}"
