"""A subscriber counts before it looks: what it then reads is of an attempt that cannot be started anew (G5)."""

import re
from typing import Any

from sqlalchemy import event

from api.response_stream import _observed
from shared.store.engine import Database
from tests.stored_turns import OWNER, change, claim, claimed, expire, row


def test_an_attempt_lost_while_a_reader_comes_is_not_the_one_it_reads(postgres_database_url: str) -> None:
    """Output of the lost attempt is in the log; on Postgres, a claim may come between two statements of the reader."""
    database, other = Database(postgres_database_url), Database(postgres_database_url)
    turn = claimed(database)
    change(database, turn.id, output_started=True)
    expire(database, turn.id)

    def claim_first(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if re.match("UPDATE response SET observed", statement):
            assert claim(other, turn.id) is not None

    event.listen(database.engine, "before_cursor_execute", claim_first)
    with database.write() as connection:
        read = _observed(connection, OWNER, turn.id)
    assert read is not None
    assert row(database, turn.id)["observed"]
    assert (read.work, read.output_started) == (2, False)
    database.close()
    other.close()


def test_a_stranger_marks_nothing(database: Database) -> None:
    """S2."""
    turn = claimed(database)
    with database.write() as connection:
        assert _observed(connection, "mallory", turn.id) is None
    assert not row(database, turn.id)["observed"]
