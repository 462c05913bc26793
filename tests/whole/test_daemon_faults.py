"""What a daemon must outlive, and what it must not do unasked: bad files, letters to runs that have ended, a hand-over that does not end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import inbox
from orchestrator.inbox import Letter
from tests.engine.runs import checkpoint
from tests.whole.daemons import House, wait_until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def letter(house: House, do: str, run: str, task: str | None = None) -> Path:
    return inbox.post(
        house.root, Letter.model_validate({"do": do, "run": run, "task": task, "by": "ann"})
    )


def test_a_bad_file_in_the_inbox_that_cannot_be_set_aside_ends_nobody(house: House):
    bad = house.root / ".orchestrator" / "inbox" / "1.json"
    house.plan("a/one", house.waits_for("one"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["one"])
        (bad.parent / "1.bad" / "x").mkdir(parents=True)
        bad.write_text("no")
        house.plan("b/two")
        daemon.wait_until(lambda: 0 in house.codes())
        house.go()
        daemon.wait_until(lambda: house.ended(2))
        assert daemon.end() == 0
    assert bad.is_file()
    assert house.began == {"one": 1, "two": 1}


def test_a_letter_that_cannot_be_followed_now_is_kept_and_tried_again(house: House):
    config = house.root / ".orchestrator" / "config.toml"
    kept = config.read_text()
    house.plan("one", house.task("one", f"test -e {house.out}/mended || exit 3"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.codes() == [1])
        run = house.runs()[0].id
        daemon.says(f"{run}  tasks failed (exit 1): 0 of 1 tasks done; failed: ")
        config.write_text(kept + "[run]\nworkers = 'many'\n")
        (house.out / "mended").touch()
        path = letter(house, "retry", run, f"{next(iter(house.history(run).tasks))}")
        daemon.says(f"a letter to run {run} waits: ")
        assert path.is_file()
        config.write_text(kept)
        daemon.wait_until(lambda: house.codes() == [0])
        assert not path.exists()
        daemon.says(f"{run}  done (exit 0): 1 of 1 tasks done")
        letter(house, "retry", run, "one/1")
        daemon.says(f"a letter to run {run} is put away: it is done")
        letter(house, "retry", "261128-zzzzz", "one/1")
        daemon.says("a letter to run 261128-zzzzz is put away: there is no such run")
        assert daemon.end() == 0
    assert house.said.count("waits: ") == 1
    assert house.codes() == [0]


def test_a_run_of_a_person_is_not_taken_up_for_a_letter(house: House):
    path = house.top.parent / "mine" / "ask-PLAN.md"
    path.parent.mkdir()
    path.write_text(house.text(checkpoint(), house.task("two", more='depends-on="1"')))
    house.git("add", "-A")
    house.git("commit", "-qm", "mine")
    house.call("run", str(path), code=5)
    run = house.runs()[0].id
    with house.daemon("--trust-all") as daemon:
        house.call("approve", run, "1")
        daemon.says(f"a letter to run {run} waits: no daemon began it. Next: ")
        house.plan("other")
        daemon.wait_until(lambda: house.codes() == [5, 0])
        assert daemon.end() == 0
    assert house.said.count("waits: no daemon began it") == 1
    house.call("resume", run)
    assert house.began == {"two": 1, "other": 1}


def test_the_second_signal_ends_a_hand_over_and_the_next_start_does_it(house: House):
    """The check of both together hangs, whichever comes second."""
    config = house.root / ".orchestrator" / "config.toml"
    config.write_text(config.read_text().replace("drain_s = 20", "drain_s = 300", 1))
    for name, other in (("one", "two"), ("two", "one")):
        hang = f"touch {house.out}/joined; until test -e {house.out}/free; do sleep 0.05; done"
        check = f"if test -e {other}.txt; then {hang}; fi; test -s {name}.txt"
        text = house.waits_for(name).replace(f"test -s {name}.txt", check)
        house.plan(f"{name}/{name}", text)
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: len(house.began) == 2)
        house.go()
        daemon.wait_until((house.out / "joined").exists)
        daemon.tell()
        daemon.says("ends when what runs is over")
        assert daemon.end() == 0
    assert sorted(map(str, house.codes())) == ["0", "130"], house.said
    assert not {"one.txt", "two.txt"} <= set(house.git("ls-tree", "--name-only", "main").split())
    (cut,) = (row.id for row in house.runs() if row.exit_code == 130)
    told = house.history(cut).delivery
    assert told is not None
    assert "is not checked with all of it together yet" in told["why"]
    (house.out / "free").touch()
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.ended(2))
        assert daemon.end() == 0
    assert house.began == {"one": 1, "two": 1}
    assert {"one.txt", "two.txt"} <= set(house.git("ls-tree", "--name-only", "main").split())


def test_the_token_is_not_in_a_log(house: House):
    with (house.out / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", "serve", "plans", "--port", "0"],
            cwd=house.root,
            env=house.environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: "pages and API: " in house.said)
        told = json.loads((house.root / ".orchestrator" / "private" / "http.json").read_text())
        assert told["token"] not in house.said
        assert f"{told['url']} (the token is in .orchestrator/private/token)" in house.said
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert told["token"] not in house.said
