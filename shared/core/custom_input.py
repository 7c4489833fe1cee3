"""The free text of a custom tool call, out of the JSON that a model writes it in."""

import re

import orjson

_BARE_OPENING = '{"input":"'
_OPENING = re.compile(r'\s*\{\s*"input"\s*:\s*"')
# What can be read whatever comes next: text and whole escapes. `\u` before what is no number stands for itself.
_READABLE = re.compile(r'(?:[^"\\]++|\\(?:u[0-9a-fA-F]{4}|u(?=[0-9a-fA-F]{0,3}[^0-9a-fA-F])|[^u]))*+')
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_HALF_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")
_MEANS = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class CustomInput:
    """Reads `{"input": "…"}` piece by piece. A model that writes anything else is taken at its word."""

    def __init__(self) -> None:
        self._held = ""
        self._opened = False
        self._closed = False
        self._plain = False

    def feed(self, piece: str) -> str:
        """The text that `piece` adds; what may be half an escape waits for the next."""
        if self._closed:
            return ""
        self._held += piece
        if not self._opened and not self._plain:
            self._open()
        if self._opened:
            return self._read()
        return self._take(len(self._held)) if self._plain else ""

    def _open(self) -> None:
        if opening := _OPENING.match(self._held):
            self._opened = True
            self._take(opening.end())
        else:
            self._plain = not _BARE_OPENING.startswith("".join(self._held.split()))

    def _read(self) -> str:
        found = _READABLE.match(self._held)
        assert found is not None, "it matches nothing at the least"
        end = found.end()
        self._closed = self._held[end : end + 1] == '"'
        if not self._closed and (half := _HALF_PAIR.search(self._held, 0, end)):
            end = half.start()
        return _text(self._take(end))

    def _take(self, length: int) -> str:
        taken, self._held = self._held[:length], self._held[length:]
        return taken


def _text(escaped: str) -> str:
    if "\\" not in escaped:
        return escaped
    try:
        text = str(orjson.loads(f'"{escaped}"'))
    except orjson.JSONDecodeError:  # models write bare line breaks, and escapes that are none
        text = _ESCAPE.sub(_meaning, escaped)
        # Joins the pairs of what UTF-16 wrote in two; half a pair is no character.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "\ufffd")  # which no database holds


def _meaning(escape: re.Match[str]) -> str:
    if len(escape[1]) > 1:
        return chr(int(escape[1][1:], 16))
    return _MEANS.get(escape[1], escape[0])
