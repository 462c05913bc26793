"""Which variables of ours hold whose keys: an agent gets those of the provider that it asks, never all that there are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

AMAZON = ("AWS_*",)
AZURE = ("AZURE_*",)
GOOGLE_CLOUD = ("GOOGLE_APPLICATION_CREDENTIALS",)
BY_PREFIX: Mapping[str, tuple[str, ...]] = {  # of a model's id
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_OAUTH_TOKEN"),
    "openai": ("OPENAI_API_KEY",),
    "azure": AZURE,
    "azure-cognitive-services": AZURE,
    "azure-openai-responses": AZURE,
    "google": ("GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
    "google-vertex": GOOGLE_CLOUD,
    "google-vertex-anthropic": GOOGLE_CLOUD,
    "deepseek": ("DEEPSEEK_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "cerebras": ("CEREBRAS_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "fireworks-ai": ("FIREWORKS_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "vercel": ("AI_GATEWAY_API_KEY",),
    "vercel-ai-gateway": ("AI_GATEWAY_API_KEY",),
    "zai": ("ZAI_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "minimax": ("MINIMAX_API_KEY",),
    "moonshotai": ("MOONSHOT_API_KEY",),
    "moonshotai-cn": ("MOONSHOT_API_KEY",),
    "opencode": ("OPENCODE_API_KEY",),
    "opencode-go": ("OPENCODE_API_KEY",),
    "kimi-coding": ("KIMI_API_KEY",),
    "cloudflare-workers-ai": ("CLOUDFLARE_*",),
    "cloudflare-ai-gateway": ("CLOUDFLARE_*",),
    "xiaomi": ("XIAOMI_*",),
    "amazon-bedrock": AMAZON,
}
BEDROCK = "CLAUDE_CODE_USE_BEDROCK"


def of(model: str | None) -> tuple[str, ...]:
    """By the prefix of its id. Whose prefix we do not know may need any key, but not a whole cloud account of Amazon."""
    prefix = (model or "").partition("/")[0]
    if prefix in BY_PREFIX and prefix != model:
        return BY_PREFIX[prefix]
    every = (name for names in BY_PREFIX.values() for name in names if name not in AMAZON)
    return tuple(dict.fromkeys(every))


def places(env: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Files with keys, for who is told of them by a variable. Everybody else need not see them."""
    if any(name.startswith("AWS_") for name in env):
        yield home / ".aws"
    if any(name.startswith("AZURE_") for name in env):
        yield home / ".azure"
    if any(name.startswith(("GOOGLE_CLOUD", "CLOUDSDK_", "GEMINI_CLI_USE")) for name in env):
        yield Path(env.get("CLOUDSDK_CONFIG") or home / ".config/gcloud")
    if file := env.get("GOOGLE_APPLICATION_CREDENTIALS"):
        yield Path(file)


def without_amazon(passes: Iterable[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """Amazon's are for who asks there: Claude Code is told so by a variable."""
    return tuple(name for name in passes if name not in AMAZON or BEDROCK in env)
