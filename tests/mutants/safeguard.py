"""What a safeguard is: a piece of the shipped code that a test must miss when it is gone."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Safeguard:
    """`old` stands once in `file`; with `new` in its place, one of `tests` (files or node ids) must fail.

    `guarantee` is what it serves, as the tests name it. `beneath` names a second safeguard that holds when this one
    is gone: both are removed then, to show that the two together are what the tests rely on.
    """

    name: str
    guarantee: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    beneath: str | None = None
