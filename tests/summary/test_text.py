"""Text of strangers in a Markdown page: shown as it is, and never more than text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from orchestrator.history.spans import duration
from orchestrator.summary.text import (
    HEAD,
    TAIL,
    cell,
    clean,
    code,
    fence,
    one_line,
    prose,
)

READER = MarkdownIt("commonmark").enable("table")
MARKS = (
    "`",
    "```",
    "\n```\n",
    "~~~",
    "|",
    "\\",
    "*",
    "_",
    "<",
    "<a>",
    "<!--",
    ">",
    "#",
    "-",
    "+",
    "=",
)
marks = st.lists(
    st.sampled_from((*MARKS, "~", "[a](b)", "1.", "2)", " ", "a", "\n")), max_size=15
).map("".join)


def shown(line: str) -> str:
    """What a reader sees of one paragraph."""
    tokens = READER.parse(line)
    assert [token.type for token in tokens] in (
        [],
        ["paragraph_open", "inline", "paragraph_close"],
    ), line
    children = (tokens[1].children or []) if tokens else []
    assert {child.type for child in children} <= {"text", "code_inline", "text_special"}, line
    return "".join(child.content for child in children)


@given(marks)
def test_prose_is_one_paragraph_of_text_and_code(text: str):
    def bare(words: str) -> str:  # a code span loses one space at its ends
        return "".join(words.replace("`", "").split())

    assert bare(shown(prose(text))) == bare(one_line(text))
    assert shown(f"so {prose(text)} - {code('end')}").endswith(" - end")


@given(marks)
def test_code_is_one_code_span_with_the_same_words(text: str):
    if not text.strip():
        assert code(text) == "(empty)"
        return
    assert shown(code(text)).replace("⏎", " ").split() == text.split()


@given(marks)
def test_a_fence_holds_everything_that_is_put_in_it(text: str):
    assume(
        len(clean(text).strip("\n").split("\n")) <= HEAD + TAIL
    )  # a longer one is cut in the middle
    tokens = READER.parse("\n".join(["- x", *fence(text, "  "), "- y"]))
    blocks = [token.content for token in tokens if token.type == "fence"]
    assert len(blocks) == 1
    assert blocks[0].split() == clean(text).split()
    assert sum(token.type == "list_item_open" for token in tokens) == 2


@given(marks)
def test_a_cell_stays_one_cell(text: str):
    tokens = READER.parse(f"| a | b |\n| --- | --- |\n| {cell(text)} | end |\n")
    cells = [b.content for a, b in pairwise(tokens) if a.type == "td_open"]
    assert cells[-1] == "end"
    assert len(cells) == 2


def test_long_text_is_cut_and_says_so():
    assert one_line("word " * 100, 12) == "word word w…"
    lines = fence("\n".join(map(str, range(100))), "")
    assert lines[6:8] == ["5", "[... 84 lines ...]"]
    assert lines[-2] == "99"


def test_colours_and_control_characters_go():
    assert clean("\x1b[1;31mred\x1b[0m\r\nnext\x00\ud800") == "red\nnext\ufffd\ufffd"


def test_names_of_files_keep_their_underscores():
    assert (
        shown(prose("__init__.py and *.py in snake_case")) == "__init__.py and *.py in snake_case"
    )
    assert prose("snake_case of `a_b`") == "snake_case of `a_b`"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (0.04, "0s"),
        (1.94, "1.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1min"),
        (725, "12min"),
        (3599, "1h 0min"),
        (7500, "2h 5min"),
    ],
)
def test_durations_read_like_upstreams(seconds: float | None, text: str):
    assert duration(seconds) == text
