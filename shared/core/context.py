"""What a turn's model is told, and what of it may be left out when it is too long."""

from dataclasses import dataclass, replace

from shared.core.prompt import OUTPUTS, pair_calls
from shared.wire.items import Item


@dataclass(frozen=True, slots=True)
class Context:
    """The items before a turn, oldest first, and its own input."""

    before: list[Item]
    own: list[Item]

    @property
    def items(self) -> list[Item]:
        """All of them, in order."""
        return self.before + self.own

    def without_oldest_half(self) -> "Context | None":
        """Less the older half of what came before; None when there is nothing to leave out.

        System and developer messages stay. A call goes with its output, and stays if the turn's own input answers it.
        """
        answers = pair_calls(self.items)
        droppable = [index for index, item in enumerate(self.before) if self._may_go(index, item, answers)]
        if not droppable:
            return None
        gone = set(droppable[: (len(droppable) + 1) // 2])
        gone |= {answers[call] for call in gone & answers.keys()}
        return replace(self, before=[item for index, item in enumerate(self.before) if index not in gone])

    def _may_go(self, index: int, item: Item, answers: dict[int, int]) -> bool:
        if item["type"] in OUTPUTS or answers.get(index, 0) >= len(self.before):
            return False
        return not (item["type"] == "message" and item["role"] in ("system", "developer"))
