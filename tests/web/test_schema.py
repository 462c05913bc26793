"""The OpenAPI document is the table, and it is true: schemathesis asks everything that it says, and much that it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as effort

from orchestrator.cli.estimate import foresee
from orchestrator.web import app, openapi
from tests.conftest import REPOSITORY
from tests.web.conftest import Scene, play
from tests.web.houses import House, served

schemathesis = pytest.importorskip("schemathesis", reason="of the extra `browser`")

DOCUMENT = openapi.document(app.ENDPOINTS)
WHOLE = schemathesis.openapi.from_dict(DOCUMENT)
NO = [
    "400",
    "401",
    "403",
    "404",
    "405",
    "409",
    "413",
    "415",
    "422",
    "431",
]  # too large is no as well
WHOLE.config.checks.negative_data_rejection.expected_statuses = NO
YES = [
    "2xx",
    "303",
    "404",
    "409",
    "422",
]  # 422: of the right type, and no plan, or no answer to what was asked
WHOLE.config.checks.positive_data_acceptance.expected_statuses = YES
SCHEMA = WHOLE.exclude(path_regex="stream$")  # they do not end
FEW = effort(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, own_ledger: Path) -> Iterator[Scene]:
    """Who asks at random also changes things: of this module alone."""
    ran = play(tmp_path_factory.mktemp("schema"))
    with served(House(ran.root), foresee) as one:
        yield Scene(ran, one)


@SCHEMA.parametrize()
@FEW
def test_every_answer_is_what_the_document_says(case: Any, house: Scene):
    if case.path_parameters and case.meta.generation.mode.is_positive:
        real = {"run": house.run, "task": "demo/2", "attempt": 1}
        real |= {"pattern": "1", "tool": "run_test_workflow"}
        if len(str(case.path_parameters)) % 4:  # else what nobody knows
            case.path_parameters = {name: real[name] for name in case.path_parameters}
    headers = {"Authorization": f"Bearer {house.served.token}"}
    case.call_and_validate(base_url=f"http://{house.served.own}", headers=headers)


def test_the_document_has_every_line_of_the_table_and_no_other():
    told = {(method.upper(), path) for path, of in DOCUMENT["paths"].items() for method in of}
    assert told == {(one.method, one.path) for one in app.ENDPOINTS}
    names = [one.name for one in app.ENDPOINTS]
    assert len(names) == len(set(names))


def test_what_is_served_is_that_document(scene: Scene):
    assert scene.served.get(app.DOCUMENT) == DOCUMENT


def test_what_else_a_stream_tells_is_in_its_line():
    told = {
        path: of["get"]["summary"] for path, of in DOCUMENT["paths"].items() if "stream" in path
    }
    assert all("`doing`" in one or "The same" in one for one in told.values())
    assert "`plans`" in told["/api/stream"]
    assert "`plans`" not in told["/api/runs/{run}/stream"]


def test_every_reference_leads_somewhere():
    known = DOCUMENT["components"]["schemas"]
    for name in re.findall(r"#/components/schemas/([\w.-]+)", str(DOCUMENT)):
        assert name in known


def test_the_page_has_every_line_of_the_table():
    page = (REPOSITORY / "docs" / "http.md").read_text("utf-8")
    rows = re.findall(r"^\| `(GET|POST) (\S+)` \| (.*) \|$", page, re.M)
    assert rows == [(one.method, one.path, one.says) for one in app.ENDPOINTS]
