"""What changes patterns: looked for, approved, rejected, drafted. Refuses moves that no pattern may make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

from orchestrator.cli import past
from orchestrator.cli.patterns_look import TURN_ON, document, print_table
from orchestrator.cli.terminal import err, out, show_json, tell
from orchestrator.errors import UsageError
from orchestrator.model.outloop import Pattern, PatternStatus
from orchestrator.outloop import analysis, blind, discovery, drafting, hooked, store
from orchestrator.outloop.store import Store
from orchestrator.settings import Settings
from orchestrator.views.asking import person
from orchestrator.views.text import command, counted, near

UNCOUNTED = "nothing was counted: patterns.detect is false in the settings"
UNSOUGHT = "nothing was looked for: patterns.discover is false in the settings"


def analyze(*, github: bool, as_json: bool) -> int:
    """What was found is told first: what opens issues is another program, which may be slow, or refuse."""
    root, chosen = past.settled()
    found = analysis.analyze(root, chosen)
    if not as_json:
        _show_analysed(root, chosen, found)
    published = analysis.Published()
    if github and found.candidates:
        if not as_json:
            err().print("issues: gh is asked, which may take a while")
        published = anyio.run(analysis.publish, root, found.candidates, chosen.patterns.match)
    if as_json:
        show_json(_analysed(root, chosen, found, published))
    for one, where in () if as_json else published.opened:
        out().print(f"issue: {where}  {one.signature}")
    if published.trouble is None:
        return 0
    tell("error", str(published.trouble), "bold red")
    return published.trouble.exit_code


def _analysed(
    root: Path, chosen: Settings, found: analysis.Analysed, published: analysis.Published
) -> dict[str, Any]:
    return {
        "version": 1,
        "new": found.new,
        "detect": chosen.patterns.detect,
        "discover": chosen.patterns.discover,
        "candidates": [
            document(one) | {"whole_tasks": found.whole.get(one.signature, 0)}
            for one in found.candidates
        ],
        "written": [path.relative_to(root).as_posix() for path in found.written],
        "activated": [one.signature for one in found.activated],
        "opened": [{"pattern": one.signature, "issue": where} for one, where in published.opened],
        "trouble": str(published.trouble) if published.trouble else None,
    }


def _show_analysed(root: Path, chosen: Settings, found: analysis.Analysed) -> None:
    if chosen.patterns.detect:
        out().print(f"{counted(found.new, 'operation')} seen since the last time")
        for told in (*blind.notes(root), *hooked.notes(root)):
            out().print(f"note: {told}")
    else:
        _say_off(UNCOUNTED, "detect")
    if not chosen.patterns.discover:
        _say_off(UNSOUGHT, "discover")
        return
    _show_found(root, found)
    for path in found.written:
        out().print(f"suggestion: {near(root, path.relative_to(root).as_posix())}")


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
    was = list[PatternStatus]()

    def change(book: Store) -> Pattern:
        was.append(book.find(name).status)
        return discovery.deprecate(book, name, person(), note)

    found = _changed(change, as_json=as_json)
    return _tell(discovery.ended(found, was[0]), as_json=as_json)


def propose(name: str, *, force: bool, as_json: bool) -> int:
    with _reading() as (root, book):
        found = book.find(name)
        discovery.refuse_unscriptable(found)
        seen = book.occurrences(found.id)
    manifest, script = drafting.write(root, drafting.draft(found, seen), anew=force)
    shown = [near(root, one.relative_to(root).as_posix()) for one in (manifest, script)]
    step = command("tools", "add", shown[0])
    if as_json:
        told = {"pattern": found.signature, "manifest": str(manifest), "script": str(script)}
        show_json({"version": 1, **told, "next": step})
        return 0
    out().print(f"drafted {shown[1]} and {shown[0]}; it is not used yet")
    out().print(f"  next: look it over, then: {step}")
    return 0


def _say_off(what: str, key: str) -> None:
    out().print(what)
    out().print(f"  next: {TURN_ON.format(key)}")


def _show_found(root: Path, found: analysis.Analysed) -> None:
    for one in found.activated:
        out().print(f"{one.signature} is active: {one.tool} does it from now on")
    if not found.candidates:
        used = _used(root)
        more = f"; {counted(used, 'is', 'are')} in use" if used else ""
        out().print(f"no new pattern is worth a script ([patterns] says from when on one is){more}")
        return
    print_table(found.candidates)
    whole = [one for one in found.candidates if found.whole.get(one.signature)]
    parts = len(found.candidates) - len(whole)
    if parts:
        told = "was only a part" if parts == 1 else "were only parts"
        out().print(
            f"note: {parts} of these {told} of larger tasks, and a tool takes only whole tasks"
        )
    if whole:
        out().print(f"  next: {command('patterns', 'approve', whole[0].signature)}")
    else:
        step = command("patterns", "show", found.candidates[0].signature)
        out().print(f"  next: plan it as a task of its own; {step} says what was run")


def _used(root: Path) -> int:
    with store.reading(root) as book:
        return sum(one.status in discovery.IN_USE for one in book.patterns()) if book else 0


def _changed(change: Callable[[Store], Pattern], *, as_json: bool) -> Pattern:
    with _reading() as (root, _):
        pass  # where nothing ran no journal is made for this
    with store.writing(root) as book:
        found = analysis.find(book, change(book).signature)
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
def _reading() -> Iterator[tuple[Path, Store]]:
    root, _ = past.settled()
    with store.reading(root) as book:
        if book is None:
            step = command("patterns", "backfill")
            raise UsageError(f"nothing ran in {root} yet, so there is no pattern. Next: {step}")
        yield root, book
