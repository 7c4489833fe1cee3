"""What the database says when it refuses never repeats a prompt (I2, S4)."""

import traceback

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import DBAPIError

from shared.store import creation
from shared.store.engine import Connection, Database
from shared.store.tables import ITEM, RESPONSE
from tests.stored_turns import OWNER, canary, create, new_turn, said

SECRET = canary()


def store_twice(connection: Connection) -> None:
    turn = new_turn(request={"model": "m", "instructions": SECRET})
    for _ in range(2):
        creation.create(connection, OWNER, turn, [said(SECRET)])


def store_an_item_twice(connection: Connection) -> None:
    item = said(SECRET)
    creation.create(connection, OWNER, new_turn(), [item, item])


def store_for_no_response(connection: Connection) -> None:
    facts = {"id": "msg_1", "owner": OWNER, "response_id": "gone", "direction": "input", "type": "message"}
    connection.execute(insert(ITEM).values(data=SECRET, **facts))


def search_a_missing_column(connection: Connection) -> None:
    connection.exec_driver_sql("SELECT missing FROM response")


@pytest.mark.parametrize("mistake", [store_twice, store_an_item_twice, store_for_no_response, search_a_missing_column])
def test_an_error_of_the_database_shows_no_text_of_the_request(database: Database, mistake: object) -> None:
    assert callable(mistake)
    with pytest.raises(DBAPIError) as refused, database.write() as connection:
        mistake(connection)
    shown = "".join(traceback.format_exception(refused.value)) + repr(refused.value) + str(refused.value.orig)
    assert SECRET not in shown


def test_a_constraint_that_quotes_the_row_shows_no_text_of_the_request(database: Database) -> None:
    """Postgres repeats the whole failing row in its DETAIL."""
    turn = create(database, request={"model": "m", "instructions": SECRET})
    statement = update(RESPONSE).where(RESPONSE.c.id == turn.id).values(owner=None)
    with pytest.raises(DBAPIError) as refused, database.write() as connection:
        connection.execute(statement)
    assert SECRET not in "".join(traceback.format_exception(refused.value))
