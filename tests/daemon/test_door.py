"""What a daemon tells of itself and what it does when it is asked, by its own supervisor in this process."""

from __future__ import annotations

import hashlib
import os
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from orchestrator import clock, journal, settings
from orchestrator.daemon.door import Door
from orchestrator.daemon.shown import compare
from orchestrator.daemon.stopping import Step
from orchestrator.daemon.supervisor import Supervisor, Words
from orchestrator.errors import UnknownRun, UsageError
from orchestrator.model import Event, EventKind, RunId
from orchestrator.process.fence import PRIVATE
from orchestrator.settings import Settings
from orchestrator.views.house import Cancel, Enqueue, Resume, Trust, Waiting
from tests.cli.projects import DEADLINE_S, makes

HEAD = "---\nphase: demo\nplan: 01\nworkspace: directory\n---\n<objective>x</objective>\n<tasks>\n"
FLAGS = {"daemon": {"settle_s": 0.05, "rescan_s": 0.2, "learn": "", "clean": ""}}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    root = tmp_path / "project"
    (root / "plans").mkdir(parents=True)
    (root / ".orchestrator").mkdir()
    return root


def write(root: Path, *names: str, name: str = "a") -> str:
    path = root / "plans" / f"{name}-PLAN.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        HEAD + "".join(makes(f"Task 1: {one}", f"{one}.txt") for one in names) + "</tasks>\n"
    )
    return hashlib.sha256(path.read_bytes()).hexdigest()


@asynccontextmanager
async def kept(root: Path, *, trusts_all: bool = False) -> AsyncIterator[Door]:
    async with supervised(root, trusts_all=trusts_all) as supervisor:
        yield Door(supervisor)


@asynccontextmanager
async def supervised(
    root: Path,
    *,
    trusts_all: bool = False,
    say: Callable[[str], None] = print,
    loading: Callable[[], None] = lambda: None,
) -> AsyncIterator[Supervisor]:
    def load() -> Settings:
        loading()
        return settings.load(root, FLAGS)

    is_held = anyio.Event()

    async def beside() -> None:
        is_held.set()

    supervisor = Supervisor(Words(root, root / "plans", load, say, trusts_all))
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.keep, beside)
        await is_held.wait()
        yield supervisor
        group.cancel_scope.cancel()


async def until(claim: Callable[[], object]) -> None:
    deadline = anyio.current_time() + DEADLINE_S
    while not claim():
        assert anyio.current_time() < deadline
        await anyio.sleep(0.02)


async def stands(door: Door, state: str, name: str = "a") -> Waiting:
    """When it does; else what it waits for is told."""
    path, deadline = f"plans/{name}-PLAN.md", anyio.current_time() + DEADLINE_S
    while not (
        found := [one for one in await door.waiting() if one.path == path and one.state == state]
    ):
        assert anyio.current_time() < deadline, await door.waiting()
        await anyio.sleep(0.02)
    return found[0]


def told(root: Path, kind: EventKind) -> list[Event]:
    try:
        with journal.reading(root) as book:
            every = [event for row in book.runs() for event in book.events(row.id)]
    except UnknownRun:
        return []
    return [event for event in every if event.kind is kind]


def has_run(root: Path, name: str) -> Callable[[], bool]:
    return (root / "plans" / f"{name}-SUMMARY.md").is_file


async def test_only_the_text_that_was_seen_is_trusted(root: Path):
    seen = write(root, "one")
    async with kept(root) as door:
        one = await stands(door, "untrusted")
        assert (one.sha256, one.is_whole, one.run) == (seen, True, None)
        now = write(root, "two")
        with pytest.raises(UsageError, match="has changed since it was looked at"):
            await door.act(Trust(path="plans/a-PLAN.md", sha256=seen), "me")
        with pytest.raises(UsageError, match="outside of the project"):
            await door.act(Trust(path="../a-PLAN.md", sha256=seen), "me")
        await door.act(Trust(path="plans/a-PLAN.md", sha256=now), "me")
        await until(has_run(root, "a"))
    assert (root / "two.txt").is_file()
    assert not (root / "one.txt").exists()


async def test_an_edit_is_shown_against_the_text_that_ran(root: Path):
    first = write(root, "one")
    async with kept(root) as door:
        await stands(door, "untrusted")
        await door.act(Trust(path="plans/a-PLAN.md", sha256=first), "me")
        await until(has_run(root, "a"))
        await until(lambda: not door.health().runs)
        write(root, "two")
        one = await stands(door, "untrusted")
    removed, added = ([r for r in one.diff.splitlines() if r.startswith(sign)] for sign in "-+")
    assert any("Task 1: one" in row for row in removed)
    assert any("Task 1: two" in row for row in added)
    assert one.diff.startswith("--- plans/a-PLAN.md in run ")


def test_no_sign_of_a_text_is_hidden_from_who_reads_it():
    """A shell runs what a page would leave out, or show in another order."""
    found = compare(b"", "a\x1b]0;rm x\x07b\u202ec\r\n\td\re\xad\n".encode(), "nothing", "p")
    assert found is not None
    assert found.text.split("\n")[3:] == ["+a\\x1b]0;rm x\\x07b\\u202ec", "+\td\\re\\xad"]


async def test_all_of_a_new_plan_is_shown_before_it_is_trusted(root: Path):
    write(root, "one")
    async with kept(root) as door:
        one = await stands(door, "untrusted")
        text = (root / "plans" / "a-PLAN.md").read_text()
    head, rest = one.diff.split("\n")[:3], one.diff.split("\n")[3:]
    assert head[:2] == ["--- nothing", "+++ plans/a-PLAN.md"]
    assert rest == [f"+{line}" for line in text.splitlines()]


async def test_what_is_shown_are_the_bytes_that_are_trusted_and_no_others(root: Path):
    """The look has the one text, and the file the other, as between two looks."""
    path = root / "plans" / "a-PLAN.md"
    digest = write(root, "one")
    first = path.read_bytes()
    async with supervised(root) as supervisor:
        door = Door(supervisor)
        await until(lambda: [one.state for one in supervisor.decision.waiting] == ["untrusted"])
        path.write_bytes(first.replace(b"Task 1: one", b"Task 1: two"))
        (one,) = await door.waiting()  # no turn of the daemon's own loop has been since
        assert (one.state, one.sha256, one.diff) == ("arriving", None, "")
        path.write_bytes(first)
        one = await stands(door, "untrusted")
        assert one.sha256 == digest
        assert "<name>Task 1: one" in one.diff
        assert "Task 1: two" not in one.diff


async def test_a_long_text_is_said_to_be_cut(root: Path):
    path = root / "plans" / "a-PLAN.md"
    write(root, "one")
    path.write_text(path.read_text().replace("x</objective>", "x\n" * 2100 + "</objective>"))
    async with kept(root) as door:
        one = await stands(door, "untrusted")
    assert not one.is_whole
    assert one.diff.count("\n") == 1999
    assert "Task 1" not in one.diff


async def test_of_many_texts_those_that_have_no_room_are_said_to_be_left_out(root: Path):
    for number in range(7):
        path = root / "plans" / f"p{number}-PLAN.md"
        write(root, "one", name=f"p{number}")
        path.write_text(path.read_text().replace("x</objective>", "x" * 180_000 + "</objective>"))
    async with kept(root) as door:
        await stands(door, "untrusted", "p6")
        found = await door.waiting()
    assert [one.is_whole for one in found] == [True] * 5 + [False] * 2
    assert found[6].diff == ""


async def test_what_is_too_large_or_no_file_is_not_read_to_be_trusted(root: Path):
    path = root / "plans" / "big-PLAN.md"
    with path.open("wb") as file:
        file.truncate(700_000_000)  # takes no room
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # of all tests before this one
    async with kept(root) as door:
        one = await stands(door, "broken", "big")
        assert "700000000 bytes, the limit is 2000000" in one.why
        assert not one.sha256
        for name in ("big", "pipe"):
            if name == "pipe":
                os.mkfifo(root / "plans" / "pipe-PLAN.md")
            asked = Trust(path=f"plans/{name}-PLAN.md", sha256="a" * 64)
            with anyio.fail_after(DEADLINE_S), pytest.raises(UsageError, match="cannot be read"):
                await door.act(asked, "me")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 100_000  # kB


async def test_what_is_gone_is_forgotten_and_told_anew_when_it_comes_again(root: Path):
    said: list[str] = []

    def refused() -> int:
        return len([line for line in said if "plans/a-PLAN.md does not run: " in line])

    async with supervised(root, trusts_all=True, say=said.append) as supervisor:
        (root / ".orchestrator" / "config.toml").write_text("[run]\nnope = 1\n")
        write(root, "one")
        await until(lambda: refused() == 1)
        (root / "plans" / "a-PLAN.md").unlink()
        await until(lambda: not supervisor.found)
        write(root, "one")
        await until(lambda: refused() == 2)


async def test_what_is_done_runs_again_where_a_person_asks_and_only_from_the_folder(root: Path):
    write(root, "one")
    async with kept(root, trusts_all=True) as door:
        await until(has_run(root, "a"))
        await until(lambda: not door.health().runs)
        (root / "one.txt").unlink()
        await door.act(Enqueue(paths=("plans/a-PLAN.md",)), "me")
        (root / "else-PLAN.md").write_text(HEAD + "</tasks>\n")
        with pytest.raises(UsageError, match="not in the watched folder"):
            await door.act(Enqueue(paths=("else-PLAN.md",)), "me")
        assert not (root / "one.txt").exists()
        told = await door.act(Enqueue(paths=("plans/a-PLAN.md",), again=True), "me")
        assert told == "1 plan looked at now, to run once more"
        await until((root / "one.txt").is_file)


async def test_a_wish_to_run_again_outlives_the_daemon_and_makes_one_run(root: Path):
    write(root, "one")
    wishes = root / PRIVATE / "asked.json"
    async with kept(root, trusts_all=True) as door:
        await until(has_run(root, "a"))
        await until(lambda: not door.health().runs)
    (root / "one.txt").unlink()
    async with kept(root) as door:  # nobody has trusted it, so it waits
        await door.act(Enqueue(paths=("plans/a-PLAN.md",), again=True), "me")
        await stands(door, "untrusted")
    wish = wishes.read_text()
    async with kept(root, trusts_all=True) as door:
        await until(lambda: (root / "one.txt").is_file() and not door.health().runs)
    (root / "one.txt").unlink()
    wishes.write_text(wish)  # as if it had been killed before it put the wish away
    write(root, "two", name="b")
    async with kept(root, trusts_all=True):
        await until(has_run(root, "b"))
    assert not (root / "one.txt").exists()


async def test_what_nobody_was_asked_to_trust_is_said_with_its_warnings(root: Path):
    said = list[str]()
    path = root / "plans" / "a-PLAN.md"
    write(root, "one")
    path.write_text(path.read_text().replace("<verify>", "<verfy>x</verfy><verify>"))
    async with supervised(root, trusts_all=True, say=said.append):
        await until(has_run(root, "a"))
    (told,) = [line for line in said if "runs with" in line]
    assert told.startswith("plans/a-PLAN.md runs with a warning: plans/a-PLAN.md:"), told


async def test_a_plan_that_cannot_begin_has_one_turn_in_a_look(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also where the clock is set back while it is tried: what has come since is looked at, too."""
    ahead, said = tmp_path / "ahead", list[str]()
    monkeypatch.setenv(clock.AHEAD, str(ahead))

    def set_back() -> None:
        ahead.write_text("0")

    async with supervised(root, trusts_all=True, say=said.append, loading=set_back) as supervisor:
        ahead.write_text("86400")
        for name, front in (
            ("02-01", "not-before: 2099-01-01\n"),
            ("02-02", "depends_on: [02-01]\n"),
        ):
            write(root, "no", name=f"02-x/{name}")
            path = root / "plans" / "02-x" / f"{name}-PLAN.md"
            path.write_text(path.read_text().replace("plan: 01\n", f"plan: {name[3:]}\n{front}"))
        await until(lambda: any("02-02-PLAN.md does not run: " in line for line in said))
        write(root, "one", name="b")
        await until((root / "one.txt").is_file)
        assert supervisor.trouble is None


async def test_where_our_own_bug_is_in_a_look_is_told_once(root: Path):
    said = list[str]()
    async with supervised(root, say=said.append) as supervisor:
        supervisor.runs = None  # type: ignore[assignment]
        supervisor.rouse()
        await until(lambda: supervisor.trouble)
        seen = 0
        for _ in range(3):
            supervisor.rouse()
            seen = await supervisor.bell.wait(seen)
        told = [line for line in said if "Traceback" in line]
        assert told
        assert len(told) == len(set(told))
        assert any("cannot be looked at now: our bug: " in line for line in said)


async def test_a_link_is_trusted_and_run_again_where_it_stays_in_the_project(root: Path):
    digest = write(root, "one")
    (root / "plans" / "a-PLAN.md").rename(root / "real.md")
    (root / "plans" / "a-PLAN.md").symlink_to("../real.md")
    async with kept(root) as door:
        await stands(door, "untrusted")
        await door.act(Trust(path="plans/a-PLAN.md", sha256=digest), "me")
        await until(has_run(root, "a"))
        await until(lambda: not door.health().runs)
        for path in ("plans/a-PLAN.md", "plans"):
            (root / "one.txt").unlink()
            await door.act(Enqueue(paths=(path,), again=True), "me")
            await until((root / "one.txt").is_file)
            await until(lambda: not door.health().runs)


async def test_a_link_to_outside_is_refused_with_the_same_reason_everywhere(root: Path):
    digest = write(root, "one")
    outside = root.parent / "elsewhere.md"
    (root / "plans" / "a-PLAN.md").rename(outside)
    (root / "plans" / "a-PLAN.md").symlink_to(outside)
    (root / "plans" / "self-PLAN.md").symlink_to("self-PLAN.md")
    why = f"it is outside of the project (at {outside}); put the file itself into the project"
    async with kept(root, trusts_all=True) as door:
        assert (await stands(door, "broken")).diagnostics[0].message == why
        for asked in (
            Trust(path="plans/a-PLAN.md", sha256=digest),
            Enqueue(paths=("plans/a-PLAN.md",), again=True),
            Enqueue(paths=("plans",)),
        ):
            with pytest.raises(UsageError) as refused:
                await door.act(asked, "me")
            assert str(refused.value) == f"plans/a-PLAN.md: {why}"
        with pytest.raises(UsageError, match="no such file"):
            await door.act(Enqueue(paths=("plans/self-PLAN.md",)), "me")
        assert not has_run(root, "a")()


async def test_a_plan_that_came_since_the_last_look_is_one_of_the_folder(root: Path):
    async with kept(root) as door:
        await until(lambda: door.health().status == "ok")
        write(root, "one")
        told = await door.act(Enqueue(paths=("plans/a-PLAN.md",)), "me")
        assert told == "1 plan looked at now"


async def test_who_does_not_run_cannot_be_cancelled(root: Path):
    async with kept(root) as door:
        await until(lambda: door.health().status == "ok")
        with pytest.raises(UsageError, match="no run"):
            await door.act(Cancel(run=RunId("261128-aaaaa")), "me")


async def test_a_run_goes_on_with_the_budgets_that_a_person_gives(root: Path):
    path = root / "plans" / "a-PLAN.md"
    write(root, "one")
    path.write_text(path.read_text().replace("<automated>", "<automated>false &amp;&amp; "))
    async with kept(root, trusts_all=True) as door:

        def ended(times: int) -> Callable[[], bool]:
            return lambda: len(told(root, EventKind.RUN_FINISHED)) == times

        await until(ended(1))
        await until(lambda: not door.health().runs)
        (run,) = {event.run for event in told(root, EventKind.RUN_FINISHED)}
        asked = Resume(run=run, budget_usd=3.0, plan_budget_usd=2.5, plan_budget_tokens=0)
        await door.act(asked, "me")
        await until(lambda: told(root, EventKind.RUN_RESUMED))
    (resumed,) = told(root, EventKind.RUN_RESUMED)
    assert resumed.data["budget"]["asked"] == {
        "budget_usd": 3.0,
        "budget_tokens": None,
        "plan_budget_usd": 2.5,
        "plan_budget_tokens": 0,
    }


async def test_health_says_what_is_wrong_until_it_is_right(root: Path):
    async with kept(root) as door:
        await until(lambda: door.health().status == "ok")
        (root / "plans").rmdir()
        told = door.health()
        assert told.status == "degraded"
        assert "the watched folder is not there" in told.reasons[0]
        (root / "plans").mkdir()
        (root / ".orchestrator" / "trusted.jsonl").mkdir()
        await until(lambda: any("cannot be looked at" in one for one in door.health().reasons))
        (root / ".orchestrator" / "trusted.jsonl").rmdir()
        await until(lambda: door.health().status == "ok")
        assert (door.health().busy, door.health().slots, door.health().watching) == (0, 5, "plans")


async def test_who_ends_takes_up_no_run(root: Path):
    """Another run holds it up; what could be resumed till then is left to its next start."""
    write(root, "one")
    path = root / "plans" / "a-PLAN.md"
    path.write_text(path.read_text().replace("<automated>", "<automated>false &amp;&amp; "))
    async with supervised(root, trusts_all=True) as supervisor:
        door = Door(supervisor)
        await until(lambda: told(root, EventKind.RUN_FINISHED))
        await until(lambda: not door.health().runs)
        (run,) = {event.run for event in told(root, EventKind.RUN_FINISHED)}
        write(root, "two", name="b")
        path = root / "plans" / "b-PLAN.md"
        path.write_text(
            path.read_text().replace("echo", "until test -e go; do sleep 0.05; done; echo", 1)
        )
        await until(lambda: door.health().runs)
        supervisor.stopping.step = Step.DRAIN
        supervisor.rouse()
        with pytest.raises(UsageError, match="the daemon ends"):
            await door.act(Resume(run=run), "me")
        (root / "go").touch()
    assert told(root, EventKind.RUN_RESUMED) == []
