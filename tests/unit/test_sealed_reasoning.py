"""Sealed reasoning opens for its owner, on servers with the same key, and for nobody else (I1)."""

from typing import Any

import pytest

from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.errors import InvalidRequest
from shared.sealed_reasoning import SealedReasoning
from shared.settings import Settings
from shared.wire.items import SEALED_HERE

HERE = SealedReasoning(Settings(secret_key="k" * 32))
ELSEWHERE = SealedReasoning(Settings(secret_key="e" * 32))
KEYLESS = SealedReasoning(Settings(secret_key=None))
MESSAGE = {"type": "message", "id": "msg_1", "encrypted_content": "not mine to open"}


def turn(owner: str = "key_1", include: tuple[str, ...] = ("reasoning.encrypted_content",)) -> Turn:
    return Turn("resp_1", owner, Status.IN_PROGRESS, 0, {"model": "m", "include": list(include)})


def sealed(by: SealedReasoning = HERE, owner: str = "key_1", text: str = "Hm.") -> str:
    seal = by.sealer(turn(owner))
    assert seal is not None
    return seal(text)


def reasoning(encrypted: str | None, **more: Any) -> dict[str, Any]:
    return {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": encrypted} | more


def opened(*items: dict[str, Any], by: SealedReasoning = HERE, others_too: bool = False) -> list[dict[str, Any]]:
    return by.opened("key_1", items, others_too=others_too)


def test_what_was_sealed_comes_back_with_its_text() -> None:
    item = reasoning(sealed())
    assert opened(MESSAGE, item) == [MESSAGE, item | {"content": [{"type": "reasoning_text", "text": "Hm."}]}]


def test_what_the_caller_wrote_beside_it_stays() -> None:
    item = reasoning(sealed(), content=[{"type": "reasoning_text", "text": "Else."}])
    assert opened(item) == [item]


def test_reasoning_without_a_seal_is_as_it_is() -> None:
    assert opened(reasoning(None), reasoning("")) == [reasoning(None), reasoning("")]
    assert opened(reasoning(None), by=KEYLESS) == [reasoning(None)]


def test_the_text_cannot_be_read_from_outside() -> None:
    assert sealed(text="Hm.") != sealed(text="Hm.")
    assert sealed().startswith(SEALED_HERE)


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(sealed(owner="key_2"), id="another owner's"),
        pytest.param(sealed(by=ELSEWHERE), id="another server's"),
        pytest.param(sealed()[:-2] + "x=", id="changed"),
        pytest.param(SEALED_HERE, id="nothing but the mark"),
        pytest.param("gAAAAABsomebodyelses", id="a model server's"),
        pytest.param(sealed() + "\ud83e", id="no text at all"),
    ],
)
def test_what_does_not_open_is_refused_by_its_place(foreign: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        opened(MESSAGE, reasoning(foreign))
    assert (refused.value.param, refused.value.code) == ("input[1].encrypted_content", "invalid_encrypted_content")
    assert foreign not in refused.value.message


def test_what_was_sealed_elsewhere_is_for_a_native_server_to_judge() -> None:
    theirs = reasoning("gAAAAABsomebodyelses")
    assert opened(theirs, others_too=True) == [theirs]
    with pytest.raises(InvalidRequest):
        opened(reasoning(sealed(by=ELSEWHERE)), others_too=True)


def test_nothing_is_sealed_unasked_or_without_a_key() -> None:
    assert HERE.sealer(turn(include=("message.output_text.logprobs",))) is None
    assert KEYLESS.sealer(turn()) is None
    assert (HERE.available, KEYLESS.available) == (True, False)
    with pytest.raises(InvalidRequest):
        opened(reasoning(sealed()), by=KEYLESS)
