"""Here-documents of a script -> only their first and last lines: what a file is to hold is no command. Cuts a script where it does not understand one, so no text is kept by mistake."""

from __future__ import annotations

import re
from typing import NamedTuple

SPECIAL = re.compile(r"[\\'\"`$()#<\n]")
BEGIN = re.compile(r"<<(-?)(?:[ \t]|\\\n)*")
# A word that ends a here-document: it can be quoted in parts, and nothing in it is replaced.
WORD = re.compile(
    r"\\\n|(?P<escaped>\\.)|(?P<single>'[^'\n]*')|(?P<double>\"[^\"\\$`\n]*\")|(?P<bare>[^ \t\n\\'\"`$;&|<>()]+)"
)
ESCAPES = re.compile(r"\$'(?:[^'\\]|\\.)*'", re.S)
# What a shell, or a program, that gets the text of a quote may take for one of its own, and for the end of its first line.
HERE = re.compile(r"(?<!<)<<(?!<)")
NEWLINE = re.compile(r"\n|\\(?:n|0*12|[xuU]0*[aA]|c[jJ])")
AFTER_WORD = " \t\r\n;&|<>()"
BEFORE_COMMENT = " \t\n;&|(`"
MOST_OPEN = 100  # brackets and quotes in each other; nobody writes so many
CASE = re.compile(r"\bcase\b")  # its patterns end with a bracket that nobody opened


class Document(NamedTuple):
    word: str
    tabs: bool
    quoted: bool


class Here(NamedTuple):
    """A << in a quote, and what was kept when it came."""

    at: int
    kept: int
    pieces: int


def without_texts(script: str) -> str:
    return _Script(script).without_texts() if "<<" in script else script


class _Script:
    """`open`: quotes and brackets around the place where we are, and where each began. `waiting`: documents that begin after this line. `heres`: the first << of a quote, by where that began."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.kept = text, 0, 0
        self.pieces = list[str]()
        self.open = list[tuple[str, int]]()
        self.waiting = list[Document]()
        self.heres = dict[int, Here]()
        self.passed = -1  # the last << that is a text of a quote
        self.is_sure = not CASE.search(text)

    def without_texts(self) -> str:
        while self.at < len(self.text) and (found := SPECIAL.search(self.text, self.at)):
            self.at = found.start()
            if self.open and self.open[-1][0] == '"':
                self._in_quotes(found[0])
            else:
                self._in_command(found[0])
        if any(kind == '"' and began < self.passed for kind, began in self.open):
            self._cut()
        return "".join((*self.pieces, self.text[self.kept :]))

    def _cut(self) -> None:
        """From here on nothing is kept; of a quote around it nothing, too: half of a password is found by nobody."""
        here = next((self.heres[one] for _, one in self.open if one in self.heres), None)
        if here:
            self._goes_back(here)
        self.at = max(self.kept, self.open[0][1] if self.open else self.at)
        self.text = self.text[: self.at]
        self.open.clear()

    def _in_quotes(self, char: str) -> None:
        if char == '"':
            if here := self.heres.get(self.open[-1][1]):
                self._leaves(here, self.at)
            if self.open:
                self.open.pop()
        elif char == "`" or (char == "$" and self._follows("$(")):
            self._opens(char)
            return
        elif char == "\n" and self.waiting:
            self._cut()
            return
        elif char == "<" and self._follows("<<"):
            self.passed = self.at
            if HERE.match(self.text, self.at):
                self.heres.setdefault(self.open[-1][1], self._here(self.at))
            if not self.is_sure:
                self._cut()
                return
        self.at += 2 if char == "\\" else 1

    def _in_command(self, char: str) -> None:
        match char:
            case "\\":
                self.at += 2
            case "'":
                self._skips_to(self.text.find("'", self.at + 1) + 1)
            case "$" if self._follows("$'"):
                ended = ESCAPES.match(self.text, self.at)
                self._skips_to(ended.end() if ended else 0)
            case "#" if self.at == 0 or self.text[self.at - 1] in BEFORE_COMMENT:
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            case "<" if self._follows("<<<"):
                self.at += 3
            case "<" if self._follows("<<"):
                self._begins()
            case "\n" if self.waiting:
                self._passes_texts()
            case ")":
                self._closes()
            case '"' | "`" | "(":
                self._opens(char)
            case _:
                self.at += 1

    def _follows(self, sign: str) -> bool:
        return self.text.startswith(sign, self.at)

    def _skips_to(self, end: int) -> None:
        """Over a quoted text; 0: it has no end."""
        quoted = self.text[self.at : end or None]
        if ("<<" in quoted and not (end and self.is_sure)) or ("\n" in quoted and self.waiting):
            self._cut()
            return
        if end and (found := HERE.search(self.text, self.at, end)):
            self._leaves(self._here(found.start()), end - 1)
        self.at = end or len(self.text)

    def _here(self, at: int) -> Here:
        return Here(at, self.kept, len(self.pieces))

    def _goes_back(self, here: Here) -> None:
        del self.pieces[here.pieces :]
        self.kept = here.kept

    def _leaves(self, here: Here, end: int) -> None:
        """A quote ends: what an inner shell gets is a script, too, and nothing of it is kept from its << on where a line follows; nothing at all where its word has another part."""
        if self.text[end + 1 : end + 2] not in AFTER_WORD:
            self._cut()
        elif NEWLINE.search(self.text, here.at, end):
            if self.waiting:
                self._cut()
                return
            self._goes_back(here)
            self.pieces.append(self.text[self.kept : here.at])
            self.kept = end

    def _opens(self, char: str) -> None:
        if char == "`" and any(kind == "`" for kind, _ in self.open):
            while self.open[-1][0] != "`":
                if self.open[-1][1] in self.heres:
                    self._cut()
                    return
                self.open.pop()
            self.open.pop()
            self.at += 1
            return
        if len(self.open) >= MOST_OPEN:
            self._cut()
            return
        began, self.at = self.at, self.at + (2 if char == "$" else 1)
        kind = "(" if char == "$" else char
        if kind == "(" and self._follows("("):
            kind, self.at = "((", self.at + 1
        self.open.append((kind, began))

    def _closes(self) -> None:
        kind = self.open[-1][0] if self.open else ""
        if kind == "((" and not self._follows("))"):
            self.is_sure = False  # two brackets that open, and not a sum
        self.at += 2 if kind == "((" and self.is_sure else 1
        if kind in ("(", "(("):
            self.open.pop()

    def _begins(self) -> None:
        begun = BEGIN.match(self.text, self.at)
        end = begun.end() if begun else self.at
        parts, first = list[tuple[str, str]](), end
        while part := WORD.match(self.text, end):
            end = part.end()
            parts.append((part.lastgroup or "", part[0]))
        words = [one for kind, one in parts if kind]
        after = self.text[end : end + 1]
        closes = after == "`" and any(kind == "`" for kind, _ in self.open)
        in_sum = any(kind == "((" for kind, _ in self.open)
        if not begun or not words or in_sum or self.text[first] == "#" or (after and after in "\\'\"`$" and not closes):  # fmt: skip
            self._cut()
            return
        word = "".join(_bare(kind, one) for kind, one in parts)
        quoted = any(kind not in ("", "bare") for kind, _ in parts)
        self.waiting.append(Document(word, begun[1] == "-", quoted))
        self.at = end

    def _passes_texts(self) -> None:
        """Of each document that waits its last line stays; after one without end comes nothing."""
        at = self.at + 1
        self.pieces.append(self.text[self.kept : at])
        for one in self.waiting:
            first, at = self._end(one, at)
            self.pieces.append(self.text[first:at])
        self.waiting.clear()
        self.at = self.kept = at

    def _end(self, document: Document, at: int) -> tuple[int, int]:
        while at < len(self.text):
            first, rows = at, list[str]()
            while at < len(self.text):
                end = self.text.find("\n", at)
                row = self.text[at:] if end < 0 else self.text[at:end]
                at = len(self.text) if end < 0 else end + 1
                is_split = not document.quoted and (len(row) - len(row.rstrip("\\"))) % 2
                rows.append(row[:-1] if is_split else row)
                if not is_split:
                    break
            told = "".join(rows)
            if (told.lstrip("\t") if document.tabs else told) == document.word:
                return first, at
        return len(self.text), len(self.text)


def _bare(kind: str, part: str) -> str:
    match kind:
        case "escaped":
            return part[1:]
        case "single" | "double":
            return part[1:-1]
        case "bare":
            return part
    return ""
