"""What Redis answers is told apart, whichever way it comes, and an outage is told once, in plain words."""

import pytest
from kombu.exceptions import OperationalError
from redis import exceptions
from redis._parsers.base import BaseParser
from structlog.testing import capture_logs

from shared import redis_outages
from shared.backoff import Backoff
from shared.metrics import RedisUse
from shared.redis_failures import MEANINGS, REFUSALS, RedisFailure, failure_of
from shared.redis_outages import Outages, Part
from tests.figures import Figures
from tests.unit.test_metrics import figures

ANSWERS = {
    "READONLY You can't write against a read only replica.": RedisFailure.READ_ONLY,
    "ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write": RedisFailure.READ_ONLY,
    "EXECABORT Transaction discarded because of: READONLY You can't write": RedisFailure.READ_ONLY,
    "MISCONF Valkey is configured to save RDB snapshots": RedisFailure.DISK,
    "LOADING Valkey is loading the dataset in memory": RedisFailure.LOADING,
    "OOM command not allowed when used memory > 'maxmemory'.": RedisFailure.MEMORY,
    "NOPERM User turnstone has no permissions to run the 'set' command": RedisFailure.PERMISSION,
    "NOAUTH Authentication required.": RedisFailure.CREDENTIALS,
    "WRONGPASS invalid username-password pair or user is disabled.": RedisFailure.CREDENTIALS,
    "ERR invalid password": RedisFailure.CREDENTIALS,
    "NOREPLICAS Not enough good replicas to write.": RedisFailure.TOO_FEW_REPLICAS,
    "MASTERDOWN Link with MASTER is down": RedisFailure.NO_PRIMARY,
    "CLUSTERDOWN The cluster is down": RedisFailure.CLUSTER,
    "TRYAGAIN Multiple keys request during rehashing of slot": RedisFailure.CLUSTER,
    "MOVED 3999 127.0.0.1:6381": RedisFailure.CLUSTER,
    "BUSY Valkey is busy running a script.": RedisFailure.BUSY,
    "UNBLOCKED client unblocked via CLIENT UNBLOCK": RedisFailure.INTERRUPTED,
    "NOSCRIPT No matching script.": RedisFailure.SCRIPTS,
    "ERR max number of clients reached": RedisFailure.CONNECTIONS,
    "ERR max number of clients + cluster connections reached": RedisFailure.CONNECTIONS,
    "ERR unknown command 'READ'": RedisFailure.OTHER,
    "UNHEARD of": RedisFailure.OTHER,
}


def answer(text: str) -> Exception:
    """What redis-py raises for it."""
    error = BaseParser.parse_error(text)
    assert isinstance(error, Exception)
    return error


@pytest.mark.parametrize("text", ANSWERS)
def test_answers_are_told_apart(text: str) -> None:
    assert failure_of(answer(text)) is ANSWERS[text]


@pytest.mark.parametrize("text", ["MISCONF it cannot save", "OOM command not allowed"])
def test_in_a_pipeline_the_answer_counts_and_not_the_command(text: str) -> None:
    """The command's words are a client's."""
    error = answer(text)
    error.args = (f"Command # 1 (SET key READONLY NOAUTH) of pipeline caused error: {error.args}",)
    assert failure_of(error) is ANSWERS_BY_CODE[text.split()[0]]


ANSWERS_BY_CODE = {text.split()[0]: failure for text, failure in ANSWERS.items() if not text.startswith("ERR")}


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (exceptions.ConnectionError("Error 111 connecting"), RedisFailure.UNREACHABLE),
        (ConnectionResetError(), RedisFailure.UNREACHABLE),
        (AttributeError("of a connection just lost"), RedisFailure.UNREACHABLE),
        (exceptions.TimeoutError(), RedisFailure.SILENT),
        (TimeoutError(), RedisFailure.SILENT),
        (exceptions.MaxConnectionsError(), RedisFailure.CONNECTIONS),
        (exceptions.InvalidResponse("Protocol Error"), RedisFailure.OTHER),
        (ValueError(), RedisFailure.OTHER),
    ],
)
def test_so_are_connections_that_fail(error: Exception, failure: RedisFailure) -> None:
    assert failure_of(error) is failure


def test_kombus_own_errors_are_known_by_their_cause() -> None:
    error = OperationalError("Error 111")
    error.__cause__ = answer("MISCONF it cannot save")
    assert failure_of(error) is RedisFailure.DISK


def test_each_has_a_meaning() -> None:
    assert MEANINGS.keys() == set(RedisFailure)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be moved on."""
    moment = [1000.0]
    monkeypatch.setattr(redis_outages.clock, "monotonic", lambda: moment[0])
    return moment


def test_an_outage_is_told_once_and_so_is_its_end(now: list[float]) -> None:
    outages = Outages()
    with capture_logs() as logged:
        for _ in range(20):
            outages.failed(RedisUse.PUBLISH, answer("READONLY secret text"))
            outages.failed(RedisUse.HINT, answer("READONLY secret text"))
            now[0] += 2
        outages.worked(RedisUse.PUBLISH)
        outages.worked(RedisUse.HINT)
        outages.worked(RedisUse.HINT)
    assert [line["event"] for line in logged] == ["redis_outage", "redis_outage_over"]
    assert logged[0]["problem"] == MEANINGS[RedisFailure.READ_ONLY].problem
    assert "secret" not in str(logged)


def test_the_next_one_is_told_again(now: list[float]) -> None:
    outages = Outages()
    with capture_logs() as logged:
        outages.failed(RedisUse.PUBLISH, answer("LOADING"))
        outages.worked(RedisUse.PUBLISH)
        outages.failed(RedisUse.PUBLISH, answer("LOADING"))
        now[0] += 60  # nobody had any more use for it
        outages.failed(RedisUse.PUBLISH, answer("LOADING"))
    assert [line["event"] for line in logged] == [
        "redis_outage",
        "redis_outage_over",
        "redis_outage",
        "redis_outage",
    ]


def test_what_fails_now_is_told_of_each_part() -> None:
    outages = Outages()
    outages.failed(RedisUse.PUBLISH, answer("OOM"))
    outages.failed(RedisUse.DISPATCH, answer("READONLY"))
    outages.worked(RedisUse.SUBSCRIBE)
    assert outages.problems(Part.REDIS) == [f"redis {MEANINGS[RedisFailure.MEMORY]}"]
    assert outages.problems(Part.BROKER) == [f"broker {MEANINGS[RedisFailure.READ_ONLY]}"]


def test_each_failure_is_counted_by_use_and_kind() -> None:
    outages = Outages()
    before = figures()
    outages.failed(RedisUse.CONSUME, answer("MISCONF"))
    outages.failed(RedisUse.CONSUME, answer("MISCONF"))
    assert risen(before, "turnstone_redis_errors_total", use="consume") == 2
    assert risen(before, "turnstone_redis_failures_total", kind="disk") == 2


def test_only_a_server_that_refuses_is_left() -> None:
    """Late or broken connections say nothing about the others, nor does an error about a command."""
    outages = Outages()
    for error in (TimeoutError(), ConnectionResetError(), answer("NOSCRIPT"), answer("ERR syntax")):
        outages.failed(RedisUse.PUBLISH, error)
    assert outages.refusals == 0
    for count, failure in enumerate(sorted(REFUSALS), 1):
        outages.failed(RedisUse.PUBLISH, answer(next(code for code, one in ANSWERS_BY_CODE.items() if one is failure)))
        assert outages.refusals == count


def test_pauses_grow_up_to_the_longest_until_it_works() -> None:
    backoff = Backoff(0.25, 1.5)
    assert [backoff.next_seconds() for _ in range(5)] == [0.25, 0.5, 1.0, 1.5, 1.5]
    backoff.reset()
    assert backoff.next_seconds() == 0.25


def risen(before: Figures, name: str, **labels: str) -> float:
    return figures().total(name, **labels) - before.total(name, **labels)
