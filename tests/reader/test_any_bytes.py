"""Any bytes give a plan or a located error; a well-formed plan gives back exactly what was put in."""

from __future__ import annotations

import re
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model import Severity
from orchestrator.reader import Reading, frontmatter
from orchestrator.reader.source import Source, decode, encode
from tests.reader.plans import read_plan

FRAGMENTS = """---|phase: 1|depends_on: [1]|a: "\\.|<tasks>|</tasks>|<task>|</task>|<task type="auto">|<task type="a" type="b">
<task type=auto>|<task a="|<name>|</name>|<name>n</name>|<action>|</action>|<action>x</action>|<verify>|</verify>|<automated>
</automated>|<automated>ls</automated>|<done>d</done>|<files>|</files>|<options>|<option id="a">|</option>|</options>|<metrics>
</metrics>|<estimated-tokens>5</estimated-tokens>|<context>|</context>|```|```xml|~~~|<!--|-->|<!DOCTYPE x>|<![CDATA[|]]>|&amp;
a && b < c|<div>|</div>|<T>|`<task>`|- [ ] **T01: x**|## Task 1|<feature>|text|</task></tasks>|<task\n|>|"|\ufeff|\u00a0|\r""".replace(
    "\n", "|"
).split("|")
BREAKS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\n  ", "\n\n", " ", ""])
PIECES = st.lists(st.tuples(st.sampled_from(FRAGMENTS), BREAKS), max_size=30)
BROKEN = PIECES.map(lambda pieces: "".join(part for piece in pieces for part in piece).encode())


def check(data: bytes) -> Reading:
    reading = read_plan(data)
    lines = reading.text.split("\n")
    for d in reading.diagnostics:
        assert 1 <= d.line <= len(lines)
        assert 1 <= d.column <= len(lines[d.line - 1]) + 1
        assert d.message
    assert reading.plan is not None or reading.errors
    assert all(d.severity is Severity.ERROR for d in reading.errors)
    if reading.plan is not None:
        assert len(reading.plan.tasks) == reading.tasks > 0
        assert openers(reading) <= {t.position.line for t in reading.plan.tasks} | {
            d.line for d in reading.diagnostics
        }
    return reading


def openers(reading: Reading) -> set[int]:
    """The lines that begin with an open tag of a task, behind the frontmatter."""
    start = frontmatter.read(Source(reading.text, "")).end
    tags = re.finditer(r"^\ufeff?[ \t]*<task[\s>]", reading.text, re.M)
    return {reading.text.count("\n", 0, m.end() - 1) + 1 for m in tags if m.start() >= start}


@given(st.binary(max_size=400))
def test_any_bytes_give_a_plan_or_a_located_error(data: bytes) -> None:
    check(data)


@given(BROKEN)
@settings(max_examples=400)
def test_any_heap_of_fragments_gives_a_plan_or_a_located_error(data: bytes) -> None:
    check(data)


@given(BROKEN, BROKEN)
@settings(max_examples=200)
def test_a_sound_plan_amid_fragments_is_never_silently_lost(before: bytes, after: bytes) -> None:
    marker = b"<tasks>\n<task>\n<name>the one</name>\n<action>x</action>\n</task>\n</tasks>"
    reading = check(before + b"\n\n" + marker + b"\n\n" + after)
    names = [task.name for task in reading.plan.tasks] if reading.plan else []
    assert "the one" in names or reading.diagnostics


def is_inert(text: str) -> bool:
    """Whether a text cannot be taken for structure: our own words, and no line that is a fence."""
    return not any(mark in text for mark in ("</", "```", "~~~", "<task", "<!--"))


WORDS = st.text(
    string.printable.replace("\x0b", "").replace("\x0c", "") + "äß\u2014🙂", max_size=60
)
TEXT = st.one_of(
    WORDS,
    st.lists(
        st.sampled_from(
            ["a && b", "x < y", "<T>", "Map<K,V>", "&amp;", "&nbsp;", "]]>", "\r\n", "\n"]
        )
    ).map(" ".join),
).filter(is_inert)
NONBLANK = TEXT.filter(lambda text: bool(text.strip()))
TASKS = st.lists(st.tuples(NONBLANK, NONBLANK, TEXT), min_size=1, max_size=4)


@given(TASKS)
@settings(max_examples=200)
def test_a_well_formed_plan_gives_back_its_texts_exactly(tasks: list[tuple[str, str, str]]) -> None:
    body = "\n".join(
        f"<task>\n  <name>{name}</name>\n  <action>{action}</action>\n  <verify>{verify}</verify>\n</task>"
        for name, action, verify in tasks
    )
    reading = check(f"<tasks>\n{body}\n</tasks>\n".encode())
    assert reading.errors == ()
    assert reading.plan is not None
    assert [(t.name, t.action, t.verify) for t in reading.plan.tasks] == tasks


@given(st.binary(max_size=300))
def test_what_was_decoded_is_encoded_to_the_same_bytes(data: bytes) -> None:
    text, foreign = decode(data)
    assert encode(text, foreign=foreign is not None) == data
