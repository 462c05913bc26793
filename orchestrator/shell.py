"""A shell script as its commands, by tree-sitter's grammar of bash: what it runs, and whether it can fail at all; it runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

FOREIGN = re.compile("[^\x01-\x7f]")
HEREDOC = re.compile(r"""<<-?\s*\\?['"]?(\w+)""")
WRITES = re.compile(r"(1|&)?>[>|]?(?!&)")
ALWAYS = frozenset({"true", ":", "echo", "printf"})
ENTERING = frozenset({"cd", "pushd", "source", "."})  # the stage, not what is looked at
LEAVING = frozenset({"exit", "return", "exec", "kill", "trap", "shopt"})
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
    writes: tuple[str, ...] = ()  # files that take its output
    told: str = ""  # what a here-document gives it to read
    fed: bool = False  # it reads what the command before it writes
    inside: tuple[int, ...] = ()  # the subshells around it, outermost first


def is_sound(script: str) -> bool:
    """Whether the grammar reads all of it."""
    return not _tree(script).has_error


def commands(script: str) -> list[Command]:
    """Every simple command in order, also inside of substitutions."""
    every = _placed(_tree(script), script)
    return [here._replace(words=_words(node, script)) for node, here in every]


def sound_commands(script: str) -> list[Command]:
    """As `commands`, for texts that may have been cut: what is open at the end is closed, and behind a place that nobody can read nothing counts."""
    root = _tree(script)
    if root.has_error:
        script = _closed(script)
        root = _tree(script)
    wrong = (node.start_byte for node in _all(root) if node.type == "ERROR")
    end = next(wrong, len(script)) if root.has_error else len(script)
    every = _placed(root, script)
    return [
        here._replace(words=_words(node, script)) for node, here in every if node.end_byte <= end
    ]


def statements(script: str) -> list[str]:
    """What it does one after the other, apart at `;`, `&&` and the ends of lines; all of it as one where nobody can say that."""
    root = _tree(script)
    every = list(_all(root))
    if root.has_error or any(one.type.startswith("heredoc") or one.type == "&" for one in every):
        return [script]
    pending, found = list(reversed(_statements(root))), list[str]()
    while pending:
        node = pending.pop()
        if node.type == "list" and not _is_either(node):
            pending.extend(reversed(_statements(node)))
        else:
            found.append(_text(node, script))
    return found


def why_it_cannot_fail(script: str) -> str | None:
    """The part that makes it pass whatever happens; None where it can fail, or nobody can say."""
    tree = _tree(script)
    if tree.has_error or any(_is_misread(node, script) for node in _all(tree)):
        return None
    said = [one.words for one in commands(script)]
    if any(words[0] in LEAVING and words != ("exit", "0") for words in said):
        return None  # it may be left in the middle
    flags = {word for words in said if words[0] == "set" for word in words[1:]}
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
                return self._regrouped(node)
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
        last = node.named_children[-1]
        return self._joined(node, self.judge(last), _text(last, self._script))

    def _joined(self, node: Node, last: str | None, told: str) -> str | None:
        """A list whose last part is judged already."""
        first = node.named_children[0]
        before = self.judge(first)
        if _is_either(node):
            return before or (last and f"`|| {told}` hides every failure")
        if last and before is None and self._enters(first):
            return f"behind `{_text(first, self._script)[:60]}`, {last}"
        return last if before else None

    def _enters(self, node: Node) -> bool:
        if node.type == "list":
            parts = node.named_children
            return not _is_either(node) and all(self._enters(a) or self.judge(a) for a in parts)
        return node.type == "command" and _words(node, self._script)[0] in ENTERING

    def _regrouped(self, node: Node) -> str | None:
        """The grammar reads `a && b 2>&1 | c` as `{ a && b; } 2>&1 | c`; bash pipes only `b`."""
        parts = _statements(node)
        before: Node | None = None
        while (first := _bare(parts[0])).type in ("pipeline", "list"):
            if first.type == "list":
                before = first
            inner = _statements(first)
            parts = [*(inner if first.type == "pipeline" else inner[-1:]), *parts[1:]]
        last = self._pipeline(parts)
        if before is None:
            return last
        return self._joined(before, last, self._script[parts[0].start_byte : node.end_byte])

    def _pipeline(self, parts: list[Node]) -> str | None:
        if _bare(parts[0]).type == "negated_command":  # bash negates the whole pipe
            return None
        last = self.judge(parts[-1]) or self._filter(parts[-1])
        if self._pipefail and len(parts) > 1:  # whoever writes into a closed pipe fails too
            return None
        return last

    def _command(self, words: tuple[str, ...]) -> str | None:
        if words[0] == "set":
            return "it only sets options"
        if words[0] in ALWAYS or words == ("exit", "0"):
            return f"it ends with `{' '.join(words)[:40]}`, which always passes"
        return None

    def _filter(self, node: Node) -> str | None:
        node = _bare(node)
        words = _words(node, self._script) if node.type == "command" else ("",)
        if words[0] not in FILTERS or (words[0] == "sort" and {"-c", "-C"} & set(words)):
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


def _closed(script: str) -> str:
    """With the end that the first open here-document or quote wants; bash, too, takes the end of a text for the end of a here-document."""
    ends = [f"\n{name}\n" for name in dict.fromkeys(HEREDOC.findall(script))][:3]
    tries = (script + end for end in (*ends, "'", '"', *(q + end for q in "'\"" for end in ends)))
    return next((one for one in tries if is_sound(one)), script)


def _placed(root: Node, script: str) -> Iterator[tuple[Node, Command]]:
    """Each simple command with all but its words, in the order of the text."""
    pending = [(root, Command(()))]
    while pending:
        node, here = pending.pop()
        if node.type == "command":
            yield node, here
        pending.extend(reversed(_placed_below(node, here, script)))


def _placed_below(node: Node, here: Command, script: str) -> list[tuple[Node, Command]]:
    below = node.named_children
    if not below:
        return []
    apart = here._replace(writes=(), told="")
    match node.type:
        case "subshell" | "command_substitution" | "process_substitution":
            inner = Command((), inside=(*here.inside, node.start_byte))
            return [(child, inner) for child in below]
        case "pipeline":
            first = apart._replace(fed=here.fed or node.children[0].type == "|")
            fed = [first, *(apart._replace(fed=True) for _ in below[1:])]
            fed[-1] = fed[-1]._replace(writes=here.writes)
            return list(zip(below, fed, strict=True))
        case "list":
            return [*((child, apart) for child in below[:-1]), (below[-1], here)]
        case "redirected_statement":
            return _redirected(node, here, script)
        case "command":
            return [(child, Command((), inside=here.inside)) for child in below]
    return [(child, here) for child in below]


def _redirected(node: Node, here: Command, script: str) -> list[tuple[Node, Command]]:
    body = node.child_by_field_name("body")
    said = [child for child in node.named_children if child != body]
    beside = [each for one in said if one.type == "heredoc_redirect" for each in one.named_children]
    files = [one for one in (*said, *beside) if one.type == "file_redirect"]
    outs = [_text(one, script) for one in files]
    writes = tuple(WRITES.sub("", out, count=1).strip() for out in outs if WRITES.match(out))
    told = "".join(_text(one, script) for one in beside if one.type == "heredoc_body")
    inner = here._replace(writes=writes or here.writes, told=told or here.told)
    apart = Command((), inside=here.inside)
    return [(child, inner if child == body else apart) for child in node.named_children]


def _statements(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _is_misread(node: Node, script: str) -> bool:
    """Behind two pipes the grammar may take the next line for words, or a list for a part."""
    parts = _statements(node)
    if node.type == "command":
        gaps = (script[a.end_byte : b.start_byte] for a, b in pairwise(parts))
        return any("\n" in gap.replace("\\\n", "") for gap in gaps)
    return node.type == "pipeline" and any(_bare(part).type == "list" for part in parts[1:])


def _bare(node: Node) -> Node:
    """Without its redirections."""
    while node.type == "redirected_statement":
        body = node.child_by_field_name("body")
        if body is None:
            break
        node = body
    return node


def _is_either(node: Node) -> bool:
    return any(child.type == "||" for child in node.children)


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
