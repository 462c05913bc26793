"""A model id -> whom to ask, where, with which key; refuses an id that names nobody. Pure: the environment is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from orchestrator.model import Failure

KEYS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "google": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}
ADDRESSES = {
    "anthropic": "ANTHROPIC_BASE_URL",
    "openai": "OPENAI_BASE_URL",
    "google": "GOOGLE_GEMINI_BASE_URL",
}
NO_KEY = "no-key"  # servers of one's own mostly want none, and their SDK wants one


class NoAccess(Exception):
    """Nobody can be asked: the message says what is missing, with the next step."""

    def __init__(self, failure: Failure, words: str) -> None:
        super().__init__(words)
        self.failure = failure


class Access(NamedTuple):
    """`url` None: the vendor's own address."""

    provider: str
    model: str
    key: str
    url: str | None

    def clean(self, text: str) -> str:
        """Without the key."""
        return text if self.key == NO_KEY else text.replace(self.key, "[key]")


def provider_of(model: str | None) -> str | None:
    prefix, slash, _ = (model or "").partition("/")
    return prefix if slash else None


def find(model_id: str | None, env: Mapping[str, str], base_url: str | None) -> Access:
    """A prefix that is no vendor is asked at `base_url`, with its own key and nobody else's: LOCAL_API_KEY for local/llama."""
    provider, _, model = (model_id or "").partition("/")
    if not provider or not model:
        said = f"{model_id!r} is no model of this worker: write provider/model, as anthropic/claude-haiku-5-5"
        raise NoAccess(Failure.UNKNOWN_MODEL, said)
    if provider not in KEYS:
        if base_url is None:
            known = ", ".join(KEYS)
            said = f"nothing is known of {provider!r}: it is none of {known}, and [workers.api] has no base_url"
            raise NoAccess(Failure.UNKNOWN_MODEL, said)
        return Access(provider, model, env.get(own_key(provider)) or NO_KEY, base_url)
    key = next((env[name] for name in KEYS[provider] if env.get(name)), None)
    if key is None:
        raise NoAccess(Failure.AUTH, f"there is no key: set {' or '.join(KEYS[provider])}")
    return Access(provider, model, key, env.get(ADDRESSES[provider]) or None)


def own_key(provider: str) -> str:
    return f"{provider.upper().replace('-', '_')}_API_KEY"


def has_no_key(env: Mapping[str, str], base_url: str | None) -> bool:
    return base_url is None and not any(env.get(name) for names in KEYS.values() for name in names)


def notes(env: Mapping[str, str], base_url: str | None) -> Iterable[str]:
    """Which keys are there, by name."""
    there = [name for names in KEYS.values() for name in names if env.get(name)]
    if there:
        yield f"keys: {', '.join(there)}"
    elif has_no_key(env, base_url):
        yield f"no key is set: set {', '.join(names[0] for names in KEYS.values())}, or [workers.api] base_url"
