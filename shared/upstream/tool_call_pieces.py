"""Which tool call a streamed piece belongs to, in the several ways servers have of saying so."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.core.chunks import ToolCall
from shared.upstream import failures
from shared.upstream.json_values import as_count, as_list, as_object, as_text


@dataclass
class ToolCallPieces:
    """Numbers the calls of one answer 0, 1, 2 … in the order they begin.

    OpenAI and vLLM give the index in every piece, and id and name in the first only. Others repeat the id in
    every piece, give no index, no id, or (Ollama) index 0 to each of several whole calls.
    """

    _count: int = 0
    _by_id: dict[str, int] = field(default_factory=dict)
    _by_index: dict[int, int] = field(default_factory=dict)

    def read(self, pieces: Any) -> list[ToolCall]:
        """The pieces of one chunk; raises UpstreamError on one that begins no call and continues none."""
        return [self._piece(as_object(piece)) for piece in as_list(pieces)]

    def _piece(self, piece: dict[str, Any]) -> ToolCall:
        function = as_object(piece.get("function"))
        index = None if piece.get("index") is None else as_count(piece["index"])
        call_id, name = as_text(piece.get("id")), as_text(function.get("name"))
        arguments = _arguments(function.get("arguments"))
        known = self._known(index, call_id, name)
        if known is not None:
            return ToolCall(known, arguments=arguments)
        if not name:
            raise failures.garbage()
        return ToolCall(self._begin(index, call_id), call_id or None, name, arguments)

    def _known(self, index: int | None, call_id: str, name: str) -> int | None:
        if call_id in self._by_id:
            return self._by_id[call_id]
        if name and (call_id or index is None):
            return None
        if index is not None:
            return self._by_index.get(index)
        return self._count - 1 if self._count else None

    def _begin(self, index: int | None, call_id: str) -> int:
        number = self._count
        self._count += 1
        if call_id:
            self._by_id[call_id] = number
        if index is not None:
            self._by_index[index] = number
        return number


def _arguments(value: Any) -> str:
    """JSON text as it is; an object, which Ollama's dialect sends, as JSON text."""
    if not isinstance(value, dict):
        return as_text(value)
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # nested too deep, or a number beyond 64 bits
        raise failures.garbage() from None
