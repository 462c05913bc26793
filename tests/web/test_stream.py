"""Events as they come: to many viewers, each of them all of it once, whatever breaks off; and nobody holds up the rest."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

import anyio
import pytest

from orchestrator import redact
from orchestrator.journal import Journal
from orchestrator.model import EventKind, RunId, TaskId
from orchestrator.web import replies, stream
from orchestrator.web.stream import Streams
from tests.web.conftest import Scene, play
from tests.web.houses import House, Lines, served, some_events, writer

WAIT_S = 20.0


def until(right: Callable[[], bool]) -> bool:
    limit = time.monotonic() + WAIT_S
    while not right():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True


def has_all(viewer: Lines, wanted: list[int]) -> bool:
    return len(viewer.ids) >= len(wanted)


def another_run(book: Journal, scene: Scene) -> RunId:
    return book.begin(dict(book.find(scene.run).asked), book.plans(scene.run))


def test_what_comes_is_told_within_two_seconds_without_a_bell(fresh: Scene):
    """The engine of another process rings none in ours. Each time begins with a look that is just over: the whole way to
    the next is in it, and what else this machine does is not in all of them."""
    seqs, times = list[int](), list[float]()
    with writer(fresh.ran.root) as book:
        viewer = Lines(fresh.served, f"/api/runs/{fresh.run}/stream")
        assert viewer.opened.wait(WAIT_S)
        while len(times) < 2 or (min(times[1:]) >= 2 and len(times) < 6):
            began = time.monotonic()
            seqs.extend(some_events(book, fresh.run, 3))
            assert until(lambda: viewer.ids == seqs), (viewer.ids, seqs)
            times.append(time.monotonic() - began)
    assert min(times[1:]) < 2, times
    data = [json.loads(one[6:]) for one in viewer.lines if one.startswith("data: ")]
    assert [one["kind"] for one in data] == ["plan_checking"] * len(seqs)
    viewer.close()


def test_a_journal_that_cannot_be_read_for_a_while_ends_neither_viewer_nor_server(fresh: Scene):
    kept, aside = (fresh.ran.root / ".orchestrator" / name for name in ("journal.db", "aside"))
    with writer(fresh.ran.root) as book:
        viewer = Lines(fresh.served, f"/api/runs/{fresh.run}/stream")
        assert viewer.opened.wait(WAIT_S)
        kept.rename(aside)
        kept.write_text("no journal")
        assert until(lambda: any("cannot be told" in line for line in fresh.served.said))
        aside.replace(kept)
        seqs = some_events(book, fresh.run, 3)
        assert until(lambda: viewer.ids == seqs), (viewer.ids, seqs)
    assert sum("cannot be told" in line for line in fresh.served.said) == 1
    viewer.close()


def test_it_goes_on_after_a_number_without_loss_or_repetition(fresh: Scene):
    known = [one.seq for one in fresh.ran.events]
    with writer(fresh.ran.root) as book:
        for path, last in (
            ("stream?after=0", None),
            ("stream", 0),
            (f"stream?after={known[5]}", 0),
        ):
            viewer = Lines(fresh.served, f"/api/runs/{fresh.run}/{path}", last)
            assert until(partial(has_all, viewer, known))
            assert viewer.ids == known
            viewer.close()
        viewer = Lines(fresh.served, f"/api/runs/{fresh.run}/stream?after={known[5]}")
        assert until(lambda: viewer.ids == known[6:])
        more = some_events(book, fresh.run, 2)
        assert until(lambda: viewer.ids == known[6:] + more)
        viewer.close()


def test_a_viewer_that_breaks_off_again_and_again_misses_nothing(fresh: Scene):
    """While somebody writes as fast as can be, in two runs."""
    done = threading.Event()
    wanted: list[int] = []

    def write() -> None:
        with writer(fresh.ran.root) as book:
            other = another_run(book, fresh)
            for _ in range(120):
                some_events(book, other, 1)
                wanted.extend(some_events(book, fresh.run, 2))
        done.set()

    def enough(viewer: Lines, more: int) -> bool:
        ids = viewer.ids
        return len(ids) >= more or (done.is_set() and ids[-1:] == wanted[-1:])

    start = fresh.ran.events[-1].seq
    engine = threading.Thread(target=write)
    engine.start()
    found: list[int] = []
    limit = time.monotonic() + WAIT_S
    while not (done.is_set() and found and found[-1] == wanted[-1]):
        assert time.monotonic() < limit, (found[-3:], wanted[-3:])
        viewer = Lines(fresh.served, f"/api/runs/{fresh.run}/stream", found[-1] if found else start)
        assert viewer.opened.wait(WAIT_S)
        more = 1 + len(found) % 17
        until(partial(enough, viewer, more))
        viewer.close()
        assert viewer.ended.wait(WAIT_S)
        found += viewer.ids
    engine.join()
    assert found == wanted


def test_fifty_viewers_get_the_same_from_one_reader(fresh: Scene):
    viewers = [Lines(fresh.served, "/api/stream") for _ in range(50)]
    assert all(one.opened.wait(WAIT_S) for one in viewers)
    assert "orchestrator_stream_viewers 50" in fresh.served.ask("GET", "/metrics").body.decode()
    with writer(fresh.ran.root) as book:
        seqs = some_events(book, another_run(book, fresh), 20)
    assert until(lambda: all(one.ids == seqs for one in viewers))
    for one in viewers:
        one.close()
    assert until(lambda: "viewers 0" in fresh.served.ask("GET", "/metrics").body.decode())


def test_a_run_has_its_own_events_only(fresh: Scene):
    with writer(fresh.ran.root) as book:
        other = another_run(book, fresh)
        mine = Lines(fresh.served, f"/api/runs/{fresh.run}/stream")
        all_ = Lines(fresh.served, "/api/stream")
        assert mine.opened.wait(WAIT_S)
        assert all_.opened.wait(WAIT_S)
        theirs = some_events(book, other, 2)
        ours = some_events(book, fresh.run, 1)
        assert until(lambda: all_.ids == theirs + ours)
        assert until(lambda: mine.ids == ours)
    mine.close()
    all_.close()


def test_a_secret_that_came_into_a_journal_is_in_no_stream(fresh: Scene):
    """What is there already, what comes, and what is cut in its middle; for viewers of one run and of all."""
    secret = "canary-streamed-51c7e02b9d-of-its-own"
    lead = "y" * (replies.LONGEST - 10)
    with writer(fresh.ran.root) as book:
        before = book.events(fresh.run)[-1].seq
        say = partial(book.append, fresh.run, EventKind.PLAN_CHECKING)
        told = [say({"plan": secret}).seq, say({"plan": lead + secret, secret: [secret]}).seq]
        fresh.served.house.live = (fresh.run,)
        fresh.served.house.lines[fresh.run] = {TaskId("demo/1"): f"says {secret}"}
        redact.learn({"STREAM_TOKEN": secret})
        paths = (f"/api/runs/{fresh.run}/stream", "/api/stream")
        viewers = [Lines(fresh.served, f"{path}?after={before}") for path in paths]
        assert all(viewer.opened.wait(WAIT_S) for viewer in viewers)
        told.append(say({"plan": f"later {secret}"}).seq)
        for viewer in viewers:
            assert until(lambda viewer=viewer: viewer.ids == told), viewer.ids  # type: ignore[misc]
            assert until(lambda viewer=viewer: "event: doing" in viewer.lines)  # type: ignore[misc]
    for viewer in viewers:
        text = "\n".join(viewer.lines)
        assert secret[:8] not in text.replace("[redacted: STREAM_TOKEN]", "")
        assert text.count("[redacted: STREAM_TOKEN]") >= 5
        viewer.close()


def test_what_workers_do_is_told_and_not_numbered(fresh: Scene):
    house, run = fresh.served.house, fresh.run
    house.live, house.lines = (run,), {run: {TaskId("demo/1"): "reads <a>"}}
    viewer = Lines(fresh.served, f"/api/runs/{run}/stream")
    assert until(lambda: "event: doing" in viewer.lines)
    house.lines = {run: {TaskId("demo/1"): "writes"}}
    fresh.served.call(house.ring)
    assert until(lambda: any("writes" in line for line in viewer.lines))
    late = Lines(fresh.served, f"/api/runs/{run}/stream")
    assert until(lambda: any("writes" in line for line in late.lines)), (
        "who comes later sees it too"
    )
    assert viewer.ids == late.ids == []
    assert fresh.served.get(f"/api/runs/{run}")["doing"] == {"demo/1": "writes"}
    viewer.close()
    late.close()


def test_who_has_ended_does_nothing_any_more(fresh: Scene):
    """Told to those who watch, and kept from those who come later."""
    house, run = fresh.served.house, fresh.run
    house.live, house.lines = (run,), {run: {TaskId("demo/1"): "reads"}}
    viewer = Lines(fresh.served, f"/api/runs/{run}/stream")
    assert until(lambda: any("reads" in line for line in viewer.lines))
    house.live, house.lines = (), {}
    fresh.served.call(house.ring)
    nothing = f'data: {{"run":"{run}","tasks":{{}}}}'
    assert until(lambda: nothing in viewer.lines)
    late = Lines(fresh.served, f"/api/runs/{run}/stream")
    assert late.opened.wait(WAIT_S)
    with writer(fresh.ran.root) as book:
        (seq,) = some_events(book, run, 1)
    assert until(lambda: late.ids == [seq])
    assert "event: doing" not in late.lines
    viewer.close()
    late.close()


@pytest.mark.parametrize("last", ["abc", "-1", "1.5", "9" * 19, "٣"])
@pytest.mark.parametrize("path", ["/api/stream", "/api/runs/{run}/stream"])
def test_who_cannot_go_on_where_it_was_is_told(path: str, last: str, scene: Scene):
    """It would miss events, and not know it."""
    address = f"{path.format(run=scene.run)}?after=0"
    told = scene.served.ask("GET", address, last_event_id=last.encode("utf-8").decode("latin-1"))
    assert told.status == 400
    assert "Last-Event-ID is not the number of an event" in told.json["error"]
    assert "send the `id` of the last one" in told.json["error"]


async def test_a_quiet_stream_has_a_heart(tmp_path: Path):
    streams = Streams(House(tmp_path), heart_s=0.05)
    async with anyio.create_task_group() as beside:
        beside.start_soon(streams.pump)
        async with aclosing(streams.watch(None, None)) as frames:
            told = [await anext(frames) for _ in range(4)]
        beside.cancel_scope.cancel()
    assert told == [stream.HELLO, *[stream.HEART] * 3]
    assert streams.viewers == 0


def test_who_does_not_read_is_sent_away_and_nobody_waits(tmp_path: Path, own_ledger: Path):
    ran = play(tmp_path)

    async def watch() -> None:
        streams = Streams(House(tmp_path), behind=9)
        post, box = anyio.create_memory_object_stream[bytes](100)

        async def read() -> None:
            async for frame in streams.watch(None, None):
                post.send_nowait(frame)

        with post, box, writer(tmp_path) as book, anyio.fail_after(2 * WAIT_S):
            async with anyio.create_task_group() as beside:
                beside.start_soon(streams.pump)
                beside.start_soon(read)
                async with aclosing(streams.watch(None, None)) as slow:
                    assert await anext(slow) == await box.receive() == stream.HELLO
                    for _ in range(3):
                        wanted, got = some_events(book, ran.run, 4), list[int]()
                        while got != wanted:  # several can come at once
                            lines = (await box.receive()).splitlines()
                            got += [int(one[4:]) for one in lines if one.startswith(b"id: ")]
                    assert streams.viewers == 1
                beside.cancel_scope.cancel()

    anyio.run(watch)


def test_a_head_of_a_stream_ends(scene: Scene):
    """The same connection can be used again."""
    connection = http.client.HTTPConnection(scene.served.host, scene.served.port, timeout=WAIT_S)
    headers = {"host": scene.served.own, "authorization": f"Bearer {scene.served.token}"}
    for method, path in (("HEAD", "/api/stream"), ("GET", "/api/runs")):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()


def test_the_end_of_the_server_ends_the_streams(tmp_path: Path, own_ledger: Path):
    with served(House(tmp_path)) as one:
        viewers = [Lines(one, "/api/stream") for _ in range(5)]
        assert all(viewer.opened.wait(WAIT_S) for viewer in viewers)
        began = time.monotonic()
    assert time.monotonic() - began < 10  # its heart beats each 15 s, and viewers stay for 30
    assert all(viewer.ended.wait(WAIT_S) for viewer in viewers)
    assert all(viewer.was_finished for viewer in viewers), "not torn off"
