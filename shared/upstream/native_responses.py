"""The upstream that speaks the Responses API itself, used as a model server only: all state is here."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from shared.core.native_request import native_request
from shared.upstream.answer import Answer, StreamedAnswer, WholeAnswer
from shared.upstream.base import Kind
from shared.upstream.http_upstream import HttpUpstream
from shared.upstream.responses_events import ResponsesEvents
from shared.wire.items import Item


class NativeResponses(HttpUpstream):
    """One server with a Responses API of its own."""

    kind: ClassVar[Kind] = "responses"
    path: ClassVar[str] = "responses"

    def body(self, request: Mapping[str, Any], items: Sequence[Item]) -> dict[str, Any]:
        return {**native_request(request, items), "stream": True}

    def answer(self, *, streamed: bool) -> Answer:
        return StreamedAnswer(ResponsesEvents()) if streamed else WholeAnswer(ResponsesEvents())
