"""The templates and what they may say: amounts, times, Markdown. The only importer of jinja2; it refuses to show a secret, or HTML of others."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orchestrator import redact
from orchestrator.reader import markdown
from orchestrator.views import text
from orchestrator.views.text import dollars
from orchestrator.web import shapes, shapes_quota

HERE = Path(__file__).parent
TEMPLATES, STATIC = HERE / "templates", HERE / "static"
TONES = {  # a state's colour; each has a word and a sign besides
    "succeeded": "ok", "done": "ok", "green": "ok", "approved": "ok", "ok": "ok", "success": "ok", "met": "ok",
    "running": "run", "arriving": "run",
    "paused": "ask", "waits for a person": "ask", "untrusted": "ask", "unapproved": "ask", "degraded": "warn",
    "waits for a quota": "warn", "waits for a provider": "warn",
    "failed": "bad", "tasks failed": "bad", "broken": "bad", "red": "bad", "rejected": "bad", "not met": "bad",
    "interrupted": "warn", "broken off": "warn", "result stays apart": "warn", "inconclusive": "warn", "partial": "warn",
    "needs an operator": "bad",
}  # fmt: skip
SIGNS = {"ok": "✓", "run": "▸", "ask": "?", "bad": "✗", "warn": "!", "idle": "·"}


@cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "cost": text.cost,
        "tokens": text.tokens,
        "duration": text.duration,
        "plain": text.plain,
        "when": text.when,
        "counted": text.counted,
        "md": markdown_of,
        "tone": tone,
        "diff_lines": diff_lines,
        "sign": lambda state: SIGNS[tone(state)],
        "row": row,
        "part": lambda given: quote(str(given), safe=""),
        "trusting": lambda path: text.command("trust", path),
        "percent": percent,
        "dollars": dollars,
        "number": number,
        "short": shapes_quota.short,
        "proposing": lambda name: text.command("patterns", "propose", name),
        "block": lambda given: "\n".join(text.lines(given)),
    }
    made.globals |= {"share": shapes.share, "iso": shapes.iso, "number": number, "dollars": dollars}
    return made


def render(name: str, **values: Any) -> str:
    return environment().get_template(name).render(values)


def row(found: NamedTuple, name: str, run: str) -> Markup:
    """One of a table. Most of them are on the next page as they are on this one."""
    return _row(redact.KNOWN.secrets, name, run, found)


@lru_cache(4096)
def _row(_: object, name: str, run: str, found: NamedTuple) -> Markup:
    """Anew where other values are secrets."""
    return Markup(render(name, row=found, run=run))  # noqa: S704 - a template of ours has escaped it


def _clean(value: Any) -> Any:
    """Whatever way it came: nothing is shown that a variable keeps secret."""
    return redact.text(value) if type(value) is str else value


def tone(state: object) -> str:
    return TONES.get(str(state), "idle")


def markdown_of(given: str) -> Markup:
    """Of a person or a model: its own HTML is shown as text."""
    clean = "\n".join(text.lines(given))
    return Markup(markdown.html(clean))  # noqa: S704 - markdown-it escapes; tests feed it HTML


def percent(share: float | None) -> str:
    return text.UNKNOWN if share is None else f"{share:.0%}"


def number(count: float | None) -> str:
    return text.UNKNOWN if count is None else f"{count:,.0f}"


def diff_lines(diff: str) -> list[tuple[str, str]]:
    """Each line with its kind: file, hunk, add, del or nothing."""
    return [(_diff_kind(line), line) for line in text.lines(diff)]


def _diff_kind(line: str) -> str:
    if line.startswith(("diff --git", "+++", "---", "index ", "new file", "deleted file")):
        return "file"
    return {"@": "hunk", "+": "add", "-": "del"}.get(line[:1], "")
