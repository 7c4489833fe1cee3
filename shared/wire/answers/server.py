"""What the server says of itself and of the model servers behind it."""

from typing import Literal

from shared.wire.answers.base import Answer
from shared.wire.items import Open


class Model(Open):
    """A model; what else its upstream says of it is passed on."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Answer):
    """The models that can be asked."""

    object: Literal["list"]
    data: list[Model]


class UpstreamAnswer(Open):
    """What the model's server has answered, unchanged."""


class Health(Answer):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Answer):
    """Whether turns can be accepted, and what answers. `problems`: why they will wait, and what to do about it."""

    status: Literal["ok", "unavailable", "stopping"]
    database: bool
    redis: bool
    problems: list[str]


class QueueStatus(Answer):
    """The turns of one service tier. `oldest_queued_seconds`: how long the first of them has waited."""

    running: int
    queued: int
    oldest_queued_seconds: float


class WaitingTurns(Answer):
    """What queued turns wait for: a worker, room in their owner's share, the end of the turn before them."""

    worker: int
    share: int
    turn: int


class TurnsStatus(QueueStatus):
    """The turns of all tiers."""

    waiting_for: WaitingTurns


class ProcessStatus(Answer):
    """A process that lives."""

    id: str
    version: str | None
    seen_seconds_ago: float


class ServerStatus(Answer):
    """The deployment as a whole. `recoveries`: of each kind, since the start of the processes that live.

    `problems`: as `/readyz` tells them.
    """

    object: Literal["turnstone.status"]
    version: str
    schema_revision: str | None
    turns: TurnsStatus
    tiers: dict[str, QueueStatus]
    workers: list[ProcessStatus]
    api_processes: list[ProcessStatus]
    recoveries: dict[str, int]
    problems: list[str]


class ProbeEvent(Answer):
    """One of a few events that are sent with a pause before each but the first."""

    type: Literal["turnstone.stream_probe"]
    sequence_number: int
