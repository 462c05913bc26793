"""Plans -> which plan waits for which: depends_on in every spelling, waves, phases. Refuses a plan that waits for itself."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from orchestrator.graph.edges import KnownPlan, Reason
from orchestrator.model import Diagnostic, Noun, Plan, PlanId
from orchestrator.model.codes import diagnostic
from orchestrator.model.plan import stem

STEM = re.compile(r"^(?P<phase>\d+(?:\.\d+)*[a-z]?)-(?P<plan>\d+[a-z]?)(?:-(?P<slug>.+))?$")
FLOAT = re.compile(r"^(\d+)\.(\d+)$")  # 1.1 for plan 01 of phase 01
PLAN_SUFFIX = re.compile(r"(?:[-_.]?plan)?(?:\.md)?$")
PHASE = re.compile(r"^(\d+(?:\.\d+)*)([a-z]?)(?![a-z])")


PhaseNumber = tuple[tuple[int, ...], str]  # "02.1" -> ((2, 1), ""), "36A" -> ((36,), "a")


class PlanEdge(Noun):
    before: PlanId
    after: PlanId
    reason: Reason


def plan_edges(plans: Sequence[Plan], book: Book, said: list[Diagnostic]) -> Iterator[PlanEdge]:
    """Edges between the plans of the run; what is wrong or unmet is appended to `said`."""
    for plan in plans:
        for reference in dict.fromkeys(plan.depends_on or ()):
            yield from _declared(plan, reference, book, said)
    yield from _waves(plans)
    yield from _phases(plans)


def phase_folder(path: str) -> str:
    """The folder that makes plans siblings; a nested `plans/` belongs to the phase above it."""
    folder = PurePosixPath(path).parent
    return str(folder.parent if folder.name == "plans" and _phase(folder.parent) else folder)


class Book:
    """Every spelling under which a plan is known, near (same phase) before far."""

    def __init__(self, plans: Iterable[Plan | KnownPlan]) -> None:
        self._near: dict[tuple[str, str], Plan | KnownPlan] = {}
        self._far: dict[str, list[Plan | KnownPlan]] = defaultdict(list)
        self._shown: dict[str, Plan | KnownPlan] = {}
        for plan in plans:
            if isinstance(plan, Plan):
                self._shown[plan.id] = plan
            folder = phase_folder(plan.path)
            for name in _spellings(plan.path):
                self._near.setdefault((folder, name), plan)
            for name in _spellings(plan.path)[:2]:  # never a bare number from another phase
                self._far[name].append(plan)

    def find(self, plan: Plan, reference: str) -> Plan | KnownPlan | None:
        name = _normal(reference)
        folder = phase_folder(plan.path)
        spellings = (name, _canonical(name), FLOAT.sub(r"\1-\2", name))
        near = next((one for each in spellings if (one := self._near.get((folder, each)))), None)
        if near:
            return near
        far = self._far.get(name) or self._far.get(_canonical(name)) or []
        home = PurePosixPath(folder).parent
        return next((one for one in far if PurePosixPath(one.path).is_relative_to(home)), None)

    def named(self, plan: Plan, name: str) -> Plan | KnownPlan | None:
        """The plan before the slash of `08-02/4`: by its shown name, else as depends_on would find it."""
        return self._shown.get(name) or self.find(plan, name)


def _normal(reference: str) -> str:
    name = reference.strip().strip("\"'").replace("\\", "/").rpartition("/")[2].lower()
    nested = re.match(r"plan[-_ ]?(?=\d)", name)  # `PLAN-02-auth.md`, `plan 02`
    return PLAN_SUFFIX.sub("", name[nested.end() :] if nested else name)


def _spellings(path: str) -> list[str]:
    """Longest first: "01-02-auth", "1-2", "2", and the slug."""
    name = stem(path).lower()
    found = STEM.match(name)
    if not found:
        return [name, _canonical(name)]
    slug = [found["slug"], f"{found['plan']}-{found['slug']}"] if found["slug"] else []
    return [name, _canonical(name), _plain(found["plan"]), *slug]


def _canonical(name: str) -> str:
    """Without leading zeros and without slug: "01-02-auth" -> "1-2", "01" -> "1"."""
    found = STEM.match(name)
    return f"{_plain(found['phase'])}-{_plain(found['plan'])}" if found else _plain(name)


def _plain(number: str) -> str:
    return number.lstrip("0") or number


def _declared(plan: Plan, reference: str, book: Book, said: list[Diagnostic]) -> Iterator[PlanEdge]:
    found = book.find(plan, reference)
    if found is None:
        text = f'depends_on "{reference}" names no plan that is here; it is taken as met'
        said.append(_say(plan, "G511", text))
    elif found.path == plan.path:
        said.append(_say(plan, "G512", f'depends_on "{reference}" is this plan; remove it'))
    elif isinstance(found, Plan):
        yield PlanEdge(before=found.id, after=plan.id, reason=Reason.PLAN)
    elif not found.finished:
        halted = " (its SUMMARY says halted)" if found.halted else ""
        text = (
            f'depends_on "{reference}" is not finished{halted} and not part of this run: '
            f"run {found.path} first, run their folder, or use --ignore-deps"
        )
        said.append(_say(plan, "G513", text))


def _waves(plans: Sequence[Plan]) -> Iterator[PlanEdge]:
    """`wave` orders a phase only where none of its plans says depends_on."""
    for siblings in _siblings(plans).values():
        if any(plan.depends_on for plan in siblings):
            continue
        waves = defaultdict(list)
        for plan in siblings:
            if plan.wave is not None:
                waves[plan.wave].append(plan)
        yield from _one_after_another([waves[wave] for wave in sorted(waves)], Reason.WAVE)


def disagreeing_waves(plans: Sequence[Plan], edges: Iterable[PlanEdge]) -> Iterator[Diagnostic]:
    """A `wave` below or beside that of a plan it waits for: the edges count, the number is wrong."""
    by_id = {plan.id: plan for plan in plans}
    for edge in edges:
        before, after = by_id[edge.before], by_id[edge.after]
        if edge.reason is not Reason.PLAN or before.wave is None or after.wave is None:
            continue
        if before.wave >= after.wave and phase_folder(before.path) == phase_folder(after.path):
            text = f"wave {after.wave} is not after wave {before.wave} of {before.id}, which it depends on; depends_on counts"
            yield _say(after, "G514", text)


def late_waves(plans: Sequence[Plan], edges: Iterable[PlanEdge]) -> Iterator[Diagnostic]:
    """A `wave` later than depends_on asks for, in a phase whose plans say depends_on."""
    by_id = {plan.id: plan for plan in plans}
    before: dict[PlanId, list[PlanId]] = defaultdict(list)
    for edge in edges:
        same = phase_folder(by_id[edge.before].path) == phase_folder(by_id[edge.after].path)
        if edge.reason is Reason.PLAN and same:
            before[edge.after].append(edge.before)
    for siblings in _siblings(plans).values():
        first = min((plan.wave for plan in siblings if plan.wave is not None), default=1)
        for plan in siblings:
            waited = [by_id[one].wave for one in before[plan.id]]
            known = [wave for wave in waited if wave is not None]
            enough = max(known) + 1 if known else min(first, 1)
            if plan.wave is None or len(known) < len(waited) or plan.wave <= enough:
                continue
            if known or (plan.depends_on == () and any(one.depends_on for one in siblings)):
                text = f"wave {plan.wave}, but by depends_on it can start in wave {enough}; depends_on counts"
                yield _say(plan, "G515", text)


def _phases(plans: Sequence[Plan]) -> Iterator[PlanEdge]:
    """Plans of a phase wait for those of the phase before, where folders are numbered phases."""
    homes: dict[PurePosixPath, dict[PhaseNumber, list[Plan]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for plan in plans:
        folder = PurePosixPath(phase_folder(plan.path))
        number = _phase(folder)
        if number and (folder.parent.name == "phases" or folder.parent.name.endswith("-phases")):
            homes[folder.parent][number].append(plan)
    for phases in homes.values():
        ordered = [phases[number] for number in sorted(phases)]
        yield from _one_after_another(ordered, Reason.PHASE)


def _phase(folder: PurePosixPath) -> PhaseNumber | None:
    found = PHASE.match(folder.name.lower())
    return (tuple(map(int, found[1].split("."))), found[2]) if found else None


def _one_after_another(groups: Sequence[Sequence[Plan]], reason: Reason) -> Iterator[PlanEdge]:
    for earlier, later in pairwise(groups):
        for before in earlier:
            for after in later:
                yield PlanEdge(before=before.id, after=after.id, reason=reason)


def _siblings(plans: Sequence[Plan]) -> Mapping[str, list[Plan]]:
    siblings: dict[str, list[Plan]] = defaultdict(list)
    for plan in plans:
        siblings[phase_folder(plan.path)].append(plan)
    return siblings


def _say(plan: Plan, code: str, message: str) -> Diagnostic:
    place = plan.place("wave" if code in ("G514", "G515") else "depends_on")
    return diagnostic(code, plan.path, place, message)
