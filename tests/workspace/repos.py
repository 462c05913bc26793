"""Scratch repositories, and evidence that asks git and the disk alone: what is in a tree, what is in a folder, what is left behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator import engine, project, settings
from orchestrator.model import Event, EventKind, RunId, TaskId
from orchestrator.order import Order
from orchestrator.workers import Worker
from orchestrator.workspace import Facts, Ground, Repository, examine
from orchestrator.workspace.worktrees import Worktrees
from tests.conftest import OPEN, REPOSITORY
from tests.engine.runs import Ran, Watcher, write_plan

LIMIT_S = 60.0
RUN = RunId("run")
PLAN = "plans/demo-PLAN.md"
ME = "[user]\nname = Ann\nemail = ann@example.org\n[init]\ndefaultBranch = main\n"

Entries = dict[bytes, tuple[str, bytes]]  # path -> git's mode, and the content


def isolate(monkeypatch: pytest.MonkeyPatch, home: Path, config: str = ME) -> None:
    """git sees a home of the test's own, and nothing of this machine."""
    (home / ".gitconfig").write_text(config)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)


def git(
    place: Path,
    *words: str | bytes | Path,
    code: int = 0,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> str:
    """As a person calls it; what it says, without the last line end."""
    return raw(place, *words, code=code, stdin=stdin, env=env).decode("utf-8", "surrogateescape")


def raw(
    place: Path,
    *words: str | bytes | Path,
    code: int = 0,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> bytes:
    surroundings = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8", **(env or {})}
    done = subprocess.run(
        ["git", *words],
        cwd=place,
        env=surroundings,
        input=stdin,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == code, (
        f"git {words}: {done.returncode}: {done.stdout!r} {done.stderr!r}"
    )
    return done.stdout.removesuffix(b"\n")


def begin(root: Path, files: Mapping[str, str] | None = None) -> Path:
    """A repository with two commits, and the folder of the orchestrator that git does not see."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    hide(root)
    lay(root, files or {"a.txt": "one\n", "src/b.txt": "two\n", ".gitignore": "*.log\nbuild/\n"})
    commit(root, "first")
    lay(root, {"second.txt": "second\n"})
    commit(root, "second")
    return root


def hide(root: Path) -> None:
    (root / ".orchestrator").mkdir(parents=True, exist_ok=True)
    (root / ".orchestrator/.gitignore").write_text("*\n!config.toml\n")


def lay(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())


def commit(root: Path, subject: str = "change") -> str:
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", subject)
    return git(root, "rev-parse", "HEAD")


# --- evidence -------------------------------------------------------------------------------------


def on_disk(top: Path) -> Entries:
    """All that git could take: files and links, with the one mode bit that it knows."""
    found: Entries = {}
    for folder, folders, names in os.walk(os.fsencode(top)):
        links = [one for one in folders if os.path.islink(os.path.join(folder, one))]
        folders[:] = [one for one in folders if one not in (b".git", b".orchestrator", *links)]
        for name in {*names, *links} - {b".git"}:
            place = os.path.join(folder, name)
            path = os.path.relpath(place, os.fsencode(top))
            mode = os.lstat(place).st_mode
            if stat.S_ISLNK(mode):
                found[path] = ("120000", os.readlink(place))
            elif stat.S_ISREG(mode):
                with open(place, "rb") as file:
                    found[path] = ("100755" if mode & 0o100 else "100644", file.read())
    return found


def in_tree(root: Path, tree: str) -> Entries:
    """The same of a commit or a tree."""
    rows = [row for row in raw(root, "ls-tree", "-r", "-z", tree).split(b"\0") if row]
    found: Entries = {}
    for row in rows:
        head, _, path = row.partition(b"\t")
        mode, kind, name = head.decode().split()
        found[path] = (mode, name.encode() if kind == "commit" else _blob(root, name))
    return found


def _blob(root: Path, name: str) -> bytes:
    done = subprocess.run(
        ["git", "cat-file", "blob", name],
        cwd=root,
        capture_output=True,
        timeout=LIMIT_S,
        check=True,
    )
    return done.stdout


def text_of(root: Path, commit: str, path: str) -> str:
    return in_tree(root, commit)[os.fsencode(path)][1].decode()


def traces(root: Path) -> dict[str, object]:
    """What a run must leave as it was, but for its objects and its own folder."""
    common = Path(git(root, "rev-parse", "--path-format=absolute", "--git-common-dir"))
    admin = Path(git(root, "rev-parse", "--absolute-git-dir"))
    made = common / "worktrees"
    return {
        "worktrees": git(root, "worktree", "list", "--porcelain"),
        "admin": sorted(one.name for one in made.iterdir()) if made.is_dir() else [],
        "refs": git(root, "for-each-ref", "--format=%(refname) %(objectname)"),
        "config": (common / "config").read_bytes(),
        "head": (admin / "HEAD").read_bytes(),
        "index": (admin / "index").read_bytes() if (admin / "index").exists() else None,
        "hooks": sorted(one.name for one in (common / "hooks").iterdir()),
        "locks": sorted(
            one.name for one in common.rglob("*.lock") if "orchestrator" not in one.name
        ),
        "branches": sorted(one.name for one in (common / "logs/refs").rglob("*")),
        "files": on_disk(root),
    }


def clocks(top: Path) -> dict[str, int]:
    """When each file was last written."""
    return {
        str(one.relative_to(top)): one.lstat().st_mtime_ns
        for one in sorted(top.rglob("*"))
        if not one.is_dir()
    }


# --- ours -----------------------------------------------------------------------------------------


async def repository(root: Path) -> Repository:
    facts = await examine(root)
    assert isinstance(facts, Facts), facts
    return Repository(root, facts)


async def worktrees(root: Path, run: str = RUN) -> Worktrees:
    scratch = root / ".orchestrator/runs" / run
    scratch.mkdir(parents=True, exist_ok=True)
    return Worktrees(await repository(root), root / ".orchestrator/worktrees" / run, scratch)


async def ground(root: Path, **workspace: object) -> Ground:
    """With its result branch at HEAD; `workspace` is what stands in that section of the settings."""
    scratch = root / ".orchestrator/runs" / RUN
    scratch.mkdir(parents=True, exist_ok=True)
    its = await repository(root)
    assert its.facts.head
    own = settings.load(root, {"workspace": workspace}).workspace
    env = {"PATH": os.environ["PATH"]}
    made = Ground(its, RUN, root, scratch, own, env, (PLAN,), its.facts.head)
    await its.move(made.branch, its.facts.head)
    return made


# --- whole runs -----------------------------------------------------------------------------------

HEAD = "---\nphase: demo\nplan: 01\n---\n<objective>\nDemo.\n</objective>\n"


def plan_of(root: Path, *tasks: str, head: str = HEAD, tail: str = "") -> Path:
    """A plan that is committed, as a person's is."""
    path = write_plan(root, *tasks, head=head, tail=tail)
    git(root, "add", str(path))
    git(root, "commit", "-q", "-m", "the plan")
    return path


async def run(
    root: Path,
    *,
    workers: Mapping[str, Worker] | None = None,
    watcher: Watcher | None = None,
    slots: int = 5,
    conf: Mapping[str, object] | None = None,
    **order: object,
) -> Ran:
    """All plans of the project, each attempt in a worktree. `conf` is the section `workspace` of the settings."""
    chosen = settings.load(root, {"workspace": {"look_s": 0, **(conf or {})}})
    files = project.find((root / "plans",))
    sources = project.sources(root, files)
    loaded = project.isolate(project.load(root, sources, chosen.reader))
    asked = Order.model_validate({"workers": slots, "isolated": True} | order)
    watcher = watcher or Watcher()
    name, code = await engine.begin(root, sources, loaded, asked, chosen, watcher, workers)
    return Ran(name, code, root, watcher)


@dataclass
class Flags(Watcher):
    """Touches a file in `folder` as soon as an event is recorded, for scripts to wait for: KIND, and KIND.TASK."""

    folder: Path = Path()

    def happened(self, event: Event) -> None:
        super().happened(event)
        number = (event.task or "").rpartition("/")[2]
        (self.folder / event.kind).touch()
        (self.folder / f"{event.kind}.{number}.{event.attempt}").touch()


def wait_for(folder: Path, kind: EventKind, task: int, attempt: int = 1) -> str:
    """In a script: until that has been recorded."""
    return f"until test -e {folder}/{kind}.{task}.{attempt}; do sleep 0.02; done"


def data(ran: Ran, kind: EventKind, task: str | None = None) -> list[Mapping[str, Any]]:
    """Of each event of this kind."""
    return [one.data for one in ran.events if one.kind is kind and task in (None, one.task)]


def landed(ran: Ran, task: str) -> str:
    commit = ran.history.of(TaskId(task)).commit
    assert commit, f"{task} has not landed: {ran.failures(task)}"
    return commit


# --- the command ----------------------------------------------------------------------------------


class Person:
    """Who calls the command, with a home of their own and nothing of this machine."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.environment = {
            **OPEN,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.home / "data"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LANG": "C.UTF-8",
        }

    def call(self, root: Path, *words: str, env: Mapping[str, str] | None = None) -> Told:
        with self.started(root, *words, env=env) as engine:
            return engine.told()

    @contextmanager
    def started(
        self, root: Path, *words: str, env: Mapping[str, str] | None = None
    ) -> Iterator[Started]:
        """The command while it runs; it does not outlive the test."""
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=root,
            env=self.environment | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Started(process)
        finally:
            process.kill()
            process.communicate()


class Started:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def told(self) -> Told:
        """All that it says until its end."""
        said, _ = self._process.communicate(timeout=LIMIT_S)
        return Told(self._process.returncode, " ".join(said.decode("utf-8", "replace").split()))


class Told(str):
    """What it said, with single spaces, and how it ended."""

    code: int

    def __new__(cls, code: int, text: str) -> Told:
        told = super().__new__(cls, text)
        told.code = code
        return told


def result_of(root: Path) -> str:
    """The one result branch that is left."""
    (name,) = git(
        root, "for-each-ref", "--format=%(refname:short)", "refs/heads/orchestrator"
    ).split()
    return name


def handed_over(root: Path, told: Told, *files: bytes) -> None:
    """HEAD, its branch, the index and the files have the work; nothing is left of the run."""
    assert told.code == 0, told
    assert {*files, PLAN.replace("PLAN", "SUMMARY").encode()} <= set(in_tree(root, "HEAD"))
    assert git(root, "for-each-ref", "refs/heads/orchestrator", "refs/orchestrator") == ""
    assert git(root, "diff", "HEAD", "--name-only") == ""
    assert "orchestrator/worktrees" not in git(root, "worktree", "list")
