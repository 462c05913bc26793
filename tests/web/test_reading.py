"""What the API says of runs is what the journal and the commands say, in pages, and as it is now."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import journal, ledger, redact
from orchestrator.cli.estimate import foresee
from orchestrator.journal import tail
from orchestrator.model import Event, EventKind, RunId, TaskId
from orchestrator.views import documents
from orchestrator.views.past import open_run
from orchestrator.web import files, replies
from orchestrator.web.book import Book
from tests.engine.runs import bash, resume, run, write_plan
from tests.ledger.outcomes import line, stamp
from tests.web.conftest import Scene, play
from tests.web.houses import DIGEST, House, served, some_events, task, writer

ONE, TWO, THREE = map(task, ("demo/1", "demo/2", "demo/3"))


def test_a_run_is_what_show_says_of_it(scene: Scene):
    told = scene.served.get(f"/api/runs/{scene.run}")
    shown = documents.past_document(open_run(scene.ran.root, scene.run))
    assert {key: told[key] for key in shown} == json.loads(json.dumps(shown))
    assert told["last"] == scene.ran.events[-1].seq
    assert [one["state"] for one in told["tasks"]] == ["succeeded", "paused", "failed"]
    assert scene.served.get(f"/api/runs/{scene.run}/tasks")["tasks"] == told["tasks"]


def test_a_task_can_be_named_as_on_the_command_line(scene: Scene):
    told = scene.served.get(f"/api/runs/{scene.run}/tasks/{TWO}")
    assert told == scene.served.get(f"/api/runs/{scene.run}/tasks/2")
    assert (told["plan"], told["waits_for"]) == ("plans/demo-PLAN.md", ["demo/1"])
    assert told["task"]["asks"]["type"] == "checkpoint:human-verify"


def test_tries_tell_all_that_was_recorded(scene: Scene):
    (tried,) = scene.served.get(f"/api/runs/{scene.run}/tasks/{ONE}/attempts")["attempts"]
    assert tried["route"]["worker"] == "shell"
    assert tried["outcome"]["failure"] is None
    told = scene.served.get(f"/api/runs/{scene.run}/tasks/{ONE}/attempts/1/checks")
    assert [one["result"] for one in told["before"]] == ["red"]
    assert [one["result"] for one in told["after"]] == ["green"]
    failed = scene.served.get(f"/api/runs/{scene.run}/tasks/{THREE}/attempts")["attempts"]
    assert [one["outcome"]["failure"] for one in failed] == ["exit"] * len(failed)


def test_events_come_in_pages(scene: Scene):
    after, found = 0, list[int]()
    while True:
        page = scene.served.get(f"/api/runs/{scene.run}/events?after={after}&limit=3")
        found += [one["seq"] for one in page["events"]]
        after = page["next"]
        if not page["more"]:
            break
    assert found == [one.seq for one in scene.ran.events]


def test_a_transcript_comes_in_pages_and_from_its_end(scene: Scene):
    path = f"/api/runs/{scene.run}/tasks/{ONE}/attempts/1/transcript"
    whole = scene.served.get(path)
    assert (whole["text"], whole["next"], whole["size"]) == ("one\ntwo\nthree\n", 14, 14)
    assert scene.served.get(f"{path}?from=4&limit=16")["text"] == "two\nthree\n"
    assert scene.served.get(f"{path}?from=-6")["text"] == "three\n"
    assert scene.served.get(f"{path}?from=99")["text"] == ""
    assert scene.served.get(f"{path}?part=review")["kept"] is False
    assert scene.served.get(f"{path}?part=after")["kept"] is True


@given(st.text(min_size=1), st.integers(16, 40))
def test_pieces_of_a_file_are_the_file_and_cut_no_character(
    tmp_path_factory: pytest.TempPathFactory, text: str, most: int
):
    path = tmp_path_factory.getbasetemp() / "one-transcript"
    raw = text.encode("utf-8", "replace")
    path.write_bytes(raw)
    start, found = 0, ""
    while start < len(raw):
        whole = files._read(path, start, most, 7).whole
        assert whole
        found += whole.decode()
        start += len(whole)
    assert found.encode() == raw


@pytest.mark.parametrize("limit", [16, 17, 64, 250])
def test_no_secret_can_be_put_together_from_pieces_of_a_transcript(fresh: Scene, limit: int):
    """It was written before its words became secret."""
    secret = f"canary-paged-{limit}-7c1d0e55aa-long-secret-é-of-its-own"
    folder = fresh.ran.root / ".orchestrator" / "runs" / fresh.run
    tried = fresh.ran.history.of(TaskId("demo/1")).tried[0]
    raw = f"one ü{secret}\n{'x' * 33}{secret}{secret} tail {secret[:20]}\n"
    (folder / tried.transcript).write_text(raw)
    redact.learn({"PAGED_TOKEN": secret})
    path = f"/api/runs/{fresh.run}/tasks/{ONE}/attempts/1/transcript"
    for first in (0, -60, 9, 40):
        start, found = first, ""
        while True:
            told = fresh.served.get(f"{path}?from={start}&limit={limit}")
            found += told["text"]
            start = told["next"]
            if start >= told["size"]:
                break
        assert secret not in found
        assert secret[-12:] not in found
        if first == 0:
            assert found == redact.text(raw)


def test_a_link_in_place_of_a_transcript_is_not_followed(fresh: Scene, tmp_path: Path):
    """A worker in the plain directory could have made one."""
    secret = tmp_path / "elsewhere"
    secret.write_text("mine")
    folder = fresh.ran.root / ".orchestrator" / "runs" / fresh.run
    tried = fresh.ran.history.of(TaskId("demo/1")).tried[0]
    (folder / tried.transcript).unlink()
    (folder / tried.transcript).symlink_to(secret)
    told = fresh.served.get(f"/api/runs/{fresh.run}/tasks/{ONE}/attempts/1/transcript")
    assert (told["kept"], told["text"]) == (False, "")


def git_project(root: Path) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)

    root.mkdir()
    (root / "old").write_text("old\n")
    git("init", "-b", "main")
    git("config", "user.name", "a")
    git("config", "user.email", "a@b.c")
    head = "---\nphase: demo\nplan: 01\n---\n<objective>\nDemo.\n</objective>\n"
    write_plan(
        root,
        bash("Task 1: x", "echo new > old; seq 1 200000 > z", "test -f z", files="old,z", depends_on=""),
        bash("Task 2: y", "true", files="nothing", depends_on=""),
        head=head,
    )  # fmt: skip
    git("add", "-A")
    git("commit", "-m", "first")


def test_the_diff_of_a_try_is_what_it_changed_and_bounded(tmp_path: Path, own_ledger: Path):
    root = tmp_path / "project"
    git_project(root)
    ran = anyio.run(lambda: run(root, isolated=True))
    with served(House(root)) as one:
        told = one.get(f"/api/runs/{ran.run}/tasks/{ONE}/attempts/1/diff")
        assert "-old\n+new\n" in told["text"]
        assert told["cut"] is True
        assert len(told["text"]) < 500_000
        told = one.get(f"/api/runs/{ran.run}/tasks/{TWO}/attempts/1/diff")
        assert (told["text"], told["why"]) == ("", "it changed nothing")


def test_in_the_plain_directory_there_is_no_diff_and_a_reason(scene: Scene):
    told = scene.served.get(f"/api/runs/{scene.run}/tasks/{ONE}/attempts/1/diff")
    assert "plain directory" in told["why"]


def test_a_list_of_runs_comes_in_pages_newest_first(tmp_path: Path, own_ledger: Path):
    plan = write_plan(tmp_path, bash("Task 1: x", "true", files="a"))
    runs = [anyio.run(run, tmp_path, plan).run for _ in range(3)]
    with served(House(tmp_path)) as one:
        first = one.get("/api/runs?limit=2")
        assert [line["run"] for line in first["runs"]] == runs[:0:-1]
        rest = one.get(f"/api/runs?limit=2&before={first['next']}")
        assert [line["run"] for line in rest["runs"]] == runs[:1]
        assert rest["next"] is None
        assert rest["runs"][0]["states"] == {"succeeded": 1}


def test_where_nothing_ever_ran_there_is_nothing(tmp_path: Path, own_ledger: Path):
    with served(House(tmp_path)) as one:
        assert one.get("/api/runs") == {"version": 1, "runs": [], "next": None}
        assert one.get("/api/routing/experiments")["latest"] == []
        assert one.get("/api/ledger/stats")["kinds"] == []
        assert one.ask("GET", "/api/runs/x").status == 404
        assert "orchestrator_runs_live 0" in one.ask("GET", "/metrics").body.decode()
        play(tmp_path)  # while it is served
        assert len(one.get("/api/runs")["runs"]) == 1


def test_a_run_that_goes_on_is_seen_as_it_goes(fresh: Scene):
    path = f"/api/runs/{fresh.run}"
    assert fresh.served.get(path)["exit_code"] == 5
    with writer(fresh.ran.root) as book:
        book.announce([fresh.run])
        book.append(fresh.run, EventKind.RUN_RESUMED, fresh.ran.events[0].data)
        told = fresh.served.get(path)
        assert (told["exit_code"], told["live"], told["state"]) == (
            None,
            True,
            "waits for a person",
        )
        assert fresh.served.get("/api/runs")["runs"][0]["live"] is True
        last = book.append(fresh.run, EventKind.RUN_FINISHED, {"exit_code": 1}).seq
        assert fresh.served.get(path)["last"] == last
    told = fresh.served.get(path)
    assert (told["exit_code"], told["live"]) == (1, False)


def test_another_journal_in_its_place_is_read_anew(fresh: Scene):
    home = fresh.ran.root / ".orchestrator"
    assert len(fresh.served.get("/api/runs")["runs"]) == 1
    for file in home.glob("journal.*"):
        file.rename(home / f"old-{file.name}")
    assert fresh.served.get("/api/runs")["runs"] == []
    new = play(fresh.ran.root)
    assert [one["run"] for one in fresh.served.get("/api/runs")["runs"]] == [new.run]


def test_what_was_folded_once_grows_by_what_is_new(tmp_path: Path, own_ledger: Path):
    """The same as folding all of it, and without reading all of it."""
    ran = play(tmp_path)
    book = Book(tmp_path)
    before = book.run(ran.run)
    anyio.run(lambda: resume(tmp_path, retry=("demo/3",)))
    grown = book.run(ran.run)
    assert grown.watched is before.watched
    told = documents.past_document(grown)
    assert told == documents.past_document(open_run(tmp_path, ran.run))
    assert book.glance(ran.run) == Book(tmp_path).glance(ran.run)
    assert list(book.events(ran.run)) == list(grown.events)


def test_all_that_is_asked_in_one_look_is_of_one_moment(tmp_path: Path, own_ledger: Path):
    ran = play(tmp_path)
    book = Book(tmp_path)
    with writer(tmp_path) as engine:
        with book.still():
            before = book.latest()
            some_events(engine, ran.run, 1)
            assert book.latest() == book.run(ran.run).events[-1].seq == before
        assert book.latest() == book.run(ran.run).events[-1].seq == before + 1


def test_many_runs_that_are_looked_at_do_not_all_stay(tmp_path: Path, own_ledger: Path):
    plan = write_plan(tmp_path, bash("Task 1: x", "true", files="a"))
    first = anyio.run(run, tmp_path, plan)
    with journal.reading(tmp_path) as book:
        stored, asked = book.plans(first.run), dict(book.find(first.run).asked)
    with writer(tmp_path) as engine:
        for _ in range(30):
            name = engine.begin(asked, stored)
            engine.append(name, EventKind.RUN_STARTED, first.events[0].data)
    book_ = Book(tmp_path)
    for row in book_.runs():
        book_.run(row.id)
        book_.glance(row.id)
    assert len(book_._open) <= 12


def test_spans_bound_what_is_read_of_a_run(tmp_path: Path, own_ledger: Path):
    ran = play(tmp_path)
    with writer(tmp_path) as engine:
        asked, stored = dict(engine.find(ran.run).asked), engine.plans(ran.run)
        other = engine.begin(asked, stored)
        seqs = some_events(engine, other, 3)
        some_events(engine, ran.run, 2)
    assert tail.spans(tmp_path)[other] == (seqs[0], seqs[-1])
    assert [one.seq for one in tail.of_run(tmp_path, other, 0, tail.NEWEST)] == seqs
    assert [one.seq for one in tail.after(tmp_path, seqs[0] - 1, 3)] == seqs


def test_health_says_less_without_the_token(scene: Scene):
    assert scene.served.ask("GET", "/health", token=None).json == {"status": "ok", "health": None}
    assert scene.served.get("/health")["health"]["slots"] == 5


def test_metrics_are_prometheus_text(scene: Scene):
    told = scene.served.ask("GET", "/metrics")
    assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = told.body.decode().splitlines()
    assert 'orchestrator_runs{exit_code="5"} 1' in lines
    assert "orchestrator_healthy 1" in lines
    typed = [each.split()[2] for each in lines if each.startswith("# TYPE ")]
    assert len(typed) == len(set(typed))
    for one_line in lines:
        if not one_line.startswith("#"):
            name, _, value = one_line.rpartition(" ")
            assert name.partition("{")[0] in typed
            float(value)


def test_an_estimate_is_what_the_command_says(tmp_path: Path, own_ledger: Path):
    plan = write_plan(tmp_path, bash("Task 1: x", "true", files="a"))
    with served(House(tmp_path), foresee) as one:
        of_file = one.ask("POST", "/api/estimate", {"paths": ["plans"]})
        of_text = one.ask("POST", "/api/estimate", {"text": plan.read_text()})
        assert of_file.status == of_text.status == 200, (of_file.body, of_text.body)
        assert [t["id"] for t in of_file.json["tasks"]] == ["demo/1"]
        assert of_file.json["total"] == of_text.json["total"]
        for wrong in ({}, {"paths": ["plans"], "text": ""}, {"paths": ["../.."]}, {"paths": ["/etc"]}, {"paths": ["no"]}):  # fmt: skip
            told = one.ask("POST", "/api/estimate", wrong)
            assert told.status == 422, wrong
            if wrong.get("paths") in (["../.."], ["/etc"]):
                assert "outside of the project" in told.json["error"]
        broken = one.ask("POST", "/api/estimate", {"text": "<tasks><task></tasks>"})
        assert broken.status == 422
        assert broken.json["diagnostics"]
    assert not (tmp_path / ".orchestrator" / "journal.db").exists(), "nothing was run"


def test_what_cannot_be_estimated_is_refused_with_a_reason(tmp_path: Path, own_ledger: Path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "self-PLAN.md").symlink_to("self-PLAN.md")
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "x-PLAN.md").symlink_to("/etc/hostname")
    with served(House(tmp_path), foresee) as one:
        for path, why in {
            "loop": "no such file",
            "plans": "cannot read",
            "away": "outside of the project",
            "..": "outside of the project",
            "x" * 900: "",
        }.items():
            reply = one.ask("POST", "/api/estimate", {"paths": [path]})
            assert (reply.status, why in reply.json["error"]) == (422, True), (path, reply.body)


def test_s1_10_experiments_are_a_list_and_what_it_comes_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ORCHESTRATOR_INTELLIGENCE_DIR", str(tmp_path / "ledger"))
    with served(House(tmp_path)) as one:
        assert one.get("/api/routing/experiments")["latest"] == []
        outcomes = ("success", "success", "failed")
        now = datetime.now(UTC)
        given = [
            line("haiku", told, run_id=f"r{n}", at=now - timedelta(hours=n))
            for n, told in enumerate(outcomes)
        ]
        ledger.append(tmp_path / "ledger", given)
        told = one.get("/api/routing/experiments?limit=2")
        assert (told["tasks"], told["success"]["n"], told["success"]["successes"]) == (3, 3, 2)
        assert len(told["latest"]) == 2
        assert told["latest"][0].keys() >= {"id", "model", "confidence", "strategy", "outcome"}
        stamps = [each["timestamp"] for each in told["latest"]]
        assert stamps == [stamp(now), stamp(now - timedelta(hours=1))]
        assert one.get("/api/ledger/stats")["kinds"][0]["count"] == 3


def test_plans_that_wait_say_why(tmp_path: Path, own_ledger: Path):
    from orchestrator.views.house import Waiting

    one_plan = Waiting(path="a.md", sha256=DIGEST, state="untrusted", why="nobody", since="now")
    with served(House(tmp_path, plans=(one_plan,))) as one:
        told = one.get("/api/plans/waiting")
        assert told["plans"][0]["why"] == "nobody"
        assert told["states"] == {"untrusted": 1}
        assert 'orchestrator_plans{state="untrusted"} 1' in one.ask("GET", "/metrics").body.decode()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_any_value_is_written_as_json_without_html(value: object):
    raw = replies.encoded({"value": value})
    assert not set(b"<>&") & set(raw)
    json.loads(raw)


@given(st.text())
def test_a_long_text_of_an_event_is_cut_and_no_other(text: str):
    event = Event(seq=1, run=RunId("r"), at="", kind=EventKind.TOUCHED, data={"a": [text, "x" * 9000]})  # fmt: skip
    told = replies.bounded(event).data["a"]
    assert told[0] == text
    assert len(told[1]) == 4001
