"""Durations as a person types them: 12h, 90d, 4w."""

from typing import Final

from shared.cli.errors import CommandError

_SECONDS: Final = {"h": 3600, "d": 86_400, "w": 604_800}


def seconds(text: str) -> int:
    """How long that is; raises CommandError."""
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit()) or unit not in _SECONDS or not 0 < int(number[:6]) < 100_000:
        raise CommandError(f"{text[:20]!r} is no duration: a number and h, d or w, as in 12h, 90d, 4w.")
    return int(number) * _SECONDS[unit]
