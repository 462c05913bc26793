"""The one place that knows pydantic-ai: models, messages and errors; refuses to retry more than twice, or to wait for long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import httpx2
from pydantic import BaseModel, ValidationError
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import AgentRunError, ModelAPIError, ModelHTTPError, UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.retries import AsyncHTTPX2TenacityTransport, RetryConfig, wait_retry_after
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage
from tenacity import (
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from orchestrator.model import Failure, Usage
from orchestrator.workers import trouble
from orchestrator.workers.api.access import Access

TRIES = 3
LONGEST_WAIT_S = 30  # who asks for more is not waited for here: gates do that, and block no slot
CONNECT_S = 10
ANSWER_TOKENS = 16_000  # Anthropic wants a cap; without a stream more would be silent for minutes
PASSING = (Failure.RATE_LIMIT, Failure.OVERLOADED, Failure.SERVER, Failure.NETWORK)
UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
FAULTS = (AgentRunError, UserError, httpx2.HTTPError)


class Call(NamedTuple):
    """A call of a tool. `arguments` None: they could not be read."""

    id: str
    name: str
    arguments: dict[str, Any] | None


class Trouble(NamedTuple):
    """Why no answer came. `billed`: it may have been made and paid all the same."""

    failure: Failure
    words: str
    retry_after_s: float | None = None
    billed: bool = False


class Whole(httpx2.AsyncBaseTransport):
    """Answers come as a whole, so that one which breaks off counts as a failed try. Honours the proxies of the environment."""

    def __init__(self, timeout: httpx2.Timeout) -> None:
        self._client = httpx2.AsyncClient(timeout=timeout)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._client.send(request)

    async def aclose(self) -> None:
        await self._client.aclose()


Notice = Callable[[str, bool], None]
"""Is told why it is tried again, and whether the provider may have billed the try that failed."""


def open_client(silence_s: float, notice: Notice) -> httpx2.AsyncClient:
    """`silence_s`: how long nothing may come."""
    timeout = httpx2.Timeout(silence_s, connect=CONNECT_S)

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0.0
        words = f"{reason(error)}: try {state.attempt_number + 1} in {wait_s:.0f} s"
        notice(words, not isinstance(error, (httpx2.HTTPStatusError, *UNSENT)))

    config = RetryConfig(
        retry=retry_if_exception_type((httpx2.TransportError, httpx2.HTTPStatusError)),
        wait=wait_retry_after(wait_random_exponential(0.5, max=8), LONGEST_WAIT_S),
        stop=stop_after_attempt(TRIES),
        before_sleep=tell,
        retry_error_callback=last_word,
    )
    transport = AsyncHTTPX2TenacityTransport(config, Whole(timeout), refuse_what_passes)
    return httpx2.AsyncClient(transport=transport, timeout=timeout)


def reason(error: BaseException | None) -> str:
    if isinstance(error, httpx2.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return type(error).__name__


def refuse_what_passes(response: httpx2.Response) -> None:
    """Raises for what may be well in a moment."""
    told = trouble.by_status(response.status_code, response.text)
    after_s = response.headers.get("retry-after", "")
    long = after_s.isdigit() and int(after_s) > LONGEST_WAIT_S
    if told in PASSING and not long and response.headers.get("x-should-retry") != "false":
        raise httpx2.HTTPStatusError("passing", request=response.request, response=response)


def last_word(state: RetryCallState) -> httpx2.Response:
    """After the last try the answer goes on as it is: the SDK names it better than we would."""
    assert state.outcome is not None
    error = state.outcome.exception()
    if isinstance(error, httpx2.HTTPStatusError):
        return error.response
    return state.outcome.result()  # type: ignore[no-any-return]  # raises


# --- models ----------------------------------------------------------------------------------------


def open_model(access: Access, client: httpx2.AsyncClient) -> Model:
    """SDKs are heavy: only that of the vendor is imported."""
    return MAKERS.get(access.provider, compatible)(access, client)


def anthropic(access: Access, client: httpx2.AsyncClient) -> Model:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
    from pydantic_ai.providers.anthropic import AnthropicProvider

    sdk = AsyncAnthropic(api_key=access.key, base_url=access.url, max_retries=0, http_client=client)
    cached = AnthropicModelSettings(
        max_tokens=ANSWER_TOKENS, anthropic_cache=True, anthropic_cache_instructions=True
    )
    return AnthropicModel(
        access.model, provider=AnthropicProvider(anthropic_client=sdk), settings=cached
    )


def openai(access: Access, client: httpx2.AsyncClient) -> Model:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    sdk = AsyncOpenAI(api_key=access.key, base_url=access.url, max_retries=0, http_client=client)
    return OpenAIResponsesModel(access.model, provider=OpenAIProvider(openai_client=sdk))


def compatible(access: Access, client: httpx2.AsyncClient) -> Model:
    """Ollama, vLLM and the like speak Chat Completions."""
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    sdk = AsyncOpenAI(api_key=access.key, base_url=access.url, max_retries=0, http_client=client)
    return OpenAIChatModel(access.model, provider=OpenAIProvider(openai_client=sdk))


def google(access: Access, client: httpx2.AsyncClient) -> Model:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    provider = GoogleProvider(api_key=access.key, base_url=access.url, http_client=client)
    return GoogleModel(access.model, provider=provider)


MAKERS: Mapping[str, Callable[[Access, httpx2.AsyncClient], Model]] = {
    "anthropic": anthropic,
    "openai": openai,
    "google": google,
}


# --- messages --------------------------------------------------------------------------------------


async def ask(
    model: Model, messages: Sequence[ModelMessage], tools: Mapping[str, type[BaseModel]]
) -> ModelResponse | Trouble:
    try:
        parameters = ModelRequestParameters(function_tools=list(map(declared, tools.items())))
        settings = ModelSettings(parallel_tool_calls=True) if tools else None
        return await model_request(
            model, messages, model_settings=settings, model_request_parameters=parameters
        )
    except FAULTS as error:
        return explain(error)


def declared(tool: tuple[str, type[BaseModel]]) -> ToolDefinition:
    name, asked = tool
    schema = asked.model_json_schema()
    schema.pop("description")  # told beside it already
    return ToolDefinition(name=name, description=asked.__doc__, parameters_json_schema=schema)


def explain(error: Exception) -> Trouble:
    if isinstance(error, ModelHTTPError):
        words = words_of(error)
        told = trouble.by_status(error.status_code, words) or Failure.EXIT
        return Trouble(told, f"HTTP {error.status_code}: {words}", error.retry_after)
    if isinstance(error, ModelAPIError | httpx2.HTTPError):
        words = str(error) or type(error).__name__
        billed = not any(isinstance(one, UNSENT) for one in causes(error))
        return Trouble(trouble.by_words(words) or Failure.NETWORK, words, billed=billed)
    return Trouble(Failure.NO_RESULT, f"{type(error).__name__}: {error}", billed=True)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def words_of(error: ModelAPIError) -> str:
    """What the provider said, without the wrapping."""
    body: Any = error.body
    inner = body.get("error", body) if isinstance(body, dict) else body
    found = inner.get("message") if isinstance(inner, dict) else None
    kinds = {error.provider_error_code, error.provider_error_type} - {None}
    named = f" ({', '.join(sorted(map(str, kinds)))})" if kinds else ""
    return f"{found}{named}" if isinstance(found, str) else str(error)


def told(system: str, parts: Iterable[ModelRequestPart]) -> ModelRequest:
    return ModelRequest(parts=list(parts), instructions=system)


def prompt(words: str) -> ModelRequestPart:
    return UserPromptPart(content=words)


def result(call: Call, words: str, ok: bool) -> ModelRequestPart:
    outcome: Literal["success", "failed"] = "success" if ok else "failed"
    return ToolReturnPart(tool_name=call.name, content=words, tool_call_id=call.id, outcome=outcome)


def calls(message: ModelMessage | None) -> list[Call]:
    """What an answer wants done."""
    if not isinstance(message, ModelResponse):
        return []
    return [Call(p.tool_call_id, p.tool_name, arguments(p.args)) for p in message.tool_calls]


def arguments(given: str | dict[str, Any] | None) -> dict[str, Any] | None:
    if isinstance(given, dict) or not given:
        return given or {}
    from orchestrator.workers.reading import decode

    return decode(given) or (None if given.strip() != "{}" else {})  # type: ignore[return-value]


def usage_of(used: RequestUsage) -> Usage:
    """Theirs counts the cache as input; ours are disjoint. What was not told is unknown."""
    if used.unmeasured_requests:
        return Usage(requests=1, lower_bound=True)
    return Usage(
        input_tokens=used.input_tokens - used.cache_read_tokens - used.cache_write_tokens,
        output_tokens=used.output_tokens,
        cache_read_tokens=used.cache_read_tokens,
        cache_write_tokens=used.cache_write_tokens,
        reasoning_tokens=used.output_reasoning_tokens,
        requests=1,
    )


def dump(message: ModelMessage) -> bytes:
    """One line of JSON."""
    return ModelMessagesTypeAdapter.dump_json([message])[1:-1]


def load(lines: Sequence[bytes]) -> list[ModelMessage] | None:
    """None if they are not what `dump` wrote."""
    try:
        return ModelMessagesTypeAdapter.validate_json(b"[" + b",".join(lines) + b"]")
    except ValidationError:
        return None
