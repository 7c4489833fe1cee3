"""The processes that live."""

from sqlalchemy import Double, Table, Text
from sqlmodel import Field

from shared.store.tables.columns import Row


class ApiProcessRow(Row, table=True):
    """An API process that lives: it says so every few seconds, by the database's clock.

    `recoveries`: JSON, how many of each kind since its start.
    """

    __tablename__ = "api_process"

    id: str = Field(primary_key=True)
    seen_at: float = Field(sa_type=Double)
    version: str | None = None
    recoveries: str | None = Field(default=None, sa_type=Text)


class WorkerProcessRow(Row, table=True):
    """The same of a worker. Its turns have leases, which do not depend on it."""

    __tablename__ = "worker_process"

    id: str = Field(primary_key=True)
    seen_at: float = Field(sa_type=Double)
    version: str | None = None
    recoveries: str | None = Field(default=None, sa_type=Text)


API_PROCESS: Table = ApiProcessRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
WORKER_PROCESS: Table = WorkerProcessRow.__table__  # type: ignore[attr-defined]
