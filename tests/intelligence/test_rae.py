"""RAE (S4-21, S4-24): the wire as docs/intelligence.md says, against a real server; and nothing of it in anyone's way."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator import ledger
from orchestrator.errors import SettingsError
from orchestrator.intelligence import (
    ExecutionRecord,
    PerformanceTracker,
    RAEIntegration,
    create_rae_integration,
    rae_integration,
    wire,
)
from orchestrator.intelligence.records import read
from orchestrator.intelligence.salt import salt
from orchestrator.settings import ledger_folder
from tests.conftest import REPOSITORY
from tests.intelligence.rae import Server, serving
from tests.intelligence.samples import history, line, record


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


@pytest.fixture
def rae(server: Server) -> Iterator[RAEIntegration]:
    one = create_rae_integration(server.url)
    yield one
    server.may_answer.set()
    one.close()


def wait_until(true: object, seconds: float = 30.0) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


# --- off -----------------------------------------------------------------------------------------


def test_s4_21_without_an_endpoint_nothing_is_done(tracker: PerformanceTracker):
    rae = create_rae_integration()
    assert not rae.enabled
    assert rae.sync_record(record(tracker)) is False
    assert rae.query_similar_tasks("Implement it", "core", "high", limit=10) == []
    assert rae.get_global_statistics() == {}
    assert rae.enable_cross_deployment_learning(tracker) is False
    assert rae.flush() is True
    assert rae._thread is None, "no thread was ever started"
    assert not tracker.rae.enabled


@pytest.mark.parametrize(
    "wrong",
    [
        "localhost:8000",
        "ftp://a",
        "http://",
        "http://a:nan",
        "http://u:p@a",
        "http://[",
        "file:///x",
    ],
)
def test_s4_24_what_is_no_address_is_told(wrong: str):
    with pytest.raises(SettingsError, match=r"RAE_ENDPOINT = .* is no address; write one as"):
        create_rae_integration(wrong)


def test_s4_24_the_endpoint_comes_from_the_environment(server: Server, tmp_path: Path):
    os.environ["RAE_ENDPOINT"] = f" {server.url}/base/ "
    tracker = PerformanceTracker(storage_dir=tmp_path, rae_integration=True)
    assert str(tracker.rae.server) == f"{server.url}/base"
    tracker.rae.close()


# --- the wire ------------------------------------------------------------------------------------


def test_s4_21_a_record_is_sent_with_these_fields_and_no_other(
    server: Server, rae: RAEIntegration, tmp_path: Path
):
    tracker = PerformanceTracker(storage_dir=tmp_path / "r", rae_integration=rae)
    told = record(
        tracker,
        task_id="SECRET-PROJECT-1",
        outcome="failed",
        error_type="verify",
        error_message="the password is hunter2",
        failed_step="in src/billing.py",
    )
    assert rae.flush()
    ((method, path, body),) = server.requests
    assert (method, path) == ("POST", "/v1/records")
    (sent,) = body["records"]
    assert set(sent) == {"id", *wire.FIELDS}
    assert re.fullmatch("[0-9a-f]{32}", sent["id"])
    for name in wire.FIELDS:
        assert sent[name] == getattr(told, name)
    assert not re.search("SECRET-PROJECT|hunter2|billing|record-", json.dumps(body))


def test_s4_21_values_of_secret_variables_are_not_sent(server: Server, tmp_path: Path):
    """The program around it need not have said what is secret: neither to RAE nor into the ledger."""
    token = "tok-" + tmp_path.name[-4:] + "-1234567890-abcdef"
    os.environ["PARTNER_TOKEN"] = token
    rae = create_rae_integration(server.url)
    tracker = PerformanceTracker(storage_dir=tmp_path / "r", rae_integration=rae)
    record(tracker, "model-a", error_message=f"refused: {token}", outcome="failed")
    rae.query_similar_tasks(f"Use {token} for it", f"area-{token}", f"risk-{token}")
    rae.close()
    sent = json.dumps(server.requests)
    assert token not in sent
    assert sent.count("[redacted: PARTNER_TOKEN]") == 3
    assert token not in (tracker.storage_dir / ledger.NAME).read_text()


def test_s4_21_an_id_can_be_guessed_by_nobody_and_stays_the_same(server: Server, tmp_path: Path):
    """Who knows how runs and tasks are called must not find them by trying."""

    def ids(told: ExecutionRecord) -> list[str]:
        rae = create_rae_integration(server.url)
        rae.sync_record(told)
        rae.close()
        return [one["id"] for one in server.requests[-1][2]["records"]]

    told = read(line())
    first = ids(told)
    kept = ledger_folder() / "rae_salt"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert first == ids(told), "another program of this user says the same of it"
    plain = hashlib.sha256(told.record_id.encode()).hexdigest()[:32]
    own = kept.read_bytes()
    assert first == [hmac.new(own, told.record_id.encode(), "sha256").hexdigest()[:32]] != [plain]
    kept.write_text("")  # damaged
    assert ids(told) != first
    assert own not in json.dumps(server.requests).encode()
    os.environ["ORCHESTRATOR_INTELLIGENCE_DIR"] = str(tmp_path / "another user's")
    assert ids(told) != first
    (tmp_path / "file").write_text("")
    os.environ["ORCHESTRATOR_INTELLIGENCE_DIR"] = str(tmp_path / "file")
    assert ids(told) != first, "where none can be kept it is sent all the same"
    assert len(server.requests) == 5


def test_s4_21_all_who_ask_at_once_get_one_salt(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(salt, [tmp_path / "new"] * 64))
    assert len(found) == 1
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["rae_salt"]


def test_s4_21_similar_tasks_are_asked_for_as_documented(server: Server, rae: RAEIntegration):
    found = rae.query_similar_tasks(
        task_description="Implement vector search with filters",
        task_area="core",
        task_risk="high",
        limit=10,
    )
    assert server.requests == [
        (
            "POST",
            "/v1/similar",
            {
                "description": "Implement vector search with filters",
                "area": "core",
                "risk": "high",
                "limit": 10,
            },
        )
    ]
    assert found == [{"task_area": "core", "rank": rank} for rank in range(10)]


def test_s4_21_global_statistics_are_what_the_server_says(server: Server, rae: RAEIntegration):
    rae.sync_record(read(line()))
    assert rae.flush()
    assert rae.get_global_statistics() == {"records": 1}
    assert server.requests[-1][:2] == ("GET", "/v1/statistics")


def test_s4_21_the_page_lists_what_is_sent():
    page = (REPOSITORY / "docs" / "intelligence.md").read_text("utf-8")
    listed = re.search(r"<!-- fields -->(.*?)<!-- end -->", page, re.S)
    assert listed
    assert re.findall(r"`(\w+)`", listed[1]) == ["id", *wire.FIELDS]
    for path in (wire.RECORDS, wire.SIMILAR, wire.STATISTICS):
        assert path in page


# --- never in the way ----------------------------------------------------------------------------


def test_s4_21_recording_does_not_wait_for_the_server(
    server: Server, rae: RAEIntegration, tmp_path: Path
):
    server.may_answer.clear()
    tracker = PerformanceTracker(storage_dir=tmp_path / "r", rae_integration=rae)
    record(tracker)
    wait_until(lambda: server.requests)
    record(tracker)  # while the first one hangs
    assert not server.may_answer.is_set()
    assert rae.sent == 0
    server.may_answer.set()
    assert rae.flush()
    assert rae.sent == len(server.records) == 2


def test_s4_21_what_has_no_room_is_dropped_and_counted(server: Server, rae: RAEIntegration):
    server.may_answer.clear()
    rae.sync_record(read(line()))
    wait_until(lambda: server.requests)
    took = [rae.sync_record(read(line())) for _ in range(rae_integration.QUEUE + 5)]
    assert took == [True] * rae_integration.QUEUE + [False] * 5
    assert rae.dropped == 5
    server.may_answer.set()
    assert rae.flush(20)
    assert rae.sent == len(server.records) == rae_integration.QUEUE + 1
    most = max(len(body["records"]) for _, _, body in server.requests)
    assert most <= rae_integration.BATCH


def test_s4_21_an_overloaded_server_is_asked_again(server: Server, rae: RAEIntegration):
    server.trouble = [(503, b""), (429, b"")]
    rae.sync_record(read(line()))
    assert rae.flush(20)
    assert (rae.sent, rae.failed, len(server.requests)) == (1, 0, 3)


@pytest.mark.parametrize(
    ("trouble", "asked"),
    [
        ([(400, b"")], 1),
        ([(500, b"")] * 3, 3),
        ([(200, b"{not json")], 1),
        ([(200, b"[" * 100_000)], 1),
        ([(200, b" " * (wire.LONGEST_ANSWER + 1))], 1),
    ],
    ids=["refused", "broken", "no JSON", "deep", "long"],
)
def test_s4_21_a_server_that_is_wrong_costs_a_log_line(
    server: Server,
    rae: RAEIntegration,
    caplog: pytest.LogCaptureFixture,
    trouble: list[tuple[int, bytes]],
    asked: int,
):
    server.trouble = list(trouble)
    assert rae.get_global_statistics(timeout_s=15) == {}
    assert len(server.requests) == asked
    assert f"endpoint='{server.url}'" in caplog.text
    assert rae.get_global_statistics() == {"records": 0}, "and it goes on"


def test_s4_21_a_redirect_is_not_followed(server: Server, rae: RAEIntegration):
    with serving() as other:
        server.trouble = [(307, f"{other.url}/v1/records".encode())]
        rae.sync_record(read(line()))
        assert rae.flush()
        assert (rae.sent, rae.failed) == (0, 1)
        assert other.requests == []


@pytest.mark.parametrize("answer", [b"null", b"[]", b'{"tasks": 5}', b'{"tasks": [1, null]}', b""])
def test_s4_21_an_answer_of_another_form_is_no_answer(
    server: Server, rae: RAEIntegration, answer: bytes
):
    server.trouble = [(200, answer)]
    assert rae.query_similar_tasks("Do it") == []
    assert rae.query_similar_tasks("Do it", limit=0) == []


def test_s4_21_a_question_waits_no_longer_than_it_says(server: Server, rae: RAEIntegration):
    server.may_answer.clear()
    began = time.monotonic()
    assert rae.query_similar_tasks("Do it", timeout_s=0.2) == []
    between = time.monotonic()
    assert rae.get_global_statistics(timeout_s=0.2) == {}
    assert between - began < 4  # else it waits for five seconds
    assert time.monotonic() - between < 4


def test_s4_21_a_server_that_is_gone_ends_nothing(tracker: PerformanceTracker, nobody: str):
    tracker.rae = create_rae_integration(nobody)
    record(tracker)
    assert tracker.rae.flush(20)
    assert (tracker.rae.sent, tracker.rae.failed) == (0, 1)
    assert len(tracker.get_all_records()) == 1
    tracker.rae.close()


def test_s4_21_a_program_ends_although_the_server_hangs(server: Server, tmp_path: Path):
    server.may_answer.clear()
    program = (
        "import sys; from orchestrator.intelligence import PerformanceTracker;"
        "PerformanceTracker(storage_dir=sys.argv[1]).record_execution('T-2', 'a', 'low', 'small',"
        "'p', 'p', 'm', 'm', 'success', 1.0, 0.1, 1); print('done')"
    )
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), "RAE_ENDPOINT": server.url}
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "r")],
        env=variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ended.stdout == "done\n"
    assert ended.stderr == ""
    assert len(server.requests) == 1


# --- other deployments ---------------------------------------------------------------------------


def test_s4_21_with_cross_deployment_learning_all_that_is_there_is_sent(
    server: Server, tracker: PerformanceTracker
):
    history(tracker, "m", good=150, of=250)
    rae = RAEIntegration(server.url, sync_interval=0.05)
    assert rae.enable_cross_deployment_learning(tracker) is True
    wait_until(lambda: len(server.records) == 250)
    history(tracker, "later", good=1, of=1)  # as a run does, not through this tracker
    wait_until(lambda: len(server.records) == 251)
    rae.close()
    assert rae.sent == 251, "nothing is sent twice"
    assert len(tracker.get_all_records()) == 251, "and nothing of others comes in"


def test_s4_21_what_was_not_taken_is_sent_the_next_time(
    server: Server, tracker: PerformanceTracker
):
    history(tracker, "m", good=3, of=3)
    server.trouble = [(400, b"")]
    rae = RAEIntegration(server.url, sync_interval=0.05)
    rae.enable_cross_deployment_learning(tracker)
    wait_until(lambda: rae.sent == 3)
    rae.close()
    assert (rae.failed, len(server.records)) == (3, 3)
