"""How an answer, an error and the usage are written in each of the four dialects; no I/O."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from tests.agents.asking import DialectName, Json
from tests.agents.steps import Fail, Stop, StreamError, Used

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
GEMINI_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@dataclass(frozen=True)
class Reply:
    """A complete answer: words, or one call of a tool."""

    model: str
    used: Used
    text: str = "Working."
    call: tuple[str, dict[str, Any]] | None = None
    stop: Stop = "end"


@dataclass(frozen=True)
class Frames:
    """A streamed answer. A client knows that it is complete only after the last of `tail`."""

    head: list[str]
    tail: list[str]


def new(prefix: str) -> str:
    return prefix + uuid.uuid4().hex[:20]


def event(data: Json) -> str:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"


def line(data: Json | str) -> str:
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"


class Anthropic:
    STOPS: ClassVar[Mapping[Stop, str]] = {
        "end": "end_turn",
        "length": "max_tokens",
        "refusal": "refusal",
    }

    def told(self, used: Used) -> Used:
        """What of the usage the dialect can say."""
        return used

    def told_first(self, used: Used) -> Used | None:
        """What the head of a stream says of the usage, None if nothing."""
        return replace(used, output=1, reasoning=0)

    def usage(self, used: Used) -> Json:
        return {
            "input_tokens": used.input,
            "cache_creation_input_tokens": used.cache_write,
            "cache_read_input_tokens": used.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": used.cache_write,
                "ephemeral_1h_input_tokens": 0,
            },
            "output_tokens": used.output,
            "output_tokens_details": {"thinking_tokens": used.reasoning},
        }

    def whole(self, reply: Reply) -> Json:
        blocks: list[Json] = [{"type": "text", "text": reply.text}]
        if reply.call:
            name, given = reply.call
            blocks.append({"type": "tool_use", "id": new("toolu_"), "name": name, "input": given})
        return {
            "id": new("msg_"),
            "type": "message",
            "role": "assistant",
            "model": reply.model,
            "content": blocks,
            "stop_reason": "tool_use" if reply.call else self.STOPS[reply.stop],
            "stop_sequence": None,
            "usage": self.usage(reply.used),
        }

    def frames(self, reply: Reply) -> Frames:
        whole = self.whole(reply)
        first = {**whole["usage"], "output_tokens": 1}
        start = {**whole, "content": [], "stop_reason": None, "usage": first}
        blocks = [one for n, block in enumerate(whole["content"]) for one in self.block(n, block)]
        delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
        last = {"type": "message_delta", "delta": delta, "usage": whole["usage"]}
        return Frames(
            [event({"type": "message_start", "message": start}), *blocks[:2]],
            [*blocks[2:], event(last) + event({"type": "message_stop"})],
        )

    def block(self, index: int, block: Json) -> list[str]:
        if block["type"] == "text":
            empty = {**block, "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        else:
            empty = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        start = {"type": "content_block_start", "index": index, "content_block": empty}
        change = {"type": "content_block_delta", "index": index, "delta": delta}
        return [event(start), event(change), event({"type": "content_block_stop", "index": index})]

    def error(self, fail: Fail) -> Json:
        kind = fail.type or ERROR_TYPES.get(fail.http, "api_error")
        told = {"type": kind, "message": fail.message or f"scripted {kind}"}
        return {"type": "error", "error": told, "request_id": new("req_")}

    def stream_error(self, fault: StreamError) -> str:
        told = {"type": fault.type, "message": fault.message}
        return event({"type": "error", "error": told})


class OpenAI:
    """What Chat and Responses have in common: prompt counts include the cached tokens."""

    def told(self, used: Used) -> Used:
        return used

    def told_first(self, used: Used) -> Used | None:
        return None

    def error(self, fail: Fail) -> Json:
        kind = fail.type or ERROR_TYPES.get(fail.http, "api_error")
        told = {"message": fail.message or f"scripted {kind}", "type": kind, "param": None}
        return {"error": {**told, "code": fail.code or kind}}

    def input_details(self, used: Used) -> Json:
        return {"cached_tokens": used.cache_read, "cache_write_tokens": used.cache_write}


class Chat(OpenAI):
    STOPS: ClassVar[Mapping[Stop, str]] = {
        "end": "stop",
        "length": "length",
        "refusal": "content_filter",
    }

    def usage(self, used: Used) -> Json:
        return {
            "prompt_tokens": used.prompt,
            "completion_tokens": used.output,
            "total_tokens": used.prompt + used.output,
            "prompt_tokens_details": self.input_details(used),
            "completion_tokens_details": {"reasoning_tokens": used.reasoning},
        }

    def base(self, reply: Reply, kind: str) -> Json:
        made = {"id": new("chatcmpl-"), "created": int(time.time()), "model": reply.model}
        return {**made, "object": kind}

    def message(self, reply: Reply) -> Json:
        message: Json = {"role": "assistant", "content": reply.text}
        if reply.call:
            name, given = reply.call
            function = {"name": name, "arguments": json.dumps(given)}
            call = {"index": 0, "id": new("call_"), "type": "function", "function": function}
            message["tool_calls"] = [call]
        return message

    def whole(self, reply: Reply) -> Json:
        ending = "tool_calls" if reply.call else self.STOPS[reply.stop]
        choice = {"index": 0, "message": self.message(reply), "finish_reason": ending}
        return {
            **self.base(reply, "chat.completion"),
            "choices": [choice],
            "usage": self.usage(reply.used),
        }

    def frames(self, reply: Reply) -> Frames:
        base = self.base(reply, "chat.completion.chunk")

        def chunk(delta: Json, ending: str | None = None) -> str:
            return line(
                {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": ending}]}
            )

        message = self.message(reply)
        calls = message.pop("tool_calls", None)
        ending = chunk({}, "tool_calls" if calls else self.STOPS[reply.stop])
        usage = line({**base, "choices": [], "usage": self.usage(reply.used)})
        called = [chunk({"tool_calls": calls})] if calls else []
        return Frames([chunk(message)], [*called, ending + usage + line("[DONE]")])

    def stream_error(self, fault: StreamError) -> str:
        told = {"message": fault.message, "type": fault.type, "code": fault.code}
        return line({"error": told})


class Responses(OpenAI):
    STOPS: ClassVar[Mapping[Stop, str]] = {
        "length": "max_output_tokens",
        "refusal": "content_filter",
    }

    def usage(self, used: Used) -> Json:
        return {
            "input_tokens": used.prompt,
            "input_tokens_details": self.input_details(used),
            "output_tokens": used.output,
            "output_tokens_details": {"reasoning_tokens": used.reasoning},
            "total_tokens": used.prompt + used.output,
        }

    def item(self, reply: Reply) -> Json:
        if reply.call:
            name, given = reply.call
            call = {"call_id": new("call_"), "name": name, "arguments": json.dumps(given)}
            return {"type": "function_call", "id": new("fc_"), "status": "completed", **call}
        part = {"type": "output_text", "text": reply.text, "annotations": []}
        said = {"role": "assistant", "status": "completed", "content": [part]}
        return {"type": "message", "id": new("msg_"), **said}

    def why(self, reply: Reply) -> Json | None:
        """What an answer lacks that is not complete."""
        reason = self.STOPS.get(reply.stop)
        return {"reason": reason} if reason else None

    def whole(self, reply: Reply) -> Json:
        return {
            "id": new("resp_"),
            "object": "response",
            "created_at": int(time.time()),
            "status": "incomplete" if reply.stop in self.STOPS else "completed",
            "incomplete_details": self.why(reply),
            "model": reply.model,
            "output": [self.item(reply)],
            "usage": self.usage(reply.used),
            "error": None,
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "tools": [],
        }

    def frames(self, reply: Reply) -> Frames:
        whole = self.whole(reply)
        item = whole["output"][0]
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}
        place = {"output_index": 0}
        open_item = {**item, "status": "in_progress"}
        if item["type"] == "message":
            open_item["content"] = []
        head = [
            event({"type": "response.created", "response": begun}),
            event({"type": "response.output_item.added", **place, "item": open_item}),
        ]
        if item["type"] == "message":
            part = {"item_id": item["id"], **place, "content_index": 0, "delta": reply.text}
            head.append(event({"type": "response.output_text.delta", **part}))
        done = event({"type": "response.output_item.done", **place, "item": item})
        return Frames(
            head, [done, event({"type": f"response.{whole['status']}", "response": whole})]
        )

    def stream_error(self, fault: StreamError) -> str:
        told = {"code": fault.code, "message": fault.message}
        failed = {"id": new("resp_"), "object": "response", "status": "failed", "error": told}
        return event({"type": "response.failed", "response": {**failed, "output": []}})


class Gemini:
    STOPS: ClassVar[Mapping[Stop, str]] = {
        "end": "STOP",
        "length": "MAX_TOKENS",
        "refusal": "SAFETY",
    }

    def told(self, used: Used) -> Used:
        """There is no word for written cache: it is input."""
        return replace(used, input=used.input + used.cache_write, cache_write=0)

    def told_first(self, used: Used) -> Used | None:
        return replace(self.told(used), output=0, reasoning=0)

    def usage(self, used: Used) -> Json:
        return {
            "promptTokenCount": used.prompt,
            "cachedContentTokenCount": used.cache_read,
            "candidatesTokenCount": used.output - used.reasoning,
            "thoughtsTokenCount": used.reasoning,
            "totalTokenCount": used.prompt + used.output,
        }

    def part(self, reply: Reply, parts: list[Json], ending: str | None, used: Used) -> Json:
        candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
        if ending:
            candidate["finishReason"] = ending
        return {
            "candidates": [candidate],
            "usageMetadata": self.usage(used),
            "modelVersion": reply.model,
            "responseId": new(""),
        }

    def calls(self, reply: Reply) -> list[Json]:
        if not reply.call:
            return []
        name, given = reply.call
        return [{"functionCall": {"name": name, "args": given}}]

    def whole(self, reply: Reply) -> Json:
        return self.part(
            reply, [{"text": reply.text}, *self.calls(reply)], self.STOPS[reply.stop], reply.used
        )

    def frames(self, reply: Reply) -> Frames:
        first = replace(reply.used, output=0, reasoning=0)
        cut = len(reply.text) // 2
        head = self.part(reply, [{"text": reply.text[:cut]}], None, first)
        rest = [{"text": reply.text[cut:]}, *self.calls(reply)]
        return Frames(
            [line(head)], [line(self.part(reply, rest, self.STOPS[reply.stop], reply.used))]
        )

    def error(self, fail: Fail) -> Json:
        status = fail.type or GEMINI_STATUS.get(fail.http, "UNKNOWN")
        told = {"code": fail.http, "message": fail.message or f"scripted {status}"}
        return {"error": {**told, "status": status}}

    def stream_error(self, fault: StreamError) -> str:
        told = {"code": 503, "message": fault.message, "status": "UNAVAILABLE"}
        return line({"error": told})


Dialect = Anthropic | Chat | Responses | Gemini
DIALECTS: dict[DialectName, Dialect] = {
    "anthropic": Anthropic(),
    "chat": Chat(),
    "responses": Responses(),
    "gemini": Gemini(),
}
