"""Nothing that a task writes comes into the program's own folder by way of a commit: no answer, no trust, no journal, no link."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import engine, project, settings
from orchestrator.engine import Hub
from orchestrator.model import EventKind, Work
from orchestrator.order import Order
from orchestrator.views import handover
from orchestrator.workspace import Ground, Place
from orchestrator.workspace.checkout import advance
from orchestrator.workspace.ground import steering
from orchestrator.workspace.result import plan
from orchestrator.workspace.scope import intrusions
from tests.engine.runs import Watcher, bash
from tests.workspace.repos import (
    commit,
    data,
    git,
    ground,
    in_tree,
    landed,
    lay,
    plan_of,
    run,
    text_of,
    traces,
)
from tests.workspace.test_handing_over import Start, hand_over

LETTER = ".orchestrator/inbox/0-x.json"
TRUST = ".orchestrator/trusted.jsonl"
OTHERS = (".orchestrator/private/http.json", ".orchestrator/journal.db", ".orchestrator/journal.lock")  # fmt: skip

SHAPES = {
    "a letter and trust": f"mkdir -p .orchestrator/inbox; echo x > {LETTER}; echo x > {TRUST}",
    "a link": "mkdir elsewhere; ln -s elsewhere .orchestrator",
    "a link to nowhere": "ln -s /nowhere .orchestrator",
    "a file": "echo x > .orchestrator",
    "another case": "mkdir -p .Orchestrator/inbox; echo x > .Orchestrator/inbox/x",
    "a letter that some disks fold": "mkdir .orche\u017ftrator; echo x > .orche\u017ftrator/trusted.jsonl",
    "a link in it": "mkdir .orchestrator; ln -s ../src .orchestrator/inbox",
    "a folder in the place of settings": "mkdir -p .orchestrator/config.toml; echo x > .orchestrator/config.toml/x",
    "a line in its name": "mkdir .orchestrator; echo x > $'.orchestrator/a\\nb'",
}
NESTED = "mkdir -p sub/.orchestrator; touch sub/.orchestrator/trusted.jsonl"
REPOSITORY = "git init -q .orchestrator; cd .orchestrator; echo x > trusted.jsonl; git add .; git commit -qm x"


def play(place: Path, script: str) -> None:
    subprocess.run(["bash", "-ec", script], cwd=place, check=True, timeout=60)


def is_clean(root: Path, tree: str) -> bool:
    return not any("orche" in os.fsdecode(path).casefold() for path in in_tree(root, tree))


async def kept(ours: Ground, script: str) -> Work:
    """What a task that did this has made."""
    ours.accept(steering(ours.repository.facts.common))
    place = Place(ours.home / "one", ours.tip)
    await ours.open(place, (), ())
    begin = await ours.found(place.path)
    play(place.path, script)
    return await ours.keep(place.path, place.base, begin, None, "feat(demo): it\n")


async def put_on_branch(ours: Ground, script: str) -> None:
    """As an engine of before did, or a worker that moves branches itself."""
    place = ours.root.parent / "by hand"
    git(ours.root, "worktree", "add", "-q", "--detach", str(place), ours.tip)
    play(place, f"{script}; echo n > new.txt; git add --all --force; git commit -qm evil")
    await ours.advance(git(place, "rev-parse", "HEAD"), ours.tip)
    git(ours.root, "worktree", "remove", "--force", str(place))


async def test_a_task_can_neither_answer_a_checkpoint_nor_trust_a_plan(root: Path):
    files = (LETTER, TRUST, *OTHERS)
    script = "; ".join(f"mkdir -p $(dirname {name}); echo evil > {name}" for name in files)
    plan_of(root, bash("Task 1: a", f"{script}; echo > f1", "test -e f1"))
    ran = await run(root)
    assert ran.code == 0
    assert b"f1" in in_tree(root, "HEAD")
    assert is_clean(root, landed(ran, "demo/1"))
    assert not (root / TRUST).exists()
    assert not (root / LETTER).exists()
    (last,) = data(ran, EventKind.ATTEMPT_FINISHED)
    assert "which are the program's own: left out" in str(last)
    assert ".orchestrator/inbox/0-x.json" in str(last)


@pytest.mark.parametrize("shape", SHAPES)
async def test_it_is_left_out_of_the_work_in_every_shape(root: Path, shape: str):
    ours = await ground(root)
    work = await kept(ours, f"{SHAPES[shape]}; echo n > new.txt")
    assert work.commit
    assert is_clean(root, work.commit)
    assert b"new.txt" in in_tree(root, work.commit)
    assert "the program's own: left out" in " ".join(work.notes)
    assert work.control == ()


async def test_a_repository_in_its_place_is_left_out_too(root: Path):
    work = await kept(await ground(root), REPOSITORY)
    assert work.commit is None  # nothing else was made
    assert "left out" in " ".join(work.notes)


async def test_what_the_next_try_finds_of_it_is_no_work_of_its_own_either(root: Path):
    ours = await ground(root)
    await kept(ours, SHAPES["a letter and trust"])
    place = Place(ours.home / "one", ours.tip, stays=True)
    begin = await ours.found(place.path)
    play(place.path, f"echo more >> {TRUST}; echo n > new.txt")
    work = await ours.keep(place.path, place.base, begin, None, "feat(demo): it\n")
    assert work.commit
    assert is_clean(root, work.commit)


async def test_settings_and_what_the_project_tracks_there_wait_for_a_person(root: Path):
    git(root, "add", "--force", ".orchestrator/.gitignore")
    git(root, "commit", "-qm", "tracked")
    ours = await ground(root)
    script = f"cd .orchestrator; echo '!*' > .gitignore; touch config.toml intelligence.yaml trusted.jsonl; cd ..; {NESTED}"
    work = await kept(ours, script)
    assert work.commit
    names = (".orchestrator/.gitignore", ".orchestrator/config.toml")
    names = (*names, ".orchestrator/intelligence.yaml", "sub/.orchestrator/trusted.jsonl")
    assert work.control == names
    assert text_of(root, work.commit, names[0]) == "!*\n"
    assert os.fsencode(TRUST) not in in_tree(root, work.commit)


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_branch_that_has_such_a_file_is_not_handed_over(root: Path, shape: str):
    ours = await ground(root)
    await put_on_branch(ours, SHAPES[shape])
    before, own = traces(root), sorted((root / ".orchestrator").rglob("*"))
    delivery = await hand_over(ours)
    assert delivery.why is not None
    assert delivery.why.startswith("do not merge it: it has .")
    assert (delivery.unsafe, delivery.passes) == (True, False)
    stop = await advance(ours.repository, ours.tip)  # whoever comes by another way
    assert stop is not None
    assert stop.why == delivery.why
    assert traces(root) == before
    assert sorted((root / ".orchestrator").rglob("*")) == own


async def test_it_is_said_also_where_something_else_keeps_the_result_back(root: Path):
    ours, head = await ground(root), git(root, "rev-parse", "HEAD")
    await put_on_branch(ours, SHAPES["a letter and trust"])
    found = await plan(ours, Start(base=head, head=head, branch=None), None)
    assert found.unsafe
    found = await plan(
        ours, Start(base=head, head=head, branch="refs/heads/main"), "not all is done"
    )
    assert found.unsafe
    assert found.why is not None
    assert found.why.endswith("; not all is done")


async def test_a_file_that_the_project_has_there_can_be_changed_by_a_result(root: Path):
    git(root, "add", "--force", ".orchestrator/.gitignore")
    git(root, "commit", "-qm", "tracked")
    ours = await ground(root)
    await put_on_branch(ours, "echo '!*' > .orchestrator/.gitignore")
    assert (await hand_over(ours)).why is None
    assert (root / ".orchestrator/.gitignore").read_text() == "!*\n"


async def test_where_a_persons_link_leads_is_the_programs_own_too(root: Path):
    (root / ".orchestrator").rename(root / "state")
    lay(root, {".gitignore": ".orchestrator\nstate\n"})
    commit(root)
    (root / ".orchestrator").symlink_to("state")
    ours = await ground(root)
    script = "mkdir -p state/inbox; echo x > state/inbox/x; git add --force state"
    work = await kept(ours, script)
    assert work.commit is None
    await put_on_branch(ours, script)
    assert (await hand_over(ours)).unsafe


@given(st.data())
def test_case_is_no_way_around(draw: st.DataObject):
    name = "".join(draw.draw(st.sampled_from((c, c.upper()))) for c in ".orchestrator")
    rest = draw.draw(st.sampled_from(("", "/inbox/1.json", "/x/config.toml", "/CONFIG.toml/x")))
    assert intrusions([("A", name + rest)]) == [name + rest]
    assert intrusions([("M", name + rest), ("D", name + rest), ("A", f"{name}y{rest}")]) == []
    assert intrusions([("A", f"{name}/config.toml"), ("A", f"a/{name}/inbox/x")]) == []


def test_nobody_is_told_to_merge_it():
    told = {"commits": 1, "branch": "orchestrator/r", "why": "do not merge it", "into": "main"}
    safe, unsafe = (list(handover._left({**told, "unsafe": one})) for one in (False, True))
    assert [row.split()[0] for row in safe] == ["result:", "look:", "take:"]
    assert [row.split()[0] for row in unsafe] == ["result:", "look:"]


# --- a hand-over is no change of a person's -------------------------------------------------------


@asynccontextmanager
async def unheeding(_: Hub) -> AsyncIterator[None]:
    yield


async def test_a_run_begins_before_or_behind_the_hand_over_of_another(root: Path):
    """While the turn is taken the checkout is half way: what stands there then is not recorded as not committed."""
    path = plan_of(root, bash("Task 1: a", "echo > f1", "test -e f1"))
    conf, watcher, out = settings.load(root), Watcher(), list[int]()
    sources = project.sources(root, [path])
    loaded = project.isolate(project.load(root, sources, conf.reader))
    crew = engine.prepare(root, project.chosen(loaded.checked(), (), (), ()), conf, None)
    async with engine.held(root, conf, watcher.warn, heed=unheeding) as holder:
        given_ = holder.new(sources, loaded, Order(isolated=True), crew, watcher)

        async def play_() -> None:
            out.append(await holder.play(given_))

        async with anyio.create_task_group() as group, holder.turn:
            lay(root, {"a.txt": "half way\n"})
            group.start_soon(play_)
            waiting = anyio.current_time() + 30
            while not holder.turn.statistics().tasks_waiting:
                assert anyio.current_time() < waiting, "it did not wait for its turn"
                await anyio.sleep(0.01)
            git(root, "checkout", "-q", "a.txt")
    assert out == [0]
    (started,) = [one for one in watcher.events if one.kind is EventKind.RUN_STARTED]
    assert "a.txt" not in str(started.data)
