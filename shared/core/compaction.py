"""Compaction: a summary by the model stands in for what came before it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.core.context import Context
from shared.core.prompt import OUTPUTS, pair_calls
from shared.errors import InvalidRequest
from shared.wire.items import Item

# What a turn may hold and a model is never told as it is.
COMPACTIONS = frozenset({"compaction", "compaction_trigger"})

_TASK = (
    "Summarize the conversation up to here, so that it can be continued from your summary alone. Keep every fact, "
    "name, number, decision and instruction that may still matter, what the tools returned as far as it does, and "
    "what remains to be done. Answer with the summary only."
)
_FOREWORD = "The conversation before this point was replaced by this summary of it:\n\n"
_OF_THE_CALL = ("model", "instructions", "user", "safety_identifier", "prompt_cache_key")

Opener = Callable[[str], str | None]


def summary_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request that has a turn's model write a summary: without tools, formats and limits."""
    return {name: request[name] for name in _OF_THE_CALL if name in request}


def summary_items(items: Sequence[Item]) -> list[Item]:
    """What the model is told for it."""
    return [*items, _message(_TASK)]


def kept(items: Sequence[Item]) -> list[Item]:
    """What stays beside a summary, word for word: all that the model has not said itself."""
    return [item for item in items if item["type"] == "message" and item["role"] != "assistant"]


def compaction_item(item_id: str, sealed: str) -> Item:
    """The item that carries a sealed summary."""
    return {"id": item_id, "type": "compaction", "status": "completed", "encrypted_content": sealed}


def expand(told: Context, opened: Opener) -> Context:
    """What a model can be told of a turn: each part with its compactions expanded."""
    if not any(item["type"] in COMPACTIONS for item in told.items):
        return told
    replaced = any(item["type"] == "compaction" for item in told.own)
    before = kept(told.before) if replaced else expanded(told.before, opened)
    return Context(before, expanded(told.own, opened))


def expanded(items: Sequence[Item], opened: Opener) -> list[Item]:
    """The items as a model can be told them: the last compaction, as its summary, stands for what came before it.

    Raises InvalidRequest for one that does not open.
    """
    items = [item for item in items if item["type"] != "compaction_trigger"]
    places = [index for index, item in enumerate(items) if item["type"] == "compaction"]
    if not places:
        return items
    last = places[-1]
    return [*kept(items[:last]), _summary(items[last], opened), *items[last + 1 :]]


def compacted(items: Sequence[Item], summary: str) -> list[Item]:
    """The items of a turn with `summary` in the place of what came before its question.

    The question is all that the model has not answered yet; a call stays with its output there.
    """
    history, question = _parted(items)
    return [*kept(history), _message(_FOREWORD + summary), *_asked_for(items, len(history)), *question]


def can_shorten(items: Sequence[Item]) -> bool:
    """Whether a summary would stand for anything."""
    history, _ = _parted(items)
    return len(history) > len(kept(history)) + len(_asked_for(items, len(history)))


def _parted(items: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Item]]:
    said = [index for index, item in enumerate(items) if item["type"] not in OUTPUTS and not kept([item])]
    start = said[-1] + 1 if said else 0
    return items[:start], items[start:]


def _asked_for(items: Sequence[Item], start: int) -> list[Item]:
    """The calls before `start` whose outputs come after it."""
    return [items[call] for call, output in sorted(pair_calls(items).items()) if call < start <= output]


def check(items: Sequence[Item], opened: Opener) -> None:
    """Raise InvalidRequest for a compaction that does not open, and for a trigger that is not the last item."""
    for index, item in enumerate(items):
        if item["type"] == "compaction":
            _summary(item, opened, f"input[{index}].encrypted_content")
        elif item["type"] == "compaction_trigger" and index + 1 < len(items):
            where = f"input[{index}]"
            raise InvalidRequest("'compaction_trigger' must be the last item of 'input'.", where, "invalid_value")


def is_asked_for(items: Sequence[Item]) -> bool:
    """Whether a turn's input ends in the order to compact it; the order is no item to be stored."""
    return bool(items) and items[-1]["type"] == "compaction_trigger"


def _summary(item: Item, opened: Opener, where: str = "input") -> Item:
    sealed = item.get("encrypted_content")  # a conversation holds what it was given
    summary = opened(sealed) if isinstance(sealed, str) else None
    if summary is None:
        raise InvalidRequest("The compaction was not made here, or was changed.", where, "invalid_encrypted_content")
    return _message(_FOREWORD + summary)


def _message(text: str) -> Item:
    # Of the user: many models' templates take a system message in the first place only.
    return {"type": "message", "role": "user", "status": "completed", "content": [{"type": "input_text", "text": text}]}
