"""What pages of a full project take beside those of an empty one: `python -m bench.pages [ROUNDS]`, five by default.

Full: 200 runs, one of them of 500 tasks that goes on. Empty: nothing ever ran; it has no page of a run, so those of the only
run of a third project, of two tasks, stand beside too. Real servers over loopback, asked in turn in the same rounds:
  cold  asked of a server in the moment in which it starts, so that it has to read the journal first
  first  the first page that is asked of one that started a second ago
  next  the first one after an event of the run that it shows, of those for which all is drawn anew (in the empty project there is none)
  warm  made anew by a server that knows the journal, though nothing is new
  same  asked once more in the same second
Milliseconds are the fastest of all rounds, which whatever else the machine does disturbs least; each ratio is of this run.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from orchestrator import journal
from orchestrator.journal import tail
from orchestrator.views import past
from tests.web import scenes
from tests.web.houses import House, Served, served, some_events, task

RUNS, TASKS, ROUNDS, WARM = 200, 500, 5, 10
KINDS = ("cold", "first", "next", "warm", "same")


class Page(NamedTuple):
    """`beside`: the pages whose time its own is divided by. `go_on`: tells the journal of one more event."""

    name: str
    house: House
    path: str
    beside: tuple[str, ...]
    go_on: Callable[[], None]


Times = dict[tuple[str, str], list[float]]  # page and kind -> milliseconds


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder, pages(Path(folder)) as every:
        times: Times = defaultdict(list)
        for number in range(rounds):
            for page in every:
                measure(page, times, number)
    print(
        f"{RUNS} runs, one of {TASKS} tasks; {rounds} rounds; Python {sys.version.split()[0]}, {os.cpu_count()} cores"
    )
    print(row("", list(KINDS)))
    for page in every:
        print(row(page.name, [f"{fastest(times, page.name, kind):.1f} ms" for kind in KINDS]))
        for other in page.beside:
            told = [fastest(times, page.name, k) / fastest(times, other, k) for k in KINDS]
            print(row(f"  beside {other}", [f"{ratio:.2f} x" for ratio in told]))


def row(name: str, told: list[str]) -> str:
    return f"{name:30}" + "".join(f"{one:>12}" for one in told)


def fastest(times: Times, page: str, kind: str) -> float:
    return min(times[page, kind])


@contextmanager
def pages(folder: Path) -> Iterator[list[Page]]:
    """With a ledger of their own, which is empty."""
    os.environ["ORCHESTRATOR_INTELLIGENCE_DIR"] = str(folder / "ledger")
    with ExitStack() as stack:
        roots = [folder / name for name in ("empty", "small", "full")]
        for root in roots:
            root.mkdir()
        empty, small, full = roots
        little = stack.enter_context(journal.writing(small))
        alone = scenes.open_scenes(little, small, "small")
        book = stack.enter_context(journal.writing(full))
        scenes.many(book, full, RUNS - 1)
        busy = scenes.open_scenes(book, full, "large")
        first, largest = alone.plays["small"], busy.plays["large"]
        done = f"/runs/{largest.run}/tasks/{task(largest.id(1))}"

        def of_small() -> None:
            some_events(little, first.run, 1)

        def of_large() -> None:
            some_events(book, largest.run, 1)

        yield [
            Page("/ empty", House(empty), "/", (), lambda: None),
            Page("/ full", busy.house, "/", ("/ empty",), of_large),
            Page("/runs/ID small", alone.house, f"/runs/{first.run}", ("/ empty",), of_small),
            Page("/runs/ID full", busy.house, f"/runs/{largest.run}", ("/ empty", "/runs/ID small"), of_large),
            Page("task small", alone.house, f"/runs/{first.run}/tasks/{task(first.id(1))}", ("/ empty",), of_small),
            Page("task full", busy.house, done, ("/ empty", "task small"), of_large),
        ]  # fmt: skip


def measure(page: Page, times: Times, number: int) -> None:
    with started(page) as server:
        times[page.name, "cold"].append(asked_ms(server, page.path))
    with started(page) as server:
        time.sleep(1)
        times[page.name, "first"].append(asked_ms(server, page.path))
        for _ in range(WARM):
            page.go_on()
            times[page.name, "next"].append(asked_ms(server, page.path))
        time.sleep(2 * tail.SETTLED_S)
        for count in range(WARM):  # an address that nobody has asked yet is made anew
            path = f"{page.path}?n={number}-{count}"
            times[page.name, "warm"].append(asked_ms(server, path))
            times[page.name, "same"].append(asked_ms(server, path))


@contextmanager
def started(page: Page) -> Iterator[Served]:
    """As in a process of its own, which has read no plan yet."""
    past.read_plans.cache_clear()
    with served(page.house) as server:
        server.ask("GET", "/login")  # the first connection is of no page
        yield server


def asked_ms(server: Served, path: str) -> float:
    began = time.perf_counter()
    reply = server.ask("GET", path)
    took = 1000 * (time.perf_counter() - began)
    if reply.status != 200:
        raise SystemExit(f"{path}: {reply.status}")
    return took


if __name__ == "__main__":
    main()
