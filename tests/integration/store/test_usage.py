"""Tokens by owner and model, as the model servers counted them."""

from shared.core.response_render import usage_body
from shared.core.turn import Outcome
from shared.core.turn_status import Status
from shared.store import usage
from shared.store.engine import Database
from shared.store.usage import Usage
from tests.stored_turns import NOW, change, claimed, create, finish


def ended(database: Database, owner: str, model: str, tokens: tuple[int, int] | None, at: float = NOW) -> None:
    turn = claimed(database, owner=owner, request={"model": model})
    counted = usage_body(*tokens, 0, 0) if tokens else None
    assert finish(database, turn, outcome=Outcome(status=Status.COMPLETED, at=at, usage=counted))
    change(database, turn.id, ended_at=at)


def used(database: Database, since: float) -> list[Usage]:
    with database.read() as connection:
        return usage.since(connection, since)


def test_tokens_are_summed_by_owner_and_model(database: Database) -> None:
    ended(database, "bert", "small", (1, 2))
    ended(database, "anna", "small", (10, 20))
    ended(database, "anna", "small", (5, 7))
    ended(database, "anna", "big", (100, 200))
    assert used(database, NOW) == [
        Usage("anna", "big", 1, 100, 200),
        Usage("anna", "small", 2, 15, 27),
        Usage("bert", "small", 1, 1, 2),
    ]


def test_a_turn_whose_tokens_nobody_counted_is_a_turn(database: Database) -> None:
    ended(database, "anna", "m", None)
    assert used(database, NOW) == [Usage("anna", "m", 1, 0, 0)]


def test_what_ended_before_or_not_at_all_is_left_out(database: Database) -> None:
    ended(database, "anna", "m", (1, 2), at=NOW - 1)
    create(database, owner="anna")
    assert used(database, NOW) == []
