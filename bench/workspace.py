"""What the workspace of a task costs, step by step, beside plain git doing the least by hand in the same run; it prints and asserts nothing.

python -m bench.workspace
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from orchestrator import settings
from orchestrator.model import RunId, Work
from orchestrator.workspace import Facts, Ground, Place, Rebased, Repository, examine
from tests.conftest import REPOSITORY

FILES = 20_000
TASKS, LIMIT_S = 12, 40.0  # of each repository: so many, or as many as begin in that time
STEPS = ("create", "commit", "land", "remove")
MESSAGE = "feat(bench): work\n"
IDENTITY = "[user]\nname = bench\nemail = bench@localhost\n"

Times = defaultdict[str, list[float]]


def git(place: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=place, capture_output=True, text=True, check=True
    ).stdout.strip()


def write(place: Path, task: int) -> None:
    """A task's work: one file changed, one new; never those of another."""
    changed = git(place, "ls-files").splitlines()[task]
    with (place / changed).open("a") as file:
        file.write("changed\n")
    (place / f"new-{task}.txt").write_text("new\n")


# --- the repositories -----------------------------------------------------------------------------


def this_one(place: Path) -> Path:
    git(place, "clone", "-q", "--no-local", str(REPOSITORY), "this")
    git(place / "this", "switch", "-q", "-C", "main")
    return place / "this"


def generated(place: Path) -> Path:
    root = place / "generated"
    for number in range(FILES):
        file = root / f"{number % 20:02}" / f"{number // 20 % 25:02}" / f"{number}.txt"
        if number < 500:
            file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{number}\n" * 40)
    (root / "readme.txt").write_text("generated\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "--all")
    git(root, "commit", "-q", "-m", "generated")
    return root


# --- the same four steps --------------------------------------------------------------------------


class ByHand:
    """The least that a person would type."""

    def __init__(self, root: Path) -> None:
        self.root, self.home = root, root.parent / f"{root.name}-by-hand"
        self.base = git(root, "rev-parse", "HEAD")
        self.result = self.home / "result"
        git(root, "worktree", "add", "-q", "-b", "result", str(self.result), self.base)

    async def create(self, task: int) -> None:
        git(self.root, "worktree", "add", "-q", "--detach", str(self.home / str(task)), self.base)

    async def commit(self, task: int) -> None:
        git(self.home / str(task), "add", "--all")
        git(self.home / str(task), "commit", "-q", "-m", MESSAGE)

    async def land(self, task: int) -> None:
        commit = git(self.home / str(task), "rev-parse", "HEAD")
        git(self.result, "cherry-pick", commit)

    async def remove(self, task: int) -> None:
        git(self.root, "worktree", "remove", str(self.home / str(task)))

    def place(self, task: int) -> Path:
        return self.home / str(task)


class Ours:
    """What the engine calls for a task."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._base = ground, ground.tip
        self._begin, self._work = dict[int, str](), dict[int, Work]()

    async def create(self, task: int) -> None:
        place = Place(self.place(task), self._base)
        await self._ground.open(place, (), ())
        self._begin[task] = await self._ground.found(place.path)

    async def commit(self, task: int) -> None:
        ground, path = self._ground, self.place(task)
        work = await ground.keep(path, self._base, self._begin[task], None, MESSAGE)
        assert work.commit
        await ground.repository.keep(ground.ref(path.name, 1), work.commit)
        self._work[task] = work

    async def land(self, task: int) -> None:
        ground, work = self._ground, self._work[task]
        rebased = await ground.rebase(work, MESSAGE)
        assert isinstance(rebased, Rebased)
        assert rebased.commit
        await ground.advance(rebased.commit, rebased.tip)
        await ground.repository.drop(ground.ref(self.place(task).name, 1))

    async def remove(self, task: int) -> None:
        await self._ground.close(self.place(task))

    def place(self, task: int) -> Path:
        return self._ground.home / str(task)


async def ground(root: Path) -> Ground:
    scratch = root / ".orchestrator/runs/bench"
    scratch.mkdir(parents=True)
    (root / ".orchestrator/.gitignore").write_text("*\n")
    facts = await examine(root)
    assert isinstance(facts, Facts), facts
    assert facts.head
    repository, own = Repository(root, facts), settings.load(root).workspace
    env = dict(os.environ)
    made = Ground(repository, RunId("bench"), root, scratch, own, env, (), facts.head)
    await repository.move(made.branch, facts.head)
    return made


async def timed(times: Times, step: str, call: Callable[[int], Awaitable[None]], task: int) -> None:
    began = time.perf_counter()
    await call(task)
    times[step].append(time.perf_counter() - began)


async def measure(root: Path) -> tuple[Times, Times]:
    """Seconds of each step: ours and by hand, one after the other, whoever is first in turn."""
    sides = (Ours(await ground(root)), ByHand(root))
    times = (Times(list), Times(list))
    limit = time.monotonic() + LIMIT_S
    for task in range(TASKS):
        if time.monotonic() > limit and task > 1:
            break
        for number in (0, 1) if task % 2 else (1, 0):
            side = sides[number]
            for step in STEPS:
                await timed(times[number], step, getattr(side, step), task)
                if step == "create":
                    write(side.place(task), task)
    return times


def show(name: str, ours: Times, by_hand: Times) -> None:
    for step in (*STEPS, "all"):
        steps = STEPS if step == "all" else (step,)
        mine, plain = (
            sum(statistics.median(side[one]) for one in steps) for side in (ours, by_hand)
        )
        row = (name, step, f"{mine * 1000:.0f} ms", f"{plain * 1000:.0f} ms", f"{mine / plain:.2f}")
        print("".join(f"{word:>18}" for word in row))


def main() -> None:
    print("".join(f"{word:>18}" for word in ("repository", "step", "ours", "by hand", "ratio")))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / ".gitconfig").write_text(IDENTITY)
        os.environ.update({"HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"})
        for make in (this_one, generated):
            root = make(place)
            count = len(git(root, "ls-files").splitlines())
            show(f"{count} files", *anyio.run(measure, root))
    print(
        "medians; by hand: worktree add, add --all and commit, cherry-pick, worktree remove; ours begins and ends with a "
        "look at the whole tree, keeps the work under a ref, and waits until commits are on the disk"
    )


if __name__ == "__main__":
    main()
