"""Which kind of file a text without tasks is; every kind we do not run is refused by its name."""

from __future__ import annotations

import re

_KINDS = (
    (
        "K403",
        re.compile(r"^[ \t]*- \[[ xX]\][ \t]+\*\*T\d+|^#[ \t]+T\d{2,}:", re.M),
        "a plan of GSD-2 is not run; put each task into <task> … </task>",
    ),
)


def refusal(text: str) -> tuple[str, int, str]:
    """The code, the offset and the message for a file without tasks."""
    found = [(kind, match) for kind in _KINDS if (match := kind[1].search(text))]
    if not found:
        return ("K404", 0, "there is no <task> in this file; add <tasks> with at least one <task>")
    (code, _, message), match = found[0]
    return (code, match.start(), message)
