"""Diagnostics for other programs: one line each, GitHub's commands, SARIF 2.1.0. Refuses to leave one out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from orchestrator.cli.rules import page
from orchestrator.model import Diagnostic, Severity
from orchestrator.model.codes import CODES
from orchestrator.views.text import columns, near, plain

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def concise(said: Iterable[Diagnostic], root: Path) -> Iterator[str]:
    for one in said:
        place = f"{plain(near(root, one.file))}:{one.line}:{one.column}"
        warning = "warning: " if one.severity is Severity.WARNING else ""
        yield f"{place}: {one.code} {warning}{plain(one.message)}"


def statistics(said: Iterable[Diagnostic]) -> list[str]:
    """How often each rule speaks, most often first."""
    counts = Counter(one.code for one in said)
    rows = [(str(n).rjust(6), code, CODES[code][1]) for code, n in counts.most_common()]
    return columns(rows)


def github(said: Iterable[Diagnostic], root: Path) -> Iterator[str]:
    """Workflow commands: GitHub shows each beside its line."""
    for one in said:
        fields = {
            "title": one.code,
            "file": near(root, one.file),
            "line": one.line,
            "col": one.column,
        }
        told = ",".join(f"{key}={_property(str(value))}" for key, value in fields.items())
        yield f"::{one.severity} {told}::{_data(one.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif(said: Sequence[Diagnostic]) -> dict[str, Any]:
    """One run with the rules that spoke. Files are relative to the project."""
    codes = sorted({one.code for one in said})
    driver = {
        "name": "orchestrator",
        "version": version("plan-orchestrator"),
        "rules": [_rule(code) for code in codes],
    }
    results = [_result(one, codes.index(one.code)) for one in said]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    severity, title = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": title},
        "help": {"text": page(code), "markdown": page(code)},
        "defaultConfiguration": {"level": severity.value},
    }


def _result(one: Diagnostic, rule: int) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": quote(one.file)},
        "region": {"startLine": one.line, "startColumn": one.column},
    }
    return {
        "ruleId": one.code,
        "ruleIndex": rule,
        "level": one.severity.value,
        "message": {"text": one.message},
        "locations": [{"physicalLocation": place}],
    }
