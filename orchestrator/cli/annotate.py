"""annotate: adds what plans do not say about their tasks. Refuses to touch any other byte, or to change what a plan means."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import Json, Paths

if TYPE_CHECKING:
    from orchestrator.annotations import Ground
    from orchestrator.graph import TaskGraph
    from orchestrator.model import Diagnostic, Plan, Task
    from orchestrator.project import Loaded, Source
    from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class Draft:
    """One plan file with what it would become. `refused`: why it is left alone."""

    file: Path
    old: str
    new: str
    foreign: bool  # not UTF-8
    report: tuple[str, ...] = ()
    refused: str | None = None
    failed: bool = False

    @property
    def changed(self) -> bool:
        return self.new != self.old


def annotate(
    paths: Paths,
    write: Annotated[bool, typer.Option("--write", help="Write it into the files.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print the difference.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 if something is missing; write nothing.")
    ] = False,
    models: Annotated[
        bool, typer.Option("--models", help="Write model= too: it fixes the first try's model.")
    ] = False,
    infer: Annotated[
        bool,
        typer.Option(
            "--infer-parallel", help="Let tasks run together where nothing speaks against it."
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Add the attributes, metrics and the graph that plans do not have yet.

    What is there is kept, and what the plan means stays: without --write nothing is changed at all. Of plan files,
    and of what is unfinished in folders. Exit 1 with --check if something is missing, 2 if a plan has errors.
    """
    from orchestrator.cli.terminal import show_json

    made = list(_annotated(paths, models=models, infer=infer))
    if write:
        for one in made:
            _write(one)
    if as_json:
        show_json({"version": 1, "plans": [_document(one, written=write) for one in made]})
    elif diff:
        _show_diff(made)
    else:
        _show(made, written=write)
    if any(one.failed for one in made):
        return 2
    return 1 if check and any(one.changed for one in made) else 0


def _annotated(paths: list[Path], *, models: bool, infer: bool) -> Iterator[Draft]:
    from orchestrator import project, settings
    from orchestrator.cli import plans

    root, files = plans.live(paths)
    chosen = settings.load(root)
    for source in project.sources(root, files):
        yield draft(root, source, chosen, models=models, infer=infer)


def draft(root: Path, source: Source, chosen: Settings, *, models: bool, infer: bool) -> Draft:
    from orchestrator import annotations, writer
    from orchestrator.reader import frontmatter
    from orchestrator.reader.source import Source as Text
    from orchestrator.reader.source import decode

    text, foreign = decode(source.content)
    file, is_foreign = root / source.path, foreign is not None
    loaded = _load(root, source, chosen)
    if loaded.errors or loaded.graph is None:
        first = loaded.errors[0] if loaded.errors else None
        told = f"{first.line}:{first.column}: {first.code} {first.message}" if first else "errors"
        return Draft(file, text, text, is_foreign, refused=told, failed=True)
    (plan,) = loaded.plans
    bodies = any(one.code == "K405" for one in loaded.diagnostics)
    if bodies or any(not _is_element(text, task) for task in plan.tasks):
        told = "its tasks are no <task> elements: there is no place for attributes"
        return Draft(file, text, text, is_foreign, refused=told)
    ground = _ground(plan, loaded.graph, chosen, models=models, infer=infer)
    additions = annotations.decide(ground)
    start = frontmatter.read(Text(text, "")).end
    new = writer.annotate(text, start, additions, None)
    new = _with_section(root, source, chosen, new, is_foreign)
    after = _load(root, _changed(source, new, foreign=is_foreign), chosen)
    if (broken := _broken(loaded, after, same=not (models or infer))) is not None:
        return Draft(file, text, text, is_foreign, refused=broken)
    return Draft(file, text, new, is_foreign, tuple(_report(ground, additions)))


def _with_section(root: Path, source: Source, chosen: Settings, text: str, foreign: bool) -> str:
    """The picture shows the order as it is annotated."""
    from orchestrator import annotations, writer
    from orchestrator.reader import frontmatter
    from orchestrator.reader.source import Source as Text

    loaded = _load(root, _changed(source, text, foreign=foreign), chosen)
    if loaded.graph is None:
        return text
    section = annotations.section(loaded.plans[0], loaded.graph)
    return writer.annotate(text, frontmatter.read(Text(text, "")).end, {}, section)


def _changed(source: Source, text: str, *, foreign: bool) -> Source:
    from dataclasses import replace

    from orchestrator.reader.source import encode

    return replace(source, content=encode(text, foreign=foreign))


def _load(root: Path, source: Source, chosen: Settings) -> Loaded:
    """The plan alone: what it waits for outside is no matter here."""
    from orchestrator import project

    return project.load(root, [source], chosen.reader)


def _is_element(text: str, task: Task) -> bool:
    rows = text.split("\n", task.position.line)
    return rows[task.position.line - 1][task.position.column - 1 :].startswith("<task")


def _ground(plan: Plan, graph: TaskGraph, chosen: Settings, *, models: bool, infer: bool) -> Ground:
    from orchestrator import complexity, engine, estimates
    from orchestrator.annotations import Ground
    from orchestrator.graph import inferred

    weights = chosen.complexity.model_dump()
    scores = {task.id: complexity.score(task, weights) for task in plan.tasks}
    routes = engine.likely(plan.tasks, scores, chosen)
    tiers = {task: route.tier for task, (route, _) in routes.items()}
    expected = {
        task.id: estimates.expect(task, scores[task.id], tiers.get(task.id), chosen.estimate)
        for task in plan.tasks
    }
    waits = inferred.infer(plan) if infer else None
    return Ground(plan, graph, scores, expected, tiers, models, waits)


def _broken(before: Loaded, after: Loaded, *, same: bool) -> str | None:
    """Why the annotated plan must not be written: our own mistake, found before it does harm."""
    fresh = Counter(map(_said, after.diagnostics)) - Counter(map(_said, before.diagnostics))
    if fresh:
        return f"annotated it would say {min(fresh)}"
    if before.graph is None or after.graph is None:
        return "annotated it could not be read"
    if same and before.graph.meaning() != after.graph.meaning():
        return "annotated its tasks would run in another order"
    return None


def _said(one: Diagnostic) -> str:
    """Without numbers of lines, which move."""
    return re.sub(r"\d+", "N", f"{one.code} {one.message}")


def _report(ground: Ground, additions: Any) -> Iterator[str]:
    from orchestrator.views.text import plain

    for task in ground.plan.tasks:
        addition = additions.get(task.ordinal)
        if addition is None:
            continue
        told = " ".join(f'{name}="{value}"' for name, value in addition.attributes.items())
        yield f"  {task.id}  {plain(task.title, 60)}"
        yield f"      {told or 'nothing but <metrics>'}"
        score = ground.scores[task.id]
        if "estimated-complexity" in addition.attributes:
            yield f"      complexity {score.value}: {', '.join(score.reasons) or 'nothing in the text moved it'}"
        for waits in (ground.waits or {}).get(task.ordinal, ()):
            yield f"      waits for {waits.before}: {waits.why}"


def _write(one: Draft) -> None:
    from orchestrator import disk
    from orchestrator.reader.source import encode

    if one.changed:
        disk.write_bytes(one.file, encode(one.new, foreign=one.foreign))


def _show(made: list[Draft], *, written: bool) -> None:
    from orchestrator.cli.terminal import out
    from orchestrator.views.text import counted, near, plain

    for one in made:
        name = plain(near(one.file.parent, one.file.name))
        if one.refused is not None:
            out().print(f"{name}: left alone: {plain(one.refused)}", style="yellow")
        elif one.changed:
            out().print(f"{name}: {'annotated' if written else 'would be annotated'}", style="bold")
            for row in one.report:
                out().print(row)
    changed = sum(one.changed for one in made)
    rest = "" if written or not changed else "; --write does it, --diff shows it"
    done = "annotated" if written else "to annotate"
    out().print(f"{counted(changed, 'plan')} {done} of {len(made)}{rest}")


def _show_diff(made: list[Draft]) -> None:
    import sys

    from orchestrator.views.text import near

    for one in made:
        name = near(one.file.parent, one.file.name)
        rows = difflib.unified_diff(
            one.old.splitlines(keepends=True), one.new.splitlines(keepends=True), name, name
        )
        for row in rows:
            end = "" if row.endswith("\n") else "\n\\ No newline at end of file\n"
            sys.stdout.write(row + end)


def _document(one: Draft, *, written: bool) -> dict[str, Any]:
    return {
        "file": str(one.file),
        "changed": one.changed,
        "written": written and one.changed,
        "refused": one.refused,
        "report": list(one.report),
    }
