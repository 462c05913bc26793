"""The rules of lint by their codes: which ones are wanted, and the page of each. Refuses a code that no rule has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib.resources import files

from orchestrator.errors import UsageError
from orchestrator.model.codes import CODES


def choice(select: Sequence[str], ignore: Sequence[str]) -> Callable[[str], bool]:
    """Whether a code is wanted; nothing selected is everything."""
    wanted, unwanted = _beginnings(select), _beginnings(ignore)
    return lambda code: code.startswith(wanted or ("",)) and not code.startswith(unwanted or ("-",))


def _beginnings(given: Sequence[str]) -> tuple[str, ...]:
    """`V,G5` and repeated options alike."""
    found = [word.strip().upper() for text in given for word in text.split(",") if word.strip()]
    for word in found:
        if word != "ALL" and not any(code.startswith(word) for code in CODES):
            raise _unknown(word)
    return tuple("" if word == "ALL" else word for word in found)


def _unknown(word: str) -> UsageError:
    near = get_close_matches(word, CODES, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return UsageError(f"no rule is called {word}. Next: {meant}orchestrator lint --explain all")


def explain(code: str) -> int:
    from orchestrator.cli.terminal import out
    from orchestrator.views.text import columns

    if code.lower() == "all":
        rows = [(one, severity.value, title) for one, (severity, title) in CODES.items()]
        out().print("\n".join(columns(sorted(rows))))
        return 0
    out().print(page(code.upper()).rstrip())
    return 0


def page(code: str) -> str:
    """The page of a rule, as Markdown."""
    if code not in CODES:
        raise _unknown(code)
    return files("orchestrator.lint").joinpath("pages", f"{code}.md").read_text(encoding="utf-8")
