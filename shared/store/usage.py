"""What owners have used: the tokens that model servers counted, summed over the responses that are still stored."""

from dataclasses import dataclass

from sqlalchemy import JSON, ColumnElement, Connection, cast, func, select, type_coerce

from shared.store.tables import RESPONSE


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one owner with one model."""

    owner: str
    model: str
    turns: int
    input_tokens: int
    output_tokens: int


def since(connection: Connection, at: float) -> list[Usage]:
    """What was used by turns that ended from then on, by owner and model; a scan of those turns, for operators."""
    body, request = _document(connection, RESPONSE.c.body), _document(connection, RESPONSE.c.request)
    model = request["model"].as_string()
    statement = (
        select(
            RESPONSE.c.owner,
            model,
            func.count(),
            func.coalesce(func.sum(body["usage"]["input_tokens"].as_integer()), 0),
            func.coalesce(func.sum(body["usage"]["output_tokens"].as_integer()), 0),
        )
        .where(RESPONSE.c.ended_at >= at)
        .group_by(RESPONSE.c.owner, model)
        .order_by(RESPONSE.c.owner, model)
    )
    return [Usage(*row) for row in connection.execute(statement)]


def _document(connection: Connection, column: ColumnElement[str]) -> ColumnElement[JSON]:
    # Postgres looks into no text, and SQLite would turn a document that is cast into the number 0.
    return cast(column, JSON) if connection.dialect.name == "postgresql" else type_coerce(column, JSON)
