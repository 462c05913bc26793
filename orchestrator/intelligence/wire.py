"""What is said to a RAE server and how: three requests of JSON over HTTP; refuses to follow it elsewhere, and answers that are too long."""

from __future__ import annotations

import hmac
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from orchestrator import redact
from orchestrator.errors import SettingsError
from orchestrator.intelligence.records import ExecutionRecord

RECORDS, SIMILAR, STATISTICS = "/v1/records", "/v1/similar", "/v1/statistics"
# All that is sent of a record, and `id`: no names of tasks, runs, projects or files, no text of errors, prompts or outputs.
FIELDS = (
    *("timestamp", "task_area", "task_risk", "task_complexity", "complexity", "outcome"),
    *("planner_model", "planner_provider", "implementer_model", "implementer_provider"),
    *("duration_seconds", "total_cost_usd", "num_steps", "num_retries"),
    *("quality_gate_passed", "code_review_passed", "plan_review_passed", "error_type"),
)
LONGEST_ANSWER = 4_000_000  # bytes
LONGEST_DESCRIPTION = 2_000  # characters


class Unreachable(Exception):
    """It may be there the next time."""


class Refused(Exception):
    """It was there and did not want it, or what it said is no answer."""


def fields(record: ExecutionRecord, salt: bytes) -> dict[str, Any]:
    """`id` is a digest under a salt that stays here: it lets the server drop what comes twice, and nobody can try names against it."""
    told = record.model_dump(mode="json")
    named = record.record_id.encode(errors="replace")
    digest = hmac.digest(salt, named, "sha256").hex()[:32]
    clean: dict[str, Any] = {"id": digest, **{name: _clean(told[name]) for name in FIELDS}}
    return clean


def question(description: str, area: str | None, risk: str | None, limit: int) -> dict[str, Any]:
    told = redact.text(description)[:LONGEST_DESCRIPTION]
    kind = {"area": _clean(area), "risk": _clean(risk and str(risk))}
    return {"description": told, **kind, "limit": limit}


@dataclass(frozen=True, slots=True)
class Server:
    """`timeout_s` is for each wait of a request. A redirect is no answer: it would send records where nobody said."""

    scheme: str
    host: str
    port: int | None
    path: str
    timeout_s: float

    @classmethod
    def at(cls, endpoint: str, timeout_s: float) -> Server:
        """SettingsError where it is no http address."""
        try:
            parts = urlsplit(endpoint)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.username:
            words = (
                f"RAE_ENDPOINT = {endpoint!r}: is no address; write one as http://localhost:8000"
            )
            raise SettingsError(words)
        return cls(parts.scheme, host, port, parts.path.rstrip("/"), timeout_s)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}{self.path}"

    def get(self, path: str) -> Any:
        return self._request("GET", path, None)

    def post(self, path: str, values: Mapping[str, Any]) -> Any:
        return self._request("POST", path, json.dumps(values).encode())

    def _request(self, method: str, path: str, body: bytes | None) -> Any:
        """What its JSON says; {} for an empty answer. Unreachable or Refused else."""
        kind = http.client.HTTPSConnection if self.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=self.timeout_s)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        try:
            connection.request(method, f"{self.path}{path}", body, headers)
            answer = connection.getresponse()
            text = answer.read(LONGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        return _understand(f"{method} {path}", answer.status, text)


def _understand(what: str, status: int, text: bytes) -> Any:
    if status >= 500 or status == 429:
        raise Unreachable(f"{what}: status {status}")
    if not 200 <= status < 300:
        raise Refused(f"{what}: status {status}")
    if len(text) > LONGEST_ANSWER:
        raise Refused(f"{what}: the answer is longer than {LONGEST_ANSWER} bytes")
    try:
        return json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise Refused(f"{what}: the answer is no JSON") from error


def _clean(value: Any) -> Any:
    """It leaves the machine: names, too, are no place for a secret."""
    return redact.text(value) if isinstance(value, str) else value
