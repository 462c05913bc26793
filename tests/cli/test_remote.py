"""The command beside a daemon: what it serves is asked of it over HTTP, and what it cannot be asked is said with what to do."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from orchestrator import journal
from orchestrator.cli import remote
from orchestrator.errors import RecordError
from orchestrator.model import EventKind
from tests.whole.daemons import Daemon, House, wait_until

pytestmark = pytest.mark.timeout(120)
CODE_BUSY, CODE_USAGE = 4, 64


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def document(house: House, *words: str) -> Any:
    """Of stdout alone."""
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *words, "--json"],
        cwd=house.root,
        env=house.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def is_over(house: House, code: int) -> Callable[[], bool]:
    """The newest run, also for who holds it."""
    return lambda: house.codes()[-1:] == [code] and journal.live_runs(house.root) == frozenset()


def cancelled(house: House, daemon: Daemon) -> tuple[str, str]:
    """A run that a person has stopped in its midst, and what was said of it."""
    house.plan("demo", house.task("one"), house.waits_for("two", more='depends-on="1"'))
    daemon.wait_until(lambda: house.began["two"])
    run = house.runs()[0].id
    said = house.call("cancel", run)
    daemon.wait_until(is_over(house, 130))
    return run, said


@pytest.mark.parametrize("place", ["port", "socket"])
def test_what_cancel_says_is_next_can_be_done(tmp_path: Path, place: str):
    settings = "[http]\nsocket = '.orchestrator/s'\n" if place == "socket" else ""
    house = House(tmp_path, settings)
    with house.serving("--trust-all") as daemon:
        assert ("socket" in house.place) == (place == "socket")
        run, said = cancelled(house, daemon)
        step = re.search(r"Next: orchestrator (resume \S+)", said)
        assert step
        house.go()
        found = house.call(*step[1].split(), "--budget-usd", "2.5")
        assert f"run {run} goes on, in the daemon (pid {daemon.process.pid})" in found
        assert f"next: orchestrator show {run}" in found
        assert (f"{house.place['url']}/runs/{run}" in found) == (place == "port")
        daemon.wait_until(is_over(house, 0))
        assert daemon.end() == 0
    assert house.began == {"one": 1, "two": 2}
    with journal.reading(house.root) as book:
        resumed = [one for one in book.events(run) if one.kind is EventKind.RUN_RESUMED]
    assert [one.data["budget"]["asked"]["budget_usd"] for one in resumed] == [2.5]


def test_resume_tells_programs_too_and_refuses_what_a_daemon_decides(house: House):
    with house.serving("--trust-all") as daemon:
        run, _ = cancelled(house, daemon)
        refused = house.call("resume", run, "--workers", "2", code=CODE_USAGE)
        assert "takes no --workers" in refused
        found = document(house, "resume", run)
        assert (found["run"], found["exit_code"]) == (run, None)
        assert found["tasks"][0]["state"] == "succeeded"
        daemon.wait_until(lambda: house.began["two"] == 2)
        assert "goes on already" in house.call("resume", run, code=CODE_USAGE)
        house.go()
        daemon.wait_until(is_over(house, 0))


def test_a_failed_task_is_tried_again_in_a_daemon(house: House):
    house.plan("demo", house.task("one", f"test -e {house.out}/go"))
    with house.serving("--trust-all") as daemon:
        daemon.wait_until(is_over(house, 1))
        house.go()
        said = house.call("retry", house.runs()[0].id, "1")
        assert "the daemon that holds the project tries" in said
        daemon.wait_until(is_over(house, 0))


def test_a_plan_is_run_and_run_again_beside_a_daemon(house: House):
    with house.serving() as daemon:
        path = house.plan("demo")
        daemon.says("plans/demo-PLAN.md waits: nobody has said yet")  # `run` looks for 3 s
        said = house.call("run", str(path), code=5)
        assert "plans/demo-PLAN.md is untrusted" in said
        assert "next: orchestrator trust plans/demo-PLAN.md" in said
        house.call("trust", str(path))
        daemon.wait_until(is_over(house, 0))
        first = house.runs()[0].id
        assert "orchestrator run --again" in house.call("run", str(path))
        again = document(house, "run", "--again", str(path))
        assert again["daemon"] == {"pid": daemon.process.pid, "url": house.place["url"]}
        assert [one["path"] for one in again["plans"]] == ["plans/demo-PLAN.md"]
        daemon.wait_until(lambda: house.began["demo"] == 2)
        daemon.wait_until(is_over(house, 0))
        assert len(house.runs()) == 2
        assert house.runs()[0].id == first


def test_who_runs_again_is_told_of_the_run_and_what_is_no_plan_of_the_folder_is_refused(
    house: House,
):
    path = house.plan("demo", house.waits_for("one"))
    with house.serving("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["one"])
        run = house.runs()[0].id
        assert f"run {run} works on" in house.call("run", str(path))
        house.go()
        daemon.wait_until(is_over(house, 0))
        (house.out / "go").unlink()
        said = house.call("run", "--again", str(path))
        second = house.runs()[1].id
        assert f"run {second} works on it" in said
        assert f"{house.place['url']}/runs/{second}" in said
        other = house.root / "other-PLAN.md"
        other.write_text(path.read_text())
        refused = house.call("run", "--again", str(other), code=CODE_USAGE)
        assert "not in the watched folder" in refused
        flags = ("--budget-usd", "0", "--only", "1", "--quality", "basic")
        refused = house.call("run", "--again", str(path), *flags, code=CODE_USAGE)
        assert "takes no --only, --budget-usd, --quality" in refused
        house.go()
        daemon.wait_until(is_over(house, 0))


def test_a_daemon_without_http_says_what_to_do(house: House):
    with house.daemon("--trust-all") as daemon:
        run, _ = cancelled(house, daemon)
        refused = house.call("resume", run, code=CODE_BUSY)
        assert f"orchestrator watch, pid {daemon.process.pid}" in refused
        assert "start `orchestrator serve` in its place" in refused
        path = house.top / "demo-PLAN.md"
        assert "run plans/demo-PLAN.md again" in house.call(
            "run", "--again", str(path), code=CODE_BUSY
        )
        house.go()


def test_a_broken_plan_is_its_authors_and_what_needs_the_project_alone_is_said(house: House):
    bad = house.top / "bad-PLAN.md"
    with house.serving("--trust-all") as daemon:
        house.plan("demo", house.task("one"))
        daemon.wait_until(is_over(house, 0))
        bad.write_text('<task type="auto"><name>half')
        said = house.call("run", str(bad), code=2)
        assert "plans/bad-PLAN.md is broken: " in said
        assert "next: orchestrator lint plans/bad-PLAN.md" in said
        said = house.call("revert", house.runs()[0].id, code=CODE_BUSY)
        assert f"next: end it (kill {daemon.process.pid}), revert, and start it again" in said
        assert "another orchestrator holds the project, and may" in house.call("runs", "clean")


def test_a_text_that_nobody_trusts_is_not_run_by_asking(house: House):
    path = house.plan("demo")
    with house.daemon() as daemon:
        daemon.says("plans/demo-PLAN.md waits: nobody has said yet")
        said = house.call("run", str(path), code=CODE_BUSY)
        assert "orchestrator trust plans/demo-PLAN.md" in said


def test_what_a_dead_daemon_left_is_believed_by_nobody(house: House):
    with house.serving("--trust-all") as daemon:
        run, _ = cancelled(house, daemon)
        daemon.process.kill()
        daemon.process.wait()
    assert house.record.exists()
    house.go()
    assert house.call("resume", run)
    assert house.codes() == [0]


def test_who_goes_on_with_the_run_of_a_dead_daemon_is_none(house: House):
    """Else the advice would be to end it."""
    house.plan("demo", house.waits_for("one"))
    with house.daemon("--trust-all") as daemon:
        daemon.wait_until(lambda: house.began["one"])
        run = house.runs()[0].id
        daemon.process.kill()
        daemon.process.wait()
    words = [sys.executable, "-m", "orchestrator", "resume", run]
    process = subprocess.Popen(words, cwd=house.root, env=house.environment, text=True)
    try:
        wait_until(lambda: house.began["one"] == 2)
        said = house.call("resume", run, code=CODE_BUSY)
        assert f"another orchestrator works in {house.root} (pid {process.pid}, run {run})" in said
        assert "kill" not in said
        house.go()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_the_token_is_sent_to_nobody_who_does_not_hold_the_project(house: House):
    """A dead daemon's file beside a run of the command line: another may listen at that port by now."""
    with house.serving() as daemon:
        daemon.process.kill()
        daemon.process.wait()
    stranger = socket.create_server(("127.0.0.1", urlsplit(house.place["url"]).port or 0))
    stranger.setblocking(False)
    path = house.plan("demo", house.waits_for("one"))
    words = [sys.executable, "-m", "orchestrator", "run", str(path)]
    process = subprocess.Popen(words, cwd=house.root, env=house.environment, text=True)
    try:
        wait_until(lambda: house.began["one"])
        said = house.call("run", str(path), code=CODE_BUSY)
        assert "another orchestrator works in" in said
        assert f"pid {process.pid}" in said
        with stranger, pytest.raises(BlockingIOError):
            stranger.accept()
        house.go()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_a_daemon_that_does_not_answer_or_answers_nonsense_is_said(house: House):
    with house.serving("--trust-all") as daemon:
        run, _ = cancelled(house, daemon)
        found = house.place
        for change, words in (
            ({"url": "http://127.0.0.1:9"}, "cannot be asked at http://127.0.0.1:9"),
            ({"token": "wrong"}, "the token is missing or wrong"),
        ):
            house.record.write_text(json.dumps(found | change))
            assert words in house.call("resume", run, code=CODE_BUSY)
        house.record.write_text("{")
        assert f"start the daemon (pid {daemon.process.pid}) anew" in house.call(
            "resume", run, code=CODE_BUSY
        )


def certificate(house: House, name: str) -> None:
    """Signed by itself, and for another name than the address that is asked."""
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=box.lan",
             "-keyout", f".orchestrator/{name}.key", "-out", f".orchestrator/{name}.pem"]  # fmt: skip
    if subprocess.run(words, cwd=house.root, capture_output=True, check=False).returncode:
        pytest.skip("openssl makes no certificate here")


def test_over_tls_the_certificate_of_the_settings_is_trusted_and_no_other(tmp_path: Path):
    settings = "[http]\ncert = '.orchestrator/own.pem'\nkey = '.orchestrator/own.key'\n"
    house = House(tmp_path, settings)
    certificate(house, "own")
    certificate(house, "other")
    with house.serving("--trust-all") as daemon:
        run, _ = cancelled(house, daemon)
        assert house.place["url"].startswith("https://127.0.0.1:")
        config = house.root / ".orchestrator" / "config.toml"
        kept = config.read_text()
        for name, words in (
            ("other", f"another certificate at {house.place['url']} than the one of http.cert: "),
            ("none", "none.pem: "),
        ):
            config.write_text(kept.replace("own.pem", f"{name}.pem"))
            assert words in house.call("resume", run, code=CODE_BUSY)
        assert house.began["two"] == 1
        config.write_text(kept)
        house.go()
        found = house.call("resume", run)
        assert f"{house.place['url']}/runs/{run}" in found
        daemon.wait_until(is_over(house, 0))
    assert house.began == {"one": 1, "two": 2}


@pytest.mark.parametrize("how", ["port", "socket"])
def test_who_never_answers_is_waited_for_no_longer_than_the_limit(tmp_path: Path, how: str):
    if how == "socket":
        path = str(tmp_path / "s")
        silent = socket.socket(socket.AF_UNIX)
        silent.bind(path)
        silent.listen()
        place = remote.Place("http://localhost", "token", path)
    else:
        silent = socket.create_server(("127.0.0.1", 0))
        place = remote.Place(f"http://127.0.0.1:{silent.getsockname()[1]}", "token", None)
    daemon = remote.Daemon(tmp_path, "7", place, limit_s=0.5)
    began = time.monotonic()
    with silent, pytest.raises(RecordError) as late:
        daemon.post("/api/runs/x/cancel", {})
    assert 0.4 < time.monotonic() - began < 10
    told = str(late.value)
    assert told.startswith("the daemon (pid 7) has not answered within 0.5 s; it may still do it. ")
    assert told.endswith("Next: look with: orchestrator runs")
