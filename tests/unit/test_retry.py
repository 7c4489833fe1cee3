"""Q7: the upstream is tried again only when that can help, and not by everybody at once."""

from hypothesis import given
from hypothesis import strategies as st

from shared.core.retry import LONGEST_BACKOFF_SECONDS, LONGEST_RETRY_AFTER_SECONDS, retry_delay
from shared.errors import UpstreamError

attempt_numbers = st.integers(min_value=1, max_value=10_000)
jitters = st.floats(min_value=0, max_value=1, exclude_max=True)


def passing(retry_after_seconds: float | None = None) -> UpstreamError:
    return UpstreamError("Try later.", retryable=True, retry_after_seconds=retry_after_seconds)


@given(attempt_numbers, attempt_numbers, jitters)
def test_an_error_that_will_not_pass_is_never_retried(attempt: int, attempts: int, jitter: float) -> None:
    assert retry_delay(attempt, attempts, UpstreamError("No."), jitter) is None


def test_there_are_at_most_so_many_attempts() -> None:
    assert [retry_delay(attempt, 3, passing(), 0.5) is None for attempt in (1, 2, 3, 4)] == [False, False, True, True]
    assert retry_delay(1, 1, passing(), 0.5) is None


def test_the_backoff_doubles() -> None:
    assert [retry_delay(attempt, 9, passing(), 0.5) for attempt in (1, 2, 3)] == [0.25, 0.5, 1.0]


@given(attempt_numbers, jitters)
def test_full_jitter_reaches_from_nothing_to_a_bounded_backoff(attempt: int, jitter: float) -> None:
    delay = retry_delay(attempt, attempt + 1, passing(), jitter)
    assert delay is not None
    assert 0 <= delay < LONGEST_BACKOFF_SECONDS
    assert retry_delay(attempt, attempt + 1, passing(), 0.0) == 0


@given(attempt_numbers, jitters, st.floats(min_value=0, allow_nan=False))
def test_retry_after_is_waited_for_up_to_a_cap(attempt: int, jitter: float, wanted: float) -> None:
    delay = retry_delay(attempt, attempt + 1, passing(wanted), jitter)
    assert delay is not None
    assert min(wanted, LONGEST_RETRY_AFTER_SECONDS) <= delay
    assert delay <= LONGEST_RETRY_AFTER_SECONDS + LONGEST_BACKOFF_SECONDS


def test_those_turned_away_together_do_not_come_back_together() -> None:
    assert retry_delay(1, 3, passing(2.0), 0.1) != retry_delay(1, 3, passing(2.0), 0.9)
