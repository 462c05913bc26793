"""Whatever way plans come into the folder: none is lost, none runs twice, none runs half."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.whole.daemons import Daemon, House

pytestmark = pytest.mark.timeout(150)
MANY, WHOLE = 1000, 60


@pytest.fixture
def plain(tmp_path: Path) -> House:
    """In the plain directory: a task costs no worktree."""
    return House(tmp_path, "[run]\nworkers = 8\n", isolated=False)


def texts(house: House) -> dict[str, list[bytes]]:
    """What runs have taken, by the plan."""
    found: dict[str, list[bytes]] = {}
    for row in house.runs():
        for path, content in house.plans_of(row.id).items():
            found.setdefault(path, []).append(content)
    return found


def drop(house: House, number: int, folder: str) -> Path:
    """Of each eight one is whole; the others are half, for later, or done."""
    name = f"{folder}{number:04}-x"
    path, kind = house.top / f"{name}-PLAN.md", number % 8
    if kind == 0 and number < 8 * WHOLE:
        return house.plan(name, house.task(f"t{number}"))
    path.parent.mkdir(exist_ok=True)
    text = house.text(house.task(f"t{number}"))
    if kind in (1, 2, 3):
        path.write_text(text[: len(text) * kind // 4])
    elif kind in (4, 5):
        path.write_text(house.text(house.task(f"t{number}"), front="not-before: 2099-01-01\n"))
    else:
        path.write_text(text)
        path.with_name(path.name.replace("PLAN", "SUMMARY")).write_text(
            "---\nstatus: complete\n---\n"
        )
    return path


@pytest.mark.parametrize("phases", [0, 3], ids=["flat", "phases"])
def test_of_a_thousand_at_once_each_runs_once_or_is_seen_to_wait(plain: House, phases: int):
    with plain.daemon("--trust-all") as daemon:
        daemon.says("--trust-all")
        folder = [f"{one:02}-p/" for one in range(phases)] or [""]
        paths = [drop(plain, n, folder[n % len(folder)]) for n in range(MANY)]
        daemon.wait_until(lambda: sum(plain.began.values()) >= WHOLE, 120)
        daemon.wait_until(lambda: plain.ended(max(1, phases)), 30)
        for path in (path for n, path in enumerate(paths) if n % 8 in (1, 2, 3, 4, 5)):
            daemon.says(f"{path.relative_to(plain.root)} waits: ")
        assert daemon.end() == 0
    whole = [n for n in range(MANY) if n % 8 == 0 and n < 8 * WHOLE]
    assert plain.began == dict.fromkeys((f"t{n}" for n in whole), 1)
    taken = {(plain.root / path).resolve(): every for path, every in texts(plain).items()}
    assert taken == {paths[n].resolve(): [paths[n].read_bytes()] for n in whole}
    assert len(plain.runs()) <= max(1, phases) * 3  # a graph per folder, not a run per plan
    said = plain.said
    for number, path in enumerate(paths):
        waits = f"{path.relative_to(plain.root)} waits: "
        assert (waits in said) == (number % 8 in (1, 2, 3, 4, 5)), waits


def test_plans_that_come_byte_by_byte_renamed_truncated_and_finished_later(plain: House):
    parts = {name: plain.text(plain.task(name)) for name in ("drip", "cut", "late", "moved")}
    place = {name: plain.top / name / f"{name}-PLAN.md" for name in parts}
    for path in place.values():
        path.parent.mkdir()
    with plain.daemon("--trust-all") as daemon:
        daemon.says("--trust-all")
        place["late"].write_text(parts["late"][:150])
        place["cut"].write_text(parts["cut"])
        place["cut"].write_text(parts["cut"][: len(parts["cut"]) // 2])  # and again, shorter
        aside = plain.root / "aside.md"
        aside.write_text(parts["moved"])
        aside.rename(place["moved"])
        with place["drip"].open("w", buffering=1) as file:
            # "</tasks>" and the end of its line together: without that it is a whole text, and another
            for part in (*parts["drip"][:-2], parts["drip"][-2:]):
                file.write(part)
                file.flush()
                _rest(0.003)
        daemon.says("plans/late/late-PLAN.md waits: ")
        daemon.says("plans/cut/cut-PLAN.md waits: ")
        daemon.wait_until(lambda: plain.ended(2))
        with place["late"].open("a") as file:
            file.write(parts["late"][150:])
        place["cut"].write_text(parts["cut"])
        daemon.wait_until(lambda: plain.ended(4))
        assert daemon.end() == 0
    assert plain.began == dict.fromkeys(parts, 1)
    whole = {f"plans/{name}/{name}-PLAN.md": [text.encode()] for name, text in parts.items()}
    assert texts(plain) == whole


def _rest(pause_s: float) -> None:
    """Between two letters; nothing is waited for."""
    end = time.monotonic() + pause_s
    while time.monotonic() < end:
        time.sleep(pause_s)


def test_the_folder_may_go_and_come_again(plain: House):
    with plain.daemon("--trust-all") as daemon:
        plain.plan("a")
        daemon.wait_until(lambda: plain.ended(1))
        kept = (plain.top / "a-PLAN.md").read_bytes()
        shutil.rmtree(plain.top)
        daemon.wait_until(lambda: not plain.top.exists())
        plain.plan("b")
        (plain.top / "a-PLAN.md").write_bytes(kept)  # it is the text that has run
        daemon.wait_until(lambda: plain.ended(2))
        plain.top.rename(plain.root / "away")
        plain.plan("c")
        daemon.wait_until(lambda: plain.ended(3))
        assert daemon.end() == 0
    assert plain.began == {"a": 1, "b": 1, "c": 1}


def test_a_folder_that_is_not_there_yet_is_waited_for(plain: House):
    plain.top.rmdir()
    with plain.daemon("--trust-all") as daemon:
        daemon.says("is not there yet")
        plain.plan("a")
        daemon.wait_until(lambda: plain.ended(1))
        assert daemon.end() == 0


def test_a_renamed_plan_is_not_run_again_and_a_copy_is(plain: House):
    with plain.daemon("--trust-all") as daemon:
        path = plain.plan("one/a")
        daemon.wait_until(lambda: plain.ended(1))
        path.rename(path.with_name("b-PLAN.md"))
        plain.plan("two/c")
        daemon.wait_until(lambda: plain.ended(2))
        assert daemon.end() == 0
    assert plain.began == {"a": 1, "c": 1}


def test_plans_of_one_folder_are_one_graph_and_each_folder_has_its_own(tmp_path: Path):
    house = House(tmp_path)
    house.plan("01-a/01-01", house.task("one"))
    house.plan("01-a/01-02", house.task("two"), front="depends_on: [01-01]\n")
    house.plan("02-b/02-01", house.task("three"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.ended(2))
        assert daemon.end() == 0
    taken = sorted(sorted(house.plans_of(row.id)) for row in house.runs())
    assert taken == [
        ["plans/01-a/01-01-PLAN.md", "plans/01-a/01-02-PLAN.md"],
        ["plans/02-b/02-01-PLAN.md"],
    ]
    order = (house.out / "log").read_text().split()
    assert order.index("one") < order.index("two")


def test_nothing_but_plans_ends_the_watch(plain: House):
    (plain.top / "pipe-PLAN.md").symlink_to("nowhere")
    (plain.top / "folder-PLAN.md").mkdir()
    Path(str(plain.top) + "/\udcff-PLAN.md").write_text(plain.text(plain.task("odd")))
    with plain.daemon("--trust-all") as daemon:
        daemon.says("the name is not UTF-8; rename it")
        trusted = plain.root / ".orchestrator" / "trusted.jsonl"
        trusted.mkdir()
        daemon.says("the folder cannot be looked at now")
        trusted.rmdir()
        plain.plan("a")
        daemon.wait_until(lambda: plain.ended(1))
        assert daemon.end() == 0
    assert plain.began == {"a": 1}


def test_who_stops_in_the_midst_of_many_starts_them_all_in_the_end(plain: House):
    """Killed while they come, again and again: each start picks up what there is."""
    count = 24
    for number in range(count):
        plain.plan(f"{number % 4:02}-p/{number:04}-x", plain.task(f"t{number}", "sleep 0.1"))

    def kill(daemon: Daemon, at: int) -> None:
        daemon.wait_until(lambda: sum(plain.began.values()) >= at)
        daemon.process.kill()
        daemon.process.wait()

    for at in (1, 5, 10):
        with plain.daemon("--trust-all") as daemon:
            kill(daemon, at)
    with plain.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: set(plain.codes()) == {0} and len(plain.began) == count)
        assert daemon.end() == 0
    taken = texts(plain)
    assert {path: len(every) for path, every in taken.items()} == dict.fromkeys(taken, 1)
    assert len(taken) == count
    for row in plain.runs():
        for task, past in plain.history(row.id).tasks.items():
            well = [one for one in past.tried if one.outcome is not None and one.outcome.ok]
            assert len(well) == 1, task
