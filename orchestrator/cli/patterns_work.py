"""What changes patterns: looked for, approved, rejected, drafted. Refuses moves that no pattern may make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from orchestrator import settings
from orchestrator.cli import past
from orchestrator.cli.patterns_look import document, print_table
from orchestrator.cli.terminal import out, show_json
from orchestrator.errors import UsageError
from orchestrator.model.outloop import Pattern, PatternStatus
from orchestrator.outloop import analysis, discovery, drafting, store
from orchestrator.outloop.store import Store
from orchestrator.views.asking import person
from orchestrator.views.text import command, counted, near

OFF = "patterns.discover is false in the settings: nothing is looked for"


def analyze(*, github: bool, as_json: bool) -> int:
    root = past.here()
    chosen = settings.load(root)
    found = analysis.analyze(root, chosen)
    opened = (
        anyio.run(analysis.publish, root, found.candidates, chosen.patterns.match) if github else []
    )
    if as_json:
        show_json(
            {
                "version": 1,
                "new": found.new,
                "discover": chosen.patterns.discover,
                "candidates": [document(one) for one in found.candidates],
                "written": [path.relative_to(root).as_posix() for path in found.written],
                "activated": [one.signature for one in found.activated],
                "opened": [{"pattern": one.signature, "issue": where} for one, where in opened],
            }
        )
        return 0
    out().print(f"{counted(found.new, 'operation')} seen since the last time")
    if not chosen.patterns.discover:
        out().print(OFF)
        return 0
    _show_found(found)
    for path in found.written:
        out().print(f"suggestion: {near(root, path.relative_to(root).as_posix())}")
    for one, where in opened:
        out().print(f"issue: {where}  {one.signature}")
    return 0


def approve(name: str, *, as_json: bool) -> int:
    found = _changed(lambda book: discovery.approve(book, name, person()), as_json=as_json)
    if found.status is PatternStatus.ACTIVE:
        told = f"{found.signature} is approved, and active: {found.tool} does it from now on"
    else:
        step = command("patterns", "propose", found.signature)
        told = f"{found.signature} is approved; no tool that is enabled does it yet. Next: {step}"
    return _tell(told, as_json=as_json)


def reject(name: str, note: str, *, as_json: bool) -> int:
    found = _changed(lambda book: discovery.reject(book, name, person(), note), as_json=as_json)
    return _tell(f"{found.signature} is rejected: it is suggested no more", as_json=as_json)


def deprecate(name: str, note: str, *, as_json: bool) -> int:
    found = _changed(
        lambda book: book.move(name, PatternStatus.DEPRECATED, person(), note or "deprecated"),
        as_json=as_json,
    )
    return _tell(f"{found.signature} is deprecated: a model does it again", as_json=as_json)


def propose(name: str, *, as_json: bool) -> int:
    root = past.here()
    with _reading() as book:
        found = book.find(name)
        seen = book.occurrences(found.id)
    manifest, script = drafting.write(root, drafting.draft(found, seen))
    shown = [near(root, one.relative_to(root).as_posix()) for one in (manifest, script)]
    step = command("tools", "add", shown[0])
    if as_json:
        told = {"pattern": found.signature, "manifest": str(manifest), "script": str(script)}
        show_json({"version": 1, **told, "next": step})
        return 0
    out().print(f"drafted {shown[1]} and {shown[0]}; it is not used yet")
    out().print(f"  next: look it over, then: {step}")
    return 0


def _show_found(found: analysis.Analysed) -> None:
    for one in found.activated:
        out().print(f"{one.signature} is active: {one.tool} does it from now on")
    if not found.candidates:
        out().print("no pattern is worth a script yet ([patterns] says from when on one is)")
        return
    print_table(found.candidates)
    out().print(f"  next: {command('patterns', 'approve', found.candidates[0].signature)}")


def _changed(change: Callable[[Store], Pattern], *, as_json: bool) -> Pattern:
    with _reading():
        pass  # where nothing ran no journal is made for this
    with store.writing(past.here()) as book:
        found = change(book)
    if as_json:
        show_json({"version": 1, "pattern": document(found)})
    return found


def _tell(text: str, *, as_json: bool) -> int:
    if not as_json:
        what, _, step = text.partition(" Next: ")
        out().print(what)
        if step:
            out().print(f"  next: {step}")
    return 0


@contextmanager
def _reading() -> Iterator[Store]:
    with store.reading(past.here()) as book:
        if book is None:
            raise UsageError(f"nothing ran in {past.here()} yet, so there is no pattern")
        yield book
