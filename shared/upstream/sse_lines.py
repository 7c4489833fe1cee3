"""Server-sent events: bytes in, `data` payloads out; nothing is decoded here."""

from typing import Final

from shared.upstream import failures

LONGEST_EVENT_BYTES: Final = 16 * 1024 * 1024
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class SseLines:
    """Cuts a byte stream, however it was sliced on its way, into the `data` of its events.

    Lines end in LF or CRLF; a lone CR, which the standard allows as well and no model server sends, ends none.
    See https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """

    def __init__(self, longest_event_bytes: int = LONGEST_EVENT_BYTES) -> None:
        self._longest = longest_event_bytes
        self._slices: list[bytes] = []  # of the line not yet ended: joined once, so that tiny reads stay linear
        self._data: list[bytes] = []  # lines of the event not yet ended
        self._held = 0
        self._at_start = True

    def feed(self, received: bytes) -> list[bytes]:
        """The payloads of the events that `received` completes; raises UpstreamError on one too long."""
        self._held += len(received)
        if b"\n" in received:
            lines = self._lines(received)
            rest = lines.pop()
            payloads = self._payloads(lines)
            self._slices = [rest] if rest else []
            if payloads or not self._data:
                self._held = len(rest)
        else:
            payloads = []
            self._slices.append(received)
        if self._held > self._longest:
            raise failures.garbage()
        return payloads

    def end(self) -> list[bytes]:
        """The payload of an event whose last empty line never came."""
        return self.feed(b"\n\n")

    def _lines(self, text: bytes) -> list[bytes]:
        """The ended lines and, last, the beginning of the next."""
        if self._slices:
            text = b"".join([*self._slices, text])
        if self._at_start:
            text = text.removeprefix(BYTE_ORDER_MARK)
            self._at_start = False
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        return text.split(b"\n")

    def _payloads(self, lines: list[bytes]) -> list[bytes]:
        payloads = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line and self._data:
                payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                self._data.clear()
                if payload:
                    payloads.append(payload)
        return payloads
