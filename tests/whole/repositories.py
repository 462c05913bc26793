"""Scratch repositories, the command run and killed in them, and evidence that asks git alone, never the engine's own word."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator import journal
from orchestrator.errors import RecordError, UnknownRun
from orchestrator.model import EventKind
from tests.conftest import OPEN, REPOSITORY
from tests.whole.scripts import ABLE, AGENT, DEADLY_GIT, SLOW_FILTER

SHARED = ("shared.txt", "other.txt")
LINES = "".join(f"line {number}\n" for number in range(1, 13))
PLAN = "plans/demo-PLAN.md"
LIMIT_S = 60.0
MARKER = r"^T[0-9]+-[0-9]+-[0-9]+:"
NEVER_ENDED = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 130}


@dataclass(frozen=True)
class Step:
    """One task. `script` is bash with the words of ABLE; `waits` are attributes of its `<task>`."""

    script: str
    checks: tuple[str, ...]
    files: tuple[str, ...] | None = None
    waits: str = ""
    is_agent: bool = False


@dataclass(frozen=True)
class Kill:
    """`after`: so many events of this engine, or the first of that kind; and then so long."""

    signal: signal.Signals
    after: int | EventKind
    delay_s: float = 0.0


@dataclass(frozen=True)
class Death:
    """Of the engine, `before` or `after` it calls git with these words, when it has done so `call` times."""

    call: int
    side: Literal["before", "after"]
    words: str = ""


@dataclass(frozen=True)
class Case:
    """A project as its person left it, and what happens to the engine that is let loose on it."""

    steps: tuple[Step, ...]
    verification: str = ""  # a command of the plan itself
    dirt: Literal["", "modified", "untracked", "staged"] = ""
    dirty_file: str = "notes.txt"
    include_dirty: bool = False
    is_detached: bool = False
    workers: int = 5
    settings: str = ""
    kills: tuple[Kill | Death, ...] = ()

    @property
    def checks(self) -> list[str]:
        every = [check for step in self.steps for check in step.checks]
        return list(dict.fromkeys([*every, *filter(None, [self.verification])]))


@dataclass(frozen=True)
class Checkout:
    """All of a person's checkout that could be touched: files with their modes, the index, where HEAD is."""

    files: dict[str, str]
    index: str
    head: str
    branch: str


class Scratch:
    """One repository with its plan; `outside` is where scripts tell what they did."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.case, self.folder = case, folder
        self.root, self.outside, home = folder / "project", folder / "outside", folder / "home"
        rubbish = folder / "rubbish"  # a killed engine leaves its temporary folders
        for place in (self.root / "plans", self.outside, home / "config/orchestrator", rubbish):
            place.mkdir(parents=True)
        self.environment = {
            **OPEN,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY),  # the engine is the one beside this test
            "HOME": str(home),
            "TMPDIR": str(rubbish),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_OPTIONAL_LOCKS": "0",  # looking must not write the person's index
            "LANG": "C.UTF-8",
        }
        config = (
            f'{case.settings}\n[workers.mule]\nargv = ["{self.outside}/agent"]\nformat = "text"\n'
        )
        (home / "config/orchestrator/config.toml").write_text(config)
        self._write_book()
        self._begin()

    def _write_book(self) -> None:
        (self.outside / "written").touch()
        agent = self.outside / "agent"
        agent.write_text(AGENT.format(out=self.outside))
        agent.chmod(0o700)
        for number, step in enumerate(self.case.steps, 1):
            (self.outside / f"tries-{number}").touch()
            able = ABLE.format(out=self.outside, number=number)
            (self.outside / f"step-{number}.sh").write_text(f"{able}{step.script}\n")

    def _begin(self) -> None:
        self.git("init", "-q", "-b", "main")
        for name in (*SHARED, "notes.txt"):
            (self.root / name).write_text(LINES)
        (self.root / ".gitignore").write_text("*.log\n")
        (self.root / PLAN).write_text(self._plan())
        self.git("add", "-A")
        self.git("-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-qm", "begin")
        if self.case.is_detached:
            self.git("checkout", "-q", "--detach")
        dirty = self.root / self.case.dirty_file
        if self.case.dirt:
            dirty.write_text(f"{LINES}of the person\n")
        if self.case.dirt == "staged":
            self.git("add", self.case.dirty_file)

    def _plan(self) -> str:
        tasks = "".join(self._task(number, one) for number, one in enumerate(self.case.steps, 1))
        command = self.case.verification
        verification = (
            f"<verification>\n```bash\n{command}\n```\n</verification>\n" if command else ""
        )
        head = "---\nphase: demo\nplan: 01\n---\n<objective>\nDemo.\n</objective>\n"
        return f"{head}<tasks>\n{tasks}</tasks>\n{verification}"

    def _task(self, number: int, step: Step) -> str:
        who = 'worker="mule"' if step.is_agent else 'subagent="bash"'
        action = f"Carry out step {number} of the book."
        if not step.is_agent:
            action = f"```bash\nbash {self.outside}/step-{number}.sh\n```"
        files = "" if step.files is None else f"<files>{', '.join(step.files)}</files>\n"
        checks = "".join(f"<automated>{check}</automated>" for check in step.checks)
        return (
            f'<task type="auto" {who} {step.waits}>\n<name>Step {number}</name>\n{files}'
            f"<action>\n{action}\n</action>\n<verify>{checks}</verify>\n<done>done</done>\n</task>\n"
        )

    # --- what the person does ---------------------------------------------------------------------

    def git(self, *words: str, code: int = 0, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=cwd or self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == code, f"git {words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    @contextmanager
    def engine(self, *words: str, death: Death | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """The command while it runs, alone in its session; it does not outlive the test."""
        environment = self.environment | (self._deadly(death) if death else {})
        with (self.folder / "told").open("ab") as told:
            told.write(f"$ orchestrator {' '.join(words)}\n".encode())
            told.flush()
            engine = subprocess.Popen(
                [sys.executable, "-m", "orchestrator", *words],
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            (self.outside / "engine").write_text(str(engine.pid))
            yield engine
        finally:
            engine.kill()
            engine.wait()

    def _deadly(self, death: Death) -> dict[str, str]:
        """A PATH with a git that ends the engine."""
        git = self.folder / "bin/git"
        git.parent.mkdir(exist_ok=True)
        words = {"out": self.outside, "git": shutil.which("git"), **vars(death)}
        git.write_text(DEADLY_GIT.format(**words))
        git.chmod(0o755)
        (self.outside / "calls").write_text("")
        (self.outside / "deadly").touch()
        return {"PATH": f"{git.parent}:{self.environment['PATH']}"}

    def signal_while_it_writes(self, number: signal.Signals) -> None:
        """The engine gets that signal when git is in the middle of the person's files, behind one that is called *.slow."""
        script = self.outside / "slow"
        words = {"root": self.root, "out": self.outside, "signal": number.value}
        script.write_text(SLOW_FILTER.format(**words))
        script.chmod(0o700)
        (self.outside / "deadly").touch()
        self.git("config", "filter.slow.smudge", str(script))
        (self.root / ".git/info/attributes").write_text("*.slow filter=slow\n")

    @property
    def told(self) -> str:
        return (self.folder / "told").read_text(errors="replace")

    def run_to_its_end(self) -> int:
        """`run`, and `resume` for as long as it was a signal that ended it. The exit code; the checkout is watched."""
        before, kills = self.checkout(), list(self.case.kills)
        for _ in range(len(kills) + 3):
            words = ("resume",) if self.kinds() else self._first_words()
            kill = kills.pop(0) if kills else None
            with self.engine(*words, death=kill if isinstance(kill, Death) else None) as engine:
                code = self._watch(engine, kill if isinstance(kill, Kill) else None, before)
            if code not in NEVER_ENDED:
                return code
            self._wait_for_git()
        raise AssertionError(f"it did not end by itself\n{self.told}")

    def _wait_for_git(self) -> None:
        """One that outlives the engine may still write the person's files; who goes on at once would find it at that."""
        limit = time.monotonic() + LIMIT_S
        while (self.root / ".git/index.lock").exists():
            assert time.monotonic() < limit, f"a lock is left over\n{self.told}"
            time.sleep(0.05)

    def _first_words(self) -> Sequence[str]:
        more = ("--include-dirty",) if self.case.include_dirty else ()
        return ("run", PLAN, "--workers", str(self.case.workers), *more)

    def _watch(self, engine: subprocess.Popen[bytes], kill: Kill | None, before: Checkout) -> int:
        past = seen = len(self.kinds())
        due, limit = None, time.monotonic() + LIMIT_S
        while engine.poll() is None:
            now = time.monotonic()
            assert now < limit, f"it never ended:\n{self.told}"
            kinds = self.kinds()
            if kill and due is None and _is_time(kill, kinds[past:]):
                due = now + kill.delay_s
            if kill and due is not None and now >= due:
                engine.send_signal(kill.signal)
                kill = None
            if len(kinds) > seen:
                seen = len(kinds)
                self._look(before)
            time.sleep(0.002 if kill else 0.02)
        return engine.returncode

    def _look(self, before: Checkout) -> None:
        """Until the result is handed over, nothing of the person's is touched."""
        try:
            now = self.checkout()
        except (OSError, AssertionError):  # its files and HEAD change under us: is that its right?
            now = None
        if EventKind.DELIVERING not in self.kinds():
            assert now == before, f"while running: {differences(before, now)}\n{self.told}"

    # --- evidence ---------------------------------------------------------------------------------

    def kinds(self) -> list[EventKind]:
        """Of the newest run, in order; none before there is one."""
        try:
            with journal.reading(self.root) as book:
                return [event.kind for event in book.events(book.find(None).id)]
        except (UnknownRun, RecordError):  # no file yet, or one whose tables are being made
            return []

    @property
    def run_id(self) -> str:
        with journal.reading(self.root) as book:
            return book.find(None).id

    def checkout(self) -> Checkout:
        return Checkout(
            files=_files(self.root),
            index=self.git("ls-files", "-s"),
            head=self.git("rev-parse", "HEAD"),
            branch=(self.root / ".git/HEAD").read_text(),
        )

    def tip(self) -> str:
        """The result: what the person's branch was moved to, else the run's own branch."""
        own = self.git("for-each-ref", "--format=%(objectname)", "refs/heads/orchestrator/")
        return own or self.git("rev-parse", "HEAD")

    def landed(self, tip: str) -> set[int]:
        """Numbers of the tasks whose lines some commit of the result has added."""
        patches = self.git("log", "-p", "--no-renames", "--format=", tip)
        return {int(found) for found in re.findall(r"^\+T(\d+)-\d+-\d+:", patches, re.M)}

    def has_dirt(self, tip: str) -> bool:
        """What the person had not committed is part of the result."""
        return "of the person" in self.git("log", "-p", "--no-renames", "--format=", tip)

    def commits(self, tip: str) -> list[tuple[int, str]]:
        """Those that the result has of tasks: the task's number and the commit."""
        rows = self.git("log", "--format=%H %s", tip).splitlines()
        found = [re.fullmatch(r"(\w+) \w+\(demo\): Step (\d+)", row) for row in rows]
        return [(int(one[2]), one[1]) for one in found if one]

    def as_fast_forwarded(self, before: Checkout, tip: str) -> Checkout:
        """What a plain `git merge --ff-only` makes of the checkout as it was."""
        with self.clone(tip) as place:
            files = _files(place)
            index = self.git("ls-files", "-s", cwd=place)
        return Checkout({**self._untracked(before), **files}, index, tip, before.branch)

    def _untracked(self, before: Checkout) -> dict[str, str]:
        own = {row.partition("\t")[2] for row in before.index.splitlines()}
        return {name: told for name, told in before.files.items() if name not in own}

    @contextmanager
    def clone(self, commit: str) -> Iterator[Path]:
        """Nothing but what a ref of the repository reaches, in a new folder."""
        place = self.folder / "clone"
        self.git("clone", "-q", "--no-checkout", "--no-local", str(self.root), str(place))
        self.git("checkout", "-q", "--detach", commit, cwd=place)
        try:
            yield place
        finally:
            shutil.rmtree(place)

    def is_green(self, check: str, place: Path) -> bool:
        words = ["bash", "-c", check]
        done = subprocess.run(
            words, cwd=place, env=self.environment, capture_output=True, check=False
        )
        return done.returncode == 0

    def unreachable(self) -> set[str]:
        """Lines that some script has written and that are in no commit which a ref reaches."""
        commits = self.git("rev-list", "--all").split()
        found = self.git("grep", "-h", "-E", MARKER, *commits, code=0) if self.written() else ""
        return set(self.written()) - set(found.splitlines())

    def written(self) -> list[str]:
        return (self.outside / "written").read_text().splitlines()

    def leftovers(self) -> list[str]:
        """Worktrees that nobody put away, locks that nobody holds."""
        _, *others = self.git("worktree", "list", "--porcelain").split("\n\n")
        home = self.root / ".orchestrator/worktrees"
        folders = [one.as_posix() for one in home.iterdir()] if home.exists() else []
        locks = [one.as_posix() for one in (self.root / ".git").rglob("*.lock")]
        return [*others, *folders, *(one for one in locks if not one.endswith("orchestrator.lock"))]


def _files(top: Path) -> dict[str, str]:
    found = {}
    for folder, folders, names in os.walk(top):
        folders[:] = [one for one in folders if one not in (".git", ".orchestrator")]
        for place in (Path(folder, name) for name in names):
            digest = hashlib.sha256(place.read_bytes()).hexdigest()
            found[place.relative_to(top).as_posix()] = f"{place.stat().st_mode:o} {digest}"
    return found


def _is_time(kill: Kill, kinds: Sequence[EventKind]) -> bool:
    return kill.after in kinds if isinstance(kill.after, EventKind) else len(kinds) >= kill.after


def differences(before: Checkout, now: Checkout | None) -> str:
    """What is not the same, for a person to read."""
    if now is None:
        return "it could not be read"
    names = sorted({*before.files, *now.files})
    files = [name for name in names if before.files.get(name) != now.files.get(name)]
    parts = [
        part for part in ("index", "head", "branch") if getattr(before, part) != getattr(now, part)
    ]
    return f"files {files}, {parts}"
