"""The upstream that speaks Chat Completions over HTTP, as nearly every model server does."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from shared.core.prompt import chat_request
from shared.upstream import tokenizers
from shared.upstream.answer import Answer, StreamedAnswer, WholeAnswer
from shared.upstream.base import Kind
from shared.upstream.chat_chunks import ChatChunks
from shared.upstream.http_upstream import HttpUpstream
from shared.wire.items import Item


class ChatCompletions(HttpUpstream):
    """One Chat Completions server."""

    kind: ClassVar[Kind] = "chat_completions"
    path: ClassVar[str] = "chat/completions"
    fewest_output_tokens: ClassVar[int] = 1

    def body(self, request: Mapping[str, Any], items: Sequence[Item]) -> dict[str, Any]:
        return {**chat_request(request, items), "stream": True, "stream_options": {"include_usage": True}}

    def answer(self, *, streamed: bool) -> Answer:
        return StreamedAnswer(ChatChunks()) if streamed else WholeAnswer(ChatChunks())

    async def count_tokens(self, request: Mapping[str, Any], items: Sequence[Item]) -> int:
        """By the server's tokenizer, if it has one for such a prompt."""
        counted = await tokenizers.count(self.ask, chat_request(dict(request), items))
        return counted or await super().count_tokens(request, items)
