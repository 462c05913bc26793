"""No two megabytes make the reader slow: each of these was quadratic for some way of searching."""

from __future__ import annotations

import time

import pytest

from tests.reader.plans import read_plan

SIZE = 1_900_000
OPEN = "<tasks>\n<task>\n<name>n</name>\n"


def fill(text: str, size: int = SIZE) -> str:
    return text * (size // len(text))


HOSTILE = {
    "task openers": fill("<task\n"),
    "unclosed elements outside": fill("<a>\n"),
    "unclosed elements in a task": OPEN + fill("<a>\n"),
    "pairs on one line": OPEN + fill("<a></a>"),
    "closers that do not close": OPEN + fill("<note></note> x\n"),
    "closers behind the task": OPEN
    + fill("<x>\n", SIZE // 2)
    + "</task>\n</x>"
    + fill(" ", SIZE // 2)
    + "y",
    "hidden tasks": fill("<a>\n", SIZE // 3)
    + "```\n"
    + fill("<task>\n", SIZE // 3)
    + "```\n<task>\n</a>\n",
    "comments": OPEN + fill("<!--\n"),
    "blank lines": OPEN + "<verify>" + fill("\n") + "</verify>",
    "checks": OPEN
    + "<action>x</action><verify>"
    + fill("<automated></automated>\n")
    + "</verify></task></tasks>",
    "notes in files": OPEN + "<files>" + fill("( ") + "</files>",
    "spaces in files": OPEN + "<files>a" + fill(" ") + "b</files>",
    "backticks": OPEN + "<verify>" + fill("`") + "</verify>",
    "line closers": OPEN + fill("</action>\n"),
    "words between tasks": "<tasks>\n" + fill("<tsk>\n"),
    "headings": fill("## Task 1\n"),
    "headings of one task": "## Task 1\n" + fill("### x\n"),
    "labels": "## Task 1\n" + fill("**Files:**\n"),
    "open elements in Markdown": "## Task 1\n" + fill("<verify>\n"),
    "features": fill("<feature>\n<name>x</name>\n</feature>\n"),
    "open elements in a feature": "<feature>\n" + fill("<action>\n") + "</feature>",
    "open tags on one line between tasks": "<tasks>\n" + fill("<a>") + "<task></a>",
    "misspelt tasks on one line": "<tasks>\n" + fill("<tsk><name>x</name></tsk>"),
    "misspelt elements": OPEN + "".join(f"<v{i:x}rify>\n" for i in range(60_000)),
    "misspelt checks": OPEN + "<verify>\n" + "".join(f"<a{i:x}>\n" for i in range(60_000)),
    "closers in the text": "<tasks>\n"
    + fill("<task>\n<action>\nx </action> y\n</action>\n</task>\n"),
    "files with spaces": OPEN + "<files>" + fill("a/b ") + "</files></task>",
    "unclosed bracket": "---\na: [\n" + fill("b: 1\n") + "---\n",
    "yaml keys": "---\n" + "".join(f"k{i}: 1\n" for i in range(150_000)) + "---\n",
    "bad yaml": '---\na: "\\."\n' + fill("x y\n") + "---\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_two_hostile_megabytes_are_read_in_seconds(name: str) -> None:
    begin = time.process_time()
    reading = read_plan(HOSTILE[name])
    assert reading.plan is not None or reading.errors
    # About one second on the machine this was written on; quadratic ones took minutes.
    assert time.process_time() - begin < 10
