"""Secrets: the shapes that issuers document, where they stand, and what only looks like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.lint import secrets
from orchestrator.redact import formats
from tests.build import plan, task
from tests.lint.whole import lint_files

ODD = "aB3xK9"  # repeated to any length; never one whole secret in this file
SECRETS = {
    "private key": "-----BEGIN RSA PRIVATE " + "KEY-----\n" + ODD * 11,
    "OpenSSH key": "-----BEGIN OPENSSH PRIVATE "
    + "KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    + ODD * 8,
    "private key of a JSON file": "-----BEGIN PRIVATE " + "KEY-----\\n" + ODD * 11,
    "Anthropic": "sk-" + "ant-api03-" + ODD * 5,
    "OpenAI": "sk-" + "proj-" + ODD * 5,
    "GitHub": "gh" + "p_" + ODD * 6,
    "GitHub, fine-grained": "github" + "_pat_11" + ODD * 6,
    "GitLab": "gl" + "pat-" + ODD * 4,
    "AWS": "AK" + "IA" + "QWERTYUIOPASDFGH",
    "Slack": "xo" + "xb-" + "4820913-" + ODD * 3,
    "Google": "AI" + "za" + ODD * 5 + "aB3xK",
    "npm": "np" + "m_" + ODD * 6,
    "Stripe": "sk" + "_live_" + ODD * 4,
    "signed token": f"ey{'J' + ODD * 4}.ey{'J' + ODD * 4}.{ODD * 4}",
    "database": "postgres://app:" + ODD + "@db.corp.net/x",
    "database with a driver": "postgresql+asyncpg://app:" + ODD + "%40@db.corp.net",
    "cache": "rediss://:" + ODD + "@cache.corp.net:6379",
}
HARMLESS = [
    "AK" + "IAIOSFODNN7EXAMPLE",
    "gh" + "p_" + "x" * 36,
    "sk-" + "ant-your-key-goes-here-please",
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n" + "x" * 64,
    "task-proj-" + ODD * 5,
    "$ANTHROPIC_API_KEY",
    "postgres://app:password@db.corp.net/x",
    "postgres://app:DbPassword1@db.corp.net/x",
    "postgres://app:${PASSWORD}@db.corp.net/x",
    "postgres://app:<password>@db.corp.net/x",
    f"postgres://app:{ODD}@localhost:5432/x",
    f"postgres://app:{ODD}@127.0.0.1/x",
    f"postgres://app:{ODD}@db.example.com/x",
]


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_said_where_it_stands_and_never_repeated(kind: str):
    secret = SECRETS[kind]
    (found,) = secrets.check(plan(task(1)), f"a\r\n ü {secret}\n")
    assert (found.code, found.line, found.column) == ("X001", 2, 4)
    assert secret[:4] in found.message
    assert secret[:6] not in found.message


@pytest.mark.parametrize("kind", SECRETS)
def test_a_masked_text_keeps_its_places_and_hides_the_secret(kind: str):
    text = f"a\n{SECRETS[kind]}\nb"
    hidden = formats.masked(text)
    assert [len(row) for row in hidden.split("\n")] == [len(row) for row in text.split("\n")]
    assert ODD not in hidden
    assert "QWERTY" not in hidden
    assert hidden.startswith(f"a\n{SECRETS[kind][:4]}•")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_stands_for_a_secret_is_none(text: str):
    assert not list(secrets.check(plan(task(1)), f"\n {text}\n"))
    assert formats.masked(text) == text


def test_each_secret_is_said(tmp_path: Path):
    lines = "\n.\n".join(SECRETS.values())
    text = f"<tasks>\n<task>\n<name>x</name>\n<action>\n{lines}\n</action>\n</task>\n</tasks>\n"
    said = lint_files(tmp_path, {"01-01-PLAN.md": text.encode()})
    assert [one.code for one in said].count("X001") == len(SECRETS)
