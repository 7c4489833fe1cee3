"""What kinds of failures a Redis has, by what it answers, and what each means to an operator."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from redis import exceptions


class RedisFailure(StrEnum):
    """Why a call to Redis, or to the broker, failed. Each is an outage: it is waited out."""

    UNREACHABLE = "unreachable"
    SILENT = "silent"
    CREDENTIALS = "credentials"
    PERMISSION = "permission"
    READ_ONLY = "read_only"
    TOO_FEW_REPLICAS = "too_few_replicas"
    DISK = "disk"
    MEMORY = "memory"
    LOADING = "loading"
    NO_PRIMARY = "no_primary"
    CLUSTER = "cluster"
    BUSY = "busy"
    INTERRUPTED = "interrupted"
    CONNECTIONS = "connections"
    SCRIPTS = "scripts"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Meaning:
    """In plain words: the `problem`, to be read after the name of what has it, and what an operator does about it."""

    problem: str
    advice: str

    def __str__(self) -> str:
        return f"{self.problem}: {self.advice}"


MEANINGS: Final = {
    RedisFailure.UNREACHABLE: Meaning(
        "cannot be reached", "check that it runs, and that its address in the settings is right"
    ),
    RedisFailure.SILENT: Meaning(
        "does not answer in time", "check whether it is paused or overloaded, and the network in between"
    ),
    RedisFailure.CREDENTIALS: Meaning(
        "refuses the user or the password",
        "set those it knows in the URL and restart this process, or let it take the old ones again",
    ),
    RedisFailure.PERMISSION: Meaning(
        "does not permit its user a command, key or channel", "grant the user what docs/deployment.md lists"
    ),
    RedisFailure.READ_ONLY: Meaning(
        "is a replica and takes no writes",
        "wait for the end of the failover; if there is none, have the URL name the primary",
    ),
    RedisFailure.TOO_FEW_REPLICAS: Meaning(
        "has too few replicas to take writes", "start them, or lower its min-replicas-to-write"
    ),
    RedisFailure.DISK: Meaning(
        "cannot save to its disk and takes no writes", "make room there and see its log; when it has saved, all goes on"
    ),
    RedisFailure.MEMORY: Meaning(
        "has used up its memory", "raise its maxmemory, or lower TURNSTONE_STREAM_LOG_SECONDS"
    ),
    RedisFailure.LOADING: Meaning("is loading its data", "wait until it has"),
    RedisFailure.NO_PRIMARY: Meaning(
        "is a replica that has lost its primary",
        "wait for the end of the failover; if there is none, have the URL name the primary",
    ),
    RedisFailure.CLUSTER: Meaning(
        "is a node of a cluster that does not serve this now", "have the URL name a Redis that is no cluster"
    ),
    RedisFailure.BUSY: Meaning("is busy with a script that does not end", "stop that script with SCRIPT KILL"),
    RedisFailure.INTERRUPTED: Meaning(
        "has cut short a command that waited", "nothing: this is how a failover begins, or CLIENT UNBLOCK"
    ),
    RedisFailure.CONNECTIONS: Meaning("takes no more connections", "raise its maxclients, or find who holds them"),
    RedisFailure.SCRIPTS: Meaning("has forgotten a script", "nothing: it is sent again"),
    RedisFailure.OTHER: Meaning("answers with an error", "see its log, and the error's name here"),
}

# By the code that begins an error; some come inside another one's text.
_BY_CODE = {
    "NOAUTH": RedisFailure.CREDENTIALS,
    "WRONGPASS": RedisFailure.CREDENTIALS,
    "DENIED": RedisFailure.CREDENTIALS,
    "NOPERM": RedisFailure.PERMISSION,
    "READONLY": RedisFailure.READ_ONLY,
    "NOREPLICAS": RedisFailure.TOO_FEW_REPLICAS,
    "MISCONF": RedisFailure.DISK,
    "OOM": RedisFailure.MEMORY,
    "LOADING": RedisFailure.LOADING,
    "MASTERDOWN": RedisFailure.NO_PRIMARY,
    "CLUSTERDOWN": RedisFailure.CLUSTER,
    "TRYAGAIN": RedisFailure.CLUSTER,
    "MOVED": RedisFailure.CLUSTER,
    "ASK": RedisFailure.CLUSTER,
    "CROSSSLOT": RedisFailure.CLUSTER,
    "BUSY": RedisFailure.BUSY,
    "UNBLOCKED": RedisFailure.INTERRUPTED,
    "NOSCRIPT": RedisFailure.SCRIPTS,
}
_BY_TYPE = (
    (exceptions.AuthenticationError, RedisFailure.CREDENTIALS),
    (exceptions.MaxConnectionsError, RedisFailure.CONNECTIONS),
    ((TimeoutError, exceptions.TimeoutError), RedisFailure.SILENT),
    # The clients raise the last two where a connection vanishes under their hands.
    ((exceptions.ConnectionError, OSError, RuntimeError, AttributeError), RedisFailure.UNREACHABLE),
)
_FULL = "max number of clients"
_CODE = re.compile(r"\b[A-Z]{3,}\b")
# A pipeline says its command before the answer: what that says is the caller's.
_COMMAND = " of pipeline caused error: "

# The server refuses, and the one for which its name stands by now may not.
REFUSALS: Final = frozenset(_BY_CODE.values()) - {RedisFailure.SCRIPTS}


def failure_of(error: BaseException) -> RedisFailure:
    """What kind of failure it is; kombu's own errors are known by what they were raised from."""
    if isinstance(error, exceptions.RedisError) and (known := _answered(error)):
        return known
    for kinds, failure in _BY_TYPE:
        if isinstance(error, kinds):
            return failure
    return failure_of(error.__cause__) if error.__cause__ else RedisFailure.OTHER


def _answered(error: exceptions.RedisError) -> RedisFailure | None:
    text = str(error).rpartition(_COMMAND)[2]
    if _FULL in text:
        return RedisFailure.CONNECTIONS
    codes = [error.status_code or "", *_CODE.findall(text)]
    return next((_BY_CODE[code] for code in codes if code in _BY_CODE), None)
