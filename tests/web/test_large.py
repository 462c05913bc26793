"""Large runs and many of them: what their pages show of it, and that nothing is drawn, read or folded again without need."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator import journal, redact, settings
from orchestrator.journal import tail
from orchestrator.views import past
from orchestrator.web.book import Book
from orchestrator.web.drawn import Drawn
from orchestrator.web.pages import Pages
from orchestrator.web.seen import Seen, Value
from tests.engine.runs import bash
from tests.web import scenes
from tests.web.houses import House, some_events
from tests.web.scenes import Play
from tests.web.test_pages import place, read

LOOKS = 200


def test_of_many_tasks_only_those_that_one_looks_for_are_links_and_another_page_has_all(
    tmp_path: Path,
):
    with place(tmp_path / "shop", "large") as (told, server):
        home = f"/runs/{told.names['large']}"
        page = read(server, home)
        picture = [one for one in page.all("href") if one.startswith(f"{home}/tasks/")]
        runs = [f"{home}/tasks/port/{10 * chain + 8}" for chain in range(8)]
        assert [one for one in picture if picture.count(one) > 1] == 2 * runs  # and in the table
        assert "350 succeeded" in page.text
        assert "142 waiting" in page.text
        assert f"{home}/graph" in page.all("href")
        whole = read(server, f"{home}/graph")
        links = [one for one in whole.all("href") if one.startswith(f"{home}/tasks/")]
        assert len(set(links)) == len(links) == 500


def test_a_worker_that_goes_on_draws_nothing_anew_and_its_row_is_told(tmp_path: Path):
    with place(tmp_path, "large") as (told, _):
        play, book, drawn, now = told.plays["large"], Book(tmp_path), Drawn(), scenes.now()
        run = book.run(play.run)
        graph, counts = drawn.graph(run), drawn.counts(run)
        first = list(drawn.rows(run, 1, {}, now))
        play.report(8, 13_900, 77_700)
        run = book.run(play.run)
        assert (drawn.graph(run), drawn.counts(run)) == (graph, counts)
        assert drawn.graph(run) is graph
        assert drawn.counts(run) is counts
        rows = list(drawn.rows(run, 1, {play.id(8): "says <this>"}, now))
        assert rows[-1] is first[-1]  # of all that do not run
        assert "77.7k" in rows[0]
        assert "says &lt;this&gt;" in rows[0]
        play.finish(8, 13_950, scenes.passed())
        run = book.run(play.run)
        assert drawn.graph(run) is not graph
        assert drawn.counts(run)["succeeded"] == counts["succeeded"] + 1


def test_a_piece_is_made_anew_where_its_words_have_become_secret(tmp_path: Path):
    with place(tmp_path) as (told, _):
        value = "piece-5e2a9c7d11ff"
        text = scenes.plan_text(bash(f"Say {value}", "true", files="a.txt"), phase="hello")
        play = Play(told.book, tmp_path, {"hello": text})
        run, drawn = Book(tmp_path).run(play.run), Drawn()
        assert value in drawn.graph(run)
        assert value in next(drawn.rows(run, 1, {}, scenes.now()))
        redact.learn({"DASHBOARD_PIECE_TOKEN": value})
        assert value not in drawn.graph(run)
        assert value not in next(drawn.rows(run, 1, {}, scenes.now()))


def test_no_event_is_missed_however_soon_it_comes_after_a_look(tmp_path: Path):
    """The times of files go in steps: two writes within one step look the same."""
    with place(tmp_path, "small") as (told, _):
        book, run = Book(tmp_path), told.names["small"]
        for number in range(LOOKS):
            (seq,) = some_events(told.book, run, 1)
            while number > LOOKS - 3 and tail.stands(tmp_path) is None:
                pass  # and where nothing came for a while
            assert book.latest() == seq


def test_files_that_stand_as_they_did_are_not_read_again(tmp_path: Path):
    assert tail.stands(tmp_path) is None
    with place(tmp_path, "small") as (told, _):
        # what was written just now may change unseen; a slow machine needs more than one look
        assert any(_unsettled(told, tmp_path) for _ in range(50))
        while (stood := tail.stands(tmp_path)) is None:
            pass
        assert tail.stands(tmp_path) == stood
        some_events(told.book, told.names["small"], 1)
        while (new := tail.stands(tmp_path)) is None:
            pass
        assert new != stood


def _unsettled(told: scenes.Scenes, root: Path) -> bool:
    some_events(told.book, told.names["small"], 1)
    return tail.stands(root) is None


def test_runs_of_the_same_plans_read_them_once(tmp_path: Path):
    past.read_plans.cache_clear()
    with place(tmp_path) as (told, _):
        scenes.many(told.book, tmp_path, 5)
        book = Book(tmp_path)
        graphs = {id(book.run(row.id).graph) for row in book.runs()}
    assert len(graphs) == 1
    assert past.read_plans.cache_info().misses == 1


@dataclass(frozen=True)
class Counting(Seen):
    looks: list[int] = field(default_factory=lambda: [0])

    async def look(self, work: Callable[[Book], Value]) -> Value:
        self.looks[0] += 1
        return await super().look(work)


@pytest.mark.parametrize("what", ["it is whole", "it cannot be read"])
async def test_what_a_start_costs_is_paid_before_somebody_looks(tmp_path: Path, what: str):
    (tmp_path / ".planning").mkdir()
    with journal.writing(tmp_path) as book:
        scenes.many(book, tmp_path, 4)
        told = scenes.open_scenes(book, tmp_path, "asking")
    seen = Counting(House(tmp_path, live=told.house.live), settings.load(tmp_path))
    if what == "it cannot be read":
        (tmp_path / ".orchestrator" / "journal.db").write_bytes(b"nonsense" * 1000)
        await Pages(seen).prepare()  # who looks is told
        return
    await Pages(seen).prepare()
    assert seen.looks[0] > 5, "nobody who looks meanwhile waits for all of it"
    known = await seen.look(lambda book: (set(book._glances), set(book._open)))
    assert known[0] == {row.id for row in past.names(tmp_path)}
    assert told.names["asking"] in known[1]


def test_a_run_goes_on_in_the_list_as_its_events_come(tmp_path: Path):
    """A run that has not ended stays folded, and is not folded for each look at the list."""
    with place(tmp_path) as (told, _):
        text = scenes.plan_text(bash("Say hello", "true", files="a.txt"), phase="hello")
        play = Play(told.book, tmp_path, {"hello": text})
        book = Book(tmp_path)
        assert book.glance(play.run).states == {"waiting": 1}
        assert play.run in book._open
        before = book.run(play.run).watched
        play.start(1, 5)
        assert book.glance(play.run).states == {"running": 1}
        assert book.run(play.run).watched is before


def test_lines_of_a_picture_are_as_short_as_they_can_be(tmp_path: Path):
    with place(tmp_path, "large") as (told, server):
        body = server.ask("GET", f"/runs/{told.names['large']}").body.decode()
        (curve,) = re.findall(r'<path class="line" d="([^"]+)"', body)
        assert re.fullmatch(r"(M\d+ \d+[HV]\d+)+", curve)
        assert len(body) < 100_000


def test_a_timeline_of_many_tasks_has_each_try_once(tmp_path: Path):
    with place(tmp_path, "large") as (told, _):
        play = told.plays["large"]
        play.finish(8, 13_000, scenes.failed())
        assert play.tracker.states[play.id(8)] == "waiting"
        text = Drawn().timeline(Book(tmp_path).run(play.run), scenes.now())
        assert sum(map(int, re.findall(r"slot \d+, (\d+) tr", text))) == 358
        passed = sum(one.count("M") for one in re.findall(r'class="try ok" d="([^"]+)"', text))
        assert passed == 350
        assert len(re.findall(r'class="try (?:run|bad)" x', text)) == 8
        assert "port/8: try 1" in text
