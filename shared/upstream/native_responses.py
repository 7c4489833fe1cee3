"""The upstream that speaks the Responses API itself, used as a model server only: all state is here."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from shared.core.native_request import native_request
from shared.errors import UpstreamError
from shared.upstream.answer import Answer, StreamedAnswer, WholeAnswer
from shared.upstream.base import Kind
from shared.upstream.http_upstream import HttpUpstream
from shared.upstream.responses_events import ResponsesEvents
from shared.wire.items import Item

_COUNTED: Final = frozenset(
    {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"}
)


class NativeResponses(HttpUpstream):
    """One server with a Responses API of its own."""

    kind: ClassVar[Kind] = "responses"
    path: ClassVar[str] = "responses"

    def body(self, request: Mapping[str, Any], items: Sequence[Item]) -> dict[str, Any]:
        return {**native_request(request, items), "stream": True}

    def answer(self, *, streamed: bool) -> Answer:
        return StreamedAnswer(ResponsesEvents()) if streamed else WholeAnswer(ResponsesEvents())

    async def count_tokens(self, request: Mapping[str, Any], items: Sequence[Item]) -> int:
        """By the count that the server offers, if it does."""
        told = native_request(request, items)
        with suppress(UpstreamError):
            answer = await self.ask("responses/input_tokens", {key: told[key] for key in _COUNTED & told.keys()})
            counted = answer.get("input_tokens")
            if type(counted) is int and counted > 0:
                return counted
        return await super().count_tokens(request, items)
