"""The table of endpoints as an OpenAPI 3.1 document. Refuses to say anything that the table does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from orchestrator.web.models import Trouble
from orchestrator.web.table import Endpoint

REF = "#/components/schemas/{model}"
MEANS = {
    400: "The address, its query or the request is malformed.",
    401: "The token is missing or wrong.",
    403: "Another host, origin or site asks.",
    404: "There is no such thing.",
    409: "As things stand it cannot be done.",
    413: "The body is larger than 64 KiB.",
    415: "The body is not JSON.",
    422: "The body is not what is asked for.",
    431: "The address and its headers are too long.",
    503: "Our own records cannot be read or written.",
}
SCHEMES = {"token": {"type": "http", "scheme": "bearer"}}  # the cookie of a log-in is for our pages
OF_PATHS = {
    "run": {"type": "string", "minLength": 1},
    "task": {"type": "string", "minLength": 1, "description": "Its `/` is written as %2F."},
    "attempt": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "pattern": {"type": "string", "minLength": 1, "description": "Its number, or its signature."},
    "tool": {"type": "string", "minLength": 1},
}
INFO = (
    "The runs of one project, and what its daemon can be asked to do. Every answer that is no stream "
    "and no text is JSON; whatever is refused has the shape of Trouble."
)


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    refs, definitions = models_json_schema(list(_types(endpoints)), ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "orchestrator",
            "version": version("plan-orchestrator"),
            "description": INFO,
        },
        "paths": paths,
        "components": {"schemas": definitions.get("$defs", {}), "securitySchemes": SCHEMES},
        "security": [{"token": []}],
    }


def _types(endpoints: Sequence[Endpoint]) -> Iterator[tuple[type[BaseModel], Any]]:
    yield Trouble, "serialization"
    for one in endpoints:
        if not isinstance(one.gives, str):
            yield one.gives, "serialization"
        if one.body is not None:
            yield one.body, "validation"


def _operation(one: Endpoint, refs: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.says,
        "parameters": [*_of_path(one.path), *_of_query(one)],
        "responses": {"200": _given(one, refs)} | {str(code): _refused(code) for code in one.codes},
    }
    if one.body is not None:
        schema = refs[one.body, "validation"]
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return told | ({"security": [{}, {"token": []}]} if one.is_open else {})


def _of_path(path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": OF_PATHS[name]}


def _of_query(one: Endpoint) -> Iterator[dict[str, Any]]:
    for name, schema in one.query.model_json_schema().get("properties", {}).items():
        yield {"name": name, "in": "query", "required": False, "schema": schema}


def _given(one: Endpoint, refs: Any) -> dict[str, Any]:
    if isinstance(one.gives, str):
        media, schema = one.gives.partition(";")[0], {"type": "string"}
    else:
        media, schema = "application/json", refs[one.gives, "serialization"]
    return {"description": "What was asked for.", "content": {media: {"schema": schema}}}


def _refused(code: int) -> dict[str, Any]:
    schema = {"$ref": REF.format(model="Trouble")}
    return {"description": MEANS[code], "content": {"application/json": {"schema": schema}}}
