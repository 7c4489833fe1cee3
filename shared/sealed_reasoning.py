"""Reasoning that callers keep for this server, sealed: turns that are not stored go on from it all the same."""

from collections.abc import Callable, Sequence

from shared.core.turn import Turn
from shared.errors import InvalidRequest
from shared.sealing import Purpose, Seal
from shared.settings import Settings
from shared.wire.items import SEALED_HERE, Item
from shared.wire.requests import ENCRYPTED_REASONING


class SealedReasoning:
    """Makes and opens the `encrypted_content` of reasoning items; without a secret key it makes and opens none."""

    def __init__(self, settings: Settings) -> None:
        self._seal = Seal(settings.secret_key, Purpose.REASONING)

    @property
    def available(self) -> bool:
        """Whether reasoning can be sealed."""
        return self._seal.available

    def sealer(self, turn: Turn) -> Callable[[str], str] | None:
        """Seals the turn's reasoning; None unless it was asked for and can be given."""
        if not self.available or ENCRYPTED_REASONING not in turn.request.get("include", ()):
            return None
        return lambda text: SEALED_HERE + self._seal.close(turn.owner, text)

    def opened(self, owner: str, items: Sequence[Item], *, others_too: bool) -> list[Item]:
        """The items, reasoning that was sealed here with its text; raises InvalidRequest naming one that is not ours.

        `others_too`: what was sealed elsewhere is the model server's to judge.
        """
        return [self._opened(owner, item, f"input[{index}]", others_too) for index, item in enumerate(items)]

    def _opened(self, owner: str, item: Item, where: str, others_too: bool) -> Item:
        sealed = item.get("encrypted_content") if item["type"] == "reasoning" else None
        ours = isinstance(sealed, str) and sealed.startswith(SEALED_HERE)
        if not sealed or (others_too and not ours):
            return item
        text = self._seal.open(owner, sealed.removeprefix(SEALED_HERE)) if ours else None
        if text is None:
            raise InvalidRequest(
                f"The encrypted content of '{where}' was not sealed by this server for this caller, or was changed.",
                f"{where}.encrypted_content",
                "invalid_encrypted_content",
            )
        return item if item.get("content") else item | {"content": [{"type": "reasoning_text", "text": text}]}
