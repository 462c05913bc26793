"""The daemon with its pages, as `serve` has them: one loop, real HTTP over loopback, and what a person does between a new plan and its run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from anyio import to_thread

from orchestrator import settings
from orchestrator.daemon.door import Door
from orchestrator.web import server
from tests.daemon.test_door import FLAGS, has_run, stands, supervised, until, write
from tests.web.houses import House, Reply, Served
from tests.web.test_pages import Page


class Site:
    def __init__(self, door: Door, client: Served) -> None:
        self.door, self._client = door, client

    async def ask(self, method: str, path: str, body: object = None) -> Reply:
        return await to_thread.run_sync(partial(self._client.ask, method, path, body))

    async def front(self) -> Page:
        reply = await self.ask("GET", "/")
        assert reply.status == 200, reply.body
        return Page(reply.body.decode())

    async def trust(self, page: Page) -> None:
        """What the button sends that stands there."""
        (form,) = (attrs for tag, attrs in page.tags if tag == "form")
        body = {"path": form["data-path"], "sha256": form["data-sha256"]}
        reply = await self.ask("POST", str(form["data-post"]), body)
        assert reply.status == 200, reply.body


@asynccontextmanager
async def site(root: Path) -> AsyncIterator[Site]:
    async with supervised(root) as supervisor, anyio.create_task_group() as group:
        door = Door(supervisor)
        chosen = settings.load(root, {**FLAGS, "http": {"port": 0}})
        await group.start(partial(server.serve, door, chosen, print, None))
        told = json.loads((root / ".orchestrator/private/http.json").read_text())
        place = urlsplit(told["url"])
        client = Served(
            House(root), place.hostname or "", place.port or 0, told["token"], print, []
        )
        yield Site(door, client)
        group.cancel_scope.cancel()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    root = tmp_path / "project"
    (root / "plans").mkdir(parents=True)
    return root


async def test_a_new_and_an_edited_plan_are_read_trusted_and_run_from_the_front_page(root: Path):
    first = write(root, "one")
    async with site(root) as place:
        await stands(place.door, "untrusted")
        page = await place.front()
        assert "all of its text: no run had it before" in page.text
        assert "> one.txt" in page.text  # what a shell would do
        (plan,) = (await place.ask("GET", "/api/plans/waiting")).json["plans"]
        assert (plan["sha256"], plan["is_whole"]) == (first, True)
        await place.trust(page)
        await until(has_run(root, "a"))
        await until(lambda: not place.door.health().runs)
        write(root, "two")
        one = await stands(place.door, "untrusted")
        for _ in range(3):
            page = await place.front()
        assert f"what is other than in run {one.run}" in page.text
        assert "> two.txt" in page.text
        for path in (f"/runs/{one.run}", "/metrics", "/health", "/api/runs"):
            assert (await place.ask("GET", path)).status == 200
        await place.trust(page)
        await until((root / "two.txt").is_file)
