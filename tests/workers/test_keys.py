"""Who gets which keys."""

from __future__ import annotations

import pytest

from orchestrator.workers import keys
from orchestrator.workers.claude import Claude
from orchestrator.workers.opencode import OpenCode
from orchestrator.workers.pi import Pi


@pytest.mark.parametrize("client", [Pi(), OpenCode()])
def test_a_known_prefix_gets_its_own_keys(client: Pi | OpenCode):
    given = client.needs("anthropic/claude-haiku-5-5", {})
    assert "ANTHROPIC_API_KEY" in given
    assert not {"OPENAI_API_KEY", "AWS_*", "GEMINI_API_KEY"} & set(given)
    assert "AWS_*" in client.needs("amazon-bedrock/x", {})
    assert "ANTHROPIC_API_KEY" not in client.needs("amazon-bedrock/x", {})


@pytest.mark.parametrize("model", [None, "sonnet", "anthropic", "mine/x", ""])
def test_who_is_asked_by_an_unknown_prefix_may_need_any_key_but_amazons(model: str | None):
    assert {"ANTHROPIC_API_KEY", "OPENAI_API_KEY"} < set(keys.of(model))
    assert "AWS_*" not in keys.of(model)


def test_claude_gets_amazons_only_where_it_asks_there():
    assert "AWS_*" not in Claude().needs("sonnet", {})
    assert "AWS_*" in Claude().needs("sonnet", {keys.BEDROCK: "1"})
    assert "ANTHROPIC_*" in Claude().needs("sonnet", {})
