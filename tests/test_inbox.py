"""Letters arrive whole, in order, and once."""

from __future__ import annotations

from pathlib import Path

from orchestrator import inbox
from orchestrator.inbox import Letter
from orchestrator.model import Answer, RunId, TaskId


def letter(task: str, **values: object) -> Letter:
    return Letter.model_validate({"do": "retry", "run": "r", "task": task} | values)


def test_letters_come_in_the_order_of_their_posting(tmp_path: Path):
    posted = [letter(str(n)) for n in range(5)]
    for one in posted:
        inbox.post(tmp_path, one)
    assert [found for _, found in inbox.look(tmp_path)] == posted


def test_an_answer_survives_the_way(tmp_path: Path):
    answer = Answer(approved=True, option="b", note='quote " and\nline', by="ann")
    sent = Letter(do="answer", run=RunId("r"), task=TaskId("p/1"), answer=answer)
    inbox.post(tmp_path, sent)
    ((path, found),) = inbox.look(tmp_path)
    assert found == sent
    inbox.discard(path)
    assert inbox.look(tmp_path) == []


def test_a_half_written_file_is_not_seen_and_a_foreign_one_is_set_aside(tmp_path: Path):
    path = inbox.post(tmp_path, letter("1"))
    path.with_name(".00.tmp").write_text("{")
    path.with_name("0-broken.json").write_text('{"do": "explode"}')
    assert [found.task for _, found in inbox.look(tmp_path)] == ["1"]
    assert path.with_name("0-broken.bad").exists()


def test_what_cannot_be_set_aside_is_left_alone_and_holds_up_no_letter(tmp_path: Path):
    path = inbox.post(tmp_path, letter("1"))
    path.with_name("0.json").write_text("no")
    (path.with_name("0.bad") / "x").mkdir(parents=True)
    assert [found.task for _, found in inbox.look(tmp_path)] == ["1"]
    assert path.with_name("0.json").exists()


def test_its_name_tells_when_a_letter_was_sent(tmp_path: Path):
    before = inbox.now()
    path = inbox.post(tmp_path, letter("1"))
    assert before <= inbox.sent_at(path) <= inbox.now()
    assert inbox.sent_at(path.with_name("0x.json")) == 0


def test_no_inbox_is_an_empty_inbox(tmp_path: Path):
    assert inbox.look(tmp_path) == []
