"""A shell script as its commands, by tree-sitter's grammar of bash: what it runs, and whether it can fail at all; it runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

FOREIGN = re.compile("[^\x01-\x7f]")
ALWAYS = frozenset({"true", ":", "echo", "printf"})
# The status of a pipe is that of its last command, and these do not fail for what they read.
FILTERS = frozenset(
    [
        "cat",
        "column",
        "cut",
        "fmt",
        "head",
        "less",
        "more",
        "nl",
        "sort",
        "tail",
        "tee",
        "tr",
        "uniq",
        "wc",
    ]
)


class Command(NamedTuple):
    """One simple command as written; its first word is the program."""

    words: tuple[str, ...]


def is_sound(script: str) -> bool:
    """Whether the grammar reads all of it."""
    return not _tree(script).has_error


def commands(script: str) -> list[Command]:
    """Every simple command in order, also inside of substitutions."""
    every = _all(_tree(script))
    return [Command(_words(node, script)) for node in every if node.type == "command"]


def why_it_cannot_fail(script: str) -> str | None:
    """The part that makes it pass whatever happens; None where it can fail, or nobody can say."""
    tree = _tree(script)
    if tree.has_error:
        return None
    said = [one.words for one in commands(script) if one.words[0] == "set"]
    flags = {word for words in said for word in words[1:]}
    stops = any(flag.startswith("-") and "e" in flag for flag in flags) or "errexit" in flags
    try:
        return _Judge(script, "pipefail" in flags, stops).judge(tree)
    except RecursionError:  # nested deeper than anyone writes
        return None


class _Judge:
    """The answer for each kind of statement: why it always passes, or None."""

    def __init__(self, script: str, pipefail: bool, errexit: bool) -> None:
        self._script = script
        self._pipefail = pipefail
        self._errexit = errexit

    def judge(self, node: Node) -> str | None:
        match node.type:
            case "program" | "compound_statement" | "subshell":
                return self._sequence(_statements(node))
            case "list":
                return self._list(node)
            case "pipeline":
                return self._pipeline(_statements(node))
            case "redirected_statement":
                body = node.child_by_field_name("body")
                return None if body is None else self.judge(body)
            case "command":
                return self._command(_words(node, self._script))
        return None

    def _sequence(self, parts: list[Node]) -> str | None:
        if not parts:
            return "nothing is run"
        reasons = [self.judge(part) for part in parts]
        if self._errexit and None in reasons:
            return None
        return reasons[-1]

    def _list(self, node: Node) -> str | None:
        first, last = self.judge(node.named_children[0]), self.judge(node.named_children[-1])
        if any(child.type == "||" for child in node.children):
            return first or (
                last and f"`|| {_text(node.named_children[-1], self._script)}` hides every failure"
            )
        return last if first else None

    def _pipeline(self, parts: list[Node]) -> str | None:
        if parts[0].type == "negated_command":  # bash negates the whole pipe
            return None
        last = self.judge(parts[-1]) or self._filter(parts[-1])
        if self._pipefail and any(self.judge(part) is None for part in parts[:-1]):
            return None
        return last

    def _command(self, words: tuple[str, ...]) -> str | None:
        if words[0] == "set":
            return "it only sets options"
        if words[0] in ALWAYS or words in (("exit", "0"), ("return", "0")):
            return f"it ends with `{' '.join(words)[:40]}`, which always passes"
        return None

    def _filter(self, node: Node) -> str | None:
        if node.type == "redirected_statement":
            node = node.child_by_field_name("body") or node
        words = _words(node, self._script) if node.type == "command" else ("",)
        if words[0] not in FILTERS:
            return None
        return (
            f"its pipe ends in `{words[0]}`, whose status counts; add `set -o pipefail;` in front"
        )


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bash.language()))


def _tree(script: str) -> Node:
    """One byte for each character, so that offsets are those of the text.

    The grammar's scanner asks tables for letters that end before the rarer ones: these crash it.
    """
    return _parser().parse(FOREIGN.sub("x", script).encode("ascii")).root_node


def _statements(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _all(node: Node) -> Iterator[Node]:
    """In the order of the text, without recursion: scripts nest as deep as they like."""
    pending = [node]
    while pending:
        here = pending.pop()
        yield here
        pending.extend(reversed(here.children))


def _words(node: Node, script: str) -> tuple[str, ...]:
    kinds = ("file_redirect", "herestring_redirect", "heredoc_redirect", "variable_assignment")
    words = tuple(_text(child, script) for child in node.named_children if child.type not in kinds)
    return words or ("",)


def _text(node: Node, script: str) -> str:
    return script[node.start_byte : node.end_byte]
