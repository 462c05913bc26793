"""What keys look like, whoever holds them: formats that nothing else has. Knows no value and no variable."""

from __future__ import annotations

import re

# What each issuer documents as the shape of its keys.
FORMATS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:\s|\\n)+[A-Za-z0-9+/=\s\\]{48,}",
    "an Anthropic key": r"\bsk-ant-[\w-]{20,}",
    "an OpenAI key": r"\bsk-(?:proj|svcacct|admin)-[\w-]{20,}",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})",
    "a GitLab token": r"\bglpat-[\w-]{20,}",
    "an AWS key": r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    "a Slack token": r"\bxox[abprs]-\d[\w-]{12,}",
    "a Google key": r"\bAIza[\w-]{35}\b",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a Stripe key": r"\b[sr]k_live_[A-Za-z0-9]{20,}",
    "a signed token": r"\beyJ[\w-]{16,}\.eyJ[\w-]{16,}\.[\w-]{20,}",
    # Of a host beyond this machine or its containers, and no word that stands for one.
    "a password in an address": r"\b(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql)(?:\+\w+)?"
    r"://[^\s:/@]*:(?!(?i:[a-z_]*pass|pw|secret|change|replace|user|admin|root|test|dev|demo)|[$<{%*\[])"
    r"[^\s@/:<>`'\"]{6,}@(?!127\.|0\.0|192\.168\.|10\.)[\w-]+(?:\.[\w-]+)+",
}
MARKS = (
    "PRIVATE KEY",
    "sk-",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "AKIA",
    "ASIA",
    "xox",
    "AIza",
    "npm_",
    "_live_",
    "eyJ",
    "sql://",
    "gres://",
    "db://",
    "redis://",
    "rediss://",
    "amqp://",
    "amqps://",
    "sql+",
    "gres+",
    "mongodb+",
)
ANY = re.compile("|".join(f"(?P<f{n}>{shape})" for n, shape in enumerate(FORMATS.values())))
# Long runs of one letter, or the words of examples: nobody's secret.
EXAMPLE = re.compile(r"(\w)\1{7}|EXAMPLE|example|xxxx|XXXX|your[-_]|placeholder|1234567890", re.I)
FILLER = re.compile(r"(\w)\1{15}")  # real keys hold short runs

# A password before any host of the web; a variable in its place is none.
SIGNED = re.compile(r"(\bhttps?://[^\s:/@'\"]*:)([^\s@/'\"$<{]+)(?=@)")
SHOWN = 4  # first characters, to find it again


def is_example(found: str) -> bool:
    return bool((FILLER if found.startswith("-----") else EXAMPLE).search(found))


def is_suspect(text: str) -> bool:
    """Cheap: only then is it worth to search for ANY."""
    return any(mark in text for mark in MARKS)


def masked(text: str) -> str:
    """The same text in the same places, with dots for what is secret."""
    if is_suspect(text):
        text = ANY.sub(_dotted, text)
    return SIGNED.sub(_unsigned, text) if "://" in text and "@" in text else text


def _dotted(match: re.Match[str]) -> str:
    if is_example(match[0]):
        return match[0]
    return match[0][:SHOWN] + re.sub(r"\S", "•", match[0][SHOWN:])


def _unsigned(match: re.Match[str]) -> str:
    return match[1] + "•" * len(match[2])
