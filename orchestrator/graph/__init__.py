"""Plans -> TaskGraph: who waits for whom and who must not meet. The only importer of networkx; refuses bad graphs, never repairs them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, groupby

import networkx as nx

from orchestrator.graph.edges import Edge, KnownPlan, Reason, say, task_edges
from orchestrator.graph.plans import Book, PlanEdge, disagreeing_waves, late_waves, plan_edges
from orchestrator.graph.writes import shared_files
from orchestrator.model import Diagnostic, Plan, PlanId, Severity, Task, TaskId
from orchestrator.model.codes import diagnostic

__all__ = ["Edge", "KnownPlan", "Reason", "TaskGraph", "build"]

DEFAULT_DURATION_S = 900.0  # of a task without an estimate: only the order of starts depends on it


class TaskGraph:
    """Immutable once built. Iterating gives the tasks in document order."""

    def __init__(
        self,
        plans: Sequence[Plan],
        edges: Iterable[Edge],
        *,
        isolated: bool,
        seconds: Mapping[TaskId, float] | None = None,
    ) -> None:
        self.plans: Mapping[PlanId, Plan] = {plan.id: plan for plan in plans}
        self.tasks: Mapping[TaskId, Task] = {t.id: t for plan in plans for t in plan.tasks}
        self._plan_of = {task.id: plan for plan in plans for task in plan.tasks}
        self._isolated = isolated
        self._seconds = seconds or {}
        self._graph: nx.DiGraph[TaskId] = nx.DiGraph()
        self._graph.add_nodes_from(self.tasks)
        for edge in edges:
            # the first reason is the told one
            if not self._graph.has_edge(edge.before, edge.after):
                self._graph.add_edge(edge.before, edge.after, edge=edge)
        self._remaining_s = self._longest_remaining()

    def __iter__(self) -> Iterator[TaskId]:
        return iter(self.tasks)

    def plan_of(self, task: TaskId) -> Plan:
        return self._plan_of[task]

    def edges(self) -> list[Edge]:
        return [self._graph.edges[pair]["edge"] for pair in self._graph.edges]

    def before(self, task: TaskId) -> list[TaskId]:
        """The tasks that this one waits for itself."""
        return list(self._graph.predecessors(task))

    def all_after(self, task: TaskId) -> set[TaskId]:
        return set(nx.descendants(self._graph, task))

    def all_before(self, task: TaskId) -> set[TaskId]:
        return set(nx.ancestors(self._graph, task))

    def remaining_s(self, task: TaskId) -> float:
        """Seconds on the longest way from the start of this task to the end of the run."""
        return self._remaining_s[task]

    def critical_path(self, seconds: Mapping[TaskId, float] | None = None) -> list[TaskId]:
        """The chain that takes longest: more workers do not make the run shorter than it."""
        taken = seconds or {task: self._duration_s(task) for task in self.tasks}
        until: dict[TaskId, float] = {}
        came: dict[TaskId, TaskId | None] = {}
        for task in nx.topological_sort(self._graph):
            before = max(self._graph.predecessors(task), key=until.__getitem__, default=None)
            came[task] = before
            until[task] = taken[task] + (until[before] if before is not None else 0.0)
        path: list[TaskId] = []
        last = max(reversed(until), key=until.__getitem__, default=None)
        while last is not None:
            path.append(last)
            last = came[last]
        return path[::-1]

    def width(self) -> int:
        """The most tasks of which none waits for another (Dilworth: tasks less a largest matching)."""
        closure = nx.transitive_closure_dag(self._graph)
        pairs: nx.Graph[tuple[str, TaskId]] = nx.Graph()
        left = [("before", task) for task in self.tasks]
        pairs.add_nodes_from(left)
        pairs.add_edges_from((("before", a), ("after", b)) for a, b in closure.edges)
        matched = nx.bipartite.hopcroft_karp_matching(pairs, left)
        return len(self.tasks) - len(matched) // 2

    def direct(self) -> list[Edge]:
        """The edges without those that others imply: enough to draw."""
        reduced = nx.transitive_reduction(self._graph)
        return [edge for edge in self.edges() if reduced.has_edge(edge.before, edge.after)]

    def levels(self) -> list[list[TaskId]]:
        """Tasks by the longest chain in front of them."""
        return [list(level) for level in nx.topological_generations(self._graph)]

    def clash(self, a: TaskId, b: TaskId) -> str | None:
        """Why these two must not run at once though neither waits for the other; None if they may."""
        one, two = self.tasks[a], self.tasks[b]
        named = set(one.resources) & set(two.resources)
        if named:
            return f"both use {min(named)}"
        same_plan = self._plan_of[a].id == self._plan_of[b].id
        alone = next((t.id for t in (one, two) if _is_alone(t)), None)
        if same_plan and alone:
            return f'{alone} is parallel="sequential"'
        unknown = next((t.id for t in (one, two) if t.files is None), None)
        if unknown and not self._isolated:
            return f"{unknown} declares no <files>, and both work in one directory"
        return None

    def meaning(self) -> tuple[object, ...]:
        """Who waits for whom in the end, and who must not meet; equal for graphs that run alike."""
        closure = nx.transitive_closure_dag(self._graph)
        pairs = combinations(self.tasks, 2)
        clashes = {
            (a, b) for a, b in pairs if self.clash(a, b) and not self._ordered(closure, a, b)
        }
        return frozenset(closure.edges), frozenset(clashes)

    @staticmethod
    def _ordered(closure: nx.DiGraph[TaskId], a: TaskId, b: TaskId) -> bool:
        return bool(closure.has_edge(a, b) or closure.has_edge(b, a))

    def batches(self) -> list[list[TaskId]]:
        """For people: topological generations, split by what each task waits for last. Never barriers."""
        place = {task: number for number, task in enumerate(self.tasks)}
        last = nx.transitive_reduction(self._graph)
        batches = []
        for generation in nx.topological_generations(self._graph):
            signed = sorted(
                (sorted(map(place.__getitem__, last.predecessors(t))), place[t]) for t in generation
            )
            ids = list(self.tasks)
            for _, group in groupby(signed, key=lambda item: item[0]):
                batches.append([ids[number] for _, number in group])
        return batches

    def isolated(self) -> TaskGraph:
        """The same for attempts that have a worktree each."""
        return TaskGraph(
            list(self.plans.values()), self.edges(), isolated=True, seconds=self._seconds
        )

    def weighed(self, seconds: Mapping[TaskId, float]) -> TaskGraph:
        """The same where tasks take so long; only the order of starts depends on it."""
        return TaskGraph(
            list(self.plans.values()), self.edges(), isolated=self._isolated, seconds=seconds
        )

    def restricted(self, keep: set[TaskId]) -> TaskGraph:
        """The same graph without other tasks; who waited for one of them waits for what it waited for."""
        closure = nx.transitive_closure_dag(self._graph)
        plans = [
            plan.model_copy(update={"tasks": tuple(t for t in plan.tasks if t.id in keep)})
            for plan in self.plans.values()
        ]
        edges = [
            self._graph.edges[a, b]["edge"]
            if self._graph.has_edge(a, b)
            else Edge(before=a, after=b, reason=Reason.DEPENDS_ON)
            for a, b in closure.subgraph(keep).edges
        ]
        return TaskGraph([p for p in plans if p.tasks], edges, isolated=self._isolated)

    def _longest_remaining(self) -> dict[TaskId, float]:
        longest: dict[TaskId, float] = {}
        for task in reversed(list(nx.topological_sort(self._graph))):
            after = max((longest[one] for one in self._graph.successors(task)), default=0.0)
            longest[task] = after + self._duration_s(task)
        return longest

    def _duration_s(self, task: TaskId) -> float:
        """What the plan says, else what is known besides."""
        told = self.tasks[task].estimated_duration_s
        if told is not None:
            return (told.low + told.high) / 2
        return self._seconds.get(task, DEFAULT_DURATION_S)


def _is_alone(task: Task) -> bool:
    return task.parallel == "sequential" and task.depends_on is not None


def build(
    plans: Sequence[Plan], others: Sequence[KnownPlan] = ()
) -> tuple[TaskGraph | None, list[Diagnostic]]:
    """The graph of `plans` and what is wrong with it, all at once; None if it cannot be run.

    `others` are the project's plans outside the run. Attempts share one directory, unless it is asked for `isolated`.
    """
    said: list[Diagnostic] = []
    by_id = {plan.id: plan for plan in plans}
    book = Book([*plans, *others])
    edges = [edge for plan in plans for edge in task_edges(plan, book, said)]
    between = list(plan_edges(plans, book, said))
    said.extend(disagreeing_waves(plans, between))
    said.extend(late_waves(plans, between))
    edges += _spread(between, edges, by_id)
    said += _cycles(plans, edges)
    if any(one.severity is Severity.ERROR for one in said):
        return None, said
    edges += _conflicts(plans, edges)
    return TaskGraph(plans, edges, isolated=False), said


def _spread(
    between: Iterable[PlanEdge], edges: Iterable[Edge], plans: Mapping[PlanId, Plan]
) -> Iterator[Edge]:
    """A plan that waits for a plan: its first tasks wait for the last tasks of the other."""
    home = {task.id: plan.id for plan in plans.values() for task in plan.tasks}
    inside = [edge for edge in edges if home[edge.before] == home[edge.after]]
    waited, waiting = {edge.before for edge in inside}, {edge.after for edge in inside}
    for link in between:
        lasts = [t for t in plans[link.before].tasks if t.id not in waited]
        firsts = [t for t in plans[link.after].tasks if t.id not in waiting]
        for last in lasts:
            for first in firsts:
                yield Edge(before=last.id, after=first.id, reason=link.reason)


def _cycles(plans: Sequence[Plan], edges: Sequence[Edge]) -> Iterator[Diagnostic]:
    graph: nx.DiGraph[TaskId] = nx.DiGraph((edge.before, edge.after) for edge in edges)
    home = {task.id: (plan, task) for plan in plans for task in plan.tasks}
    place = {task: number for number, task in enumerate(home)}
    between = {(edge.before, edge.after) for edge in edges if edge.reason is Reason.PLAN}
    for knot in nx.strongly_connected_components(graph):
        if len(knot) == 1:
            continue
        start = min(knot, key=place.__getitem__)
        path = [a for a, _ in nx.find_cycle(graph.subgraph(knot), start)]
        first = path.index(min(path, key=place.__getitem__))
        path = path[first:] + path[:first]
        names = " -> ".join((*path, path[0]))
        plan, task = home[path[0]]
        told = f"tasks wait for each other: {names}; remove one of these"
        if (path[-1], path[0]) in between:
            yield diagnostic("G505", plan.path, plan.place("depends_on"), told)
        else:
            yield say(plan, task, "G505", told)


def _conflicts(plans: Sequence[Plan], edges: Iterable[Edge]) -> Iterator[Edge]:
    """Edges between tasks that write the same file and could meet, one at a time: none closes a cycle."""
    reach = _Reach((task.id for plan in plans for task in plan.tasks), edges)
    for first, second, file in shared_files(plans):
        if not reach.ordered(first, second):
            reach.add(first, second)
            yield Edge(before=first, after=second, reason=Reason.CONFLICT, note=file)


class _Reach:
    """Who comes before whom, kept up while edges are added; one bit per task."""

    def __init__(self, tasks: Iterable[TaskId], edges: Iterable[Edge]) -> None:
        self._bit = {task: 1 << number for number, task in enumerate(tasks)}
        self._above = dict.fromkeys(self._bit, 0)
        self._below: dict[TaskId, set[TaskId]] = defaultdict(set)
        graph: nx.DiGraph[TaskId] = nx.DiGraph((edge.before, edge.after) for edge in edges)
        for task in nx.topological_sort(graph):
            for after in graph.successors(task):
                self._below[task].add(after)
                self._above[after] |= self._above[task] | self._bit[task]

    def ordered(self, a: TaskId, b: TaskId) -> bool:
        return bool(self._above[b] & self._bit[a] or self._above[a] & self._bit[b])

    def add(self, before: TaskId, after: TaskId) -> None:
        self._below[before].add(after)
        gained = self._above[before] | self._bit[before]
        pending = [after]
        while pending:
            task = pending.pop()
            if self._above[task] | gained != self._above[task]:
                self._above[task] |= gained
                pending.extend(self._below[task])
