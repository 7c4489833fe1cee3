"""What keeps a reader's stream of one voice and without gap, and gives it an end: the feed, its readers, the ender."""

from tests.mutants.safeguard import Safeguard

_FEED = "shared/stream/event_feed.py"
_READER = "api/event_reader.py"
_ENDING = "shared/turns/ending.py"
_FEED_TESTS = "tests/integration/stream/test_event_feed.py"
_READER_TESTS = "tests/integration/stream/test_event_reader.py"
_ENDING_TESTS = "tests/integration/turns/test_ending.py"
_ORDER_TESTS = "tests/unit/test_reader_orders.py"
_CONTINUED_TESTS = "tests/unit/core/test_continued.py"

READERS = (
    Safeguard(
        "a reader's subscription is confirmed before it reads the log",
        "S1",
        _FEED,
        "await self._confirmed[channel].wait()",
        "pass",
        (f"{_FEED_TESTS}::test_subscribing_waits_for_the_servers_confirmation",),
    ),
    Safeguard(
        "a reader that is too slow is told of the gap",
        "G18",
        _FEED,
        "if self._bytes > _QUEUE_BYTES:",
        "if False:",
        (f"{_FEED_TESTS}::test_a_slow_reader_costs_bounded_memory_and_delays_nobody",),
    ),
    Safeguard(
        "after a loss of the connection readers are told of the gap",
        "G6",
        _FEED,
        "                self._mark_all()\n",
        "",
        (f"{_FEED_TESTS}::test_a_restart_of_redis_is_survived_and_readers_are_told_of_the_gap",),
    ),
    Safeguard(
        "a second confirmation means a gap",
        "G6",
        _FEED,
        "            if self._confirmed[channel].is_set():",
        "            if False:",
        (f"{_FEED_TESTS}::test_a_second_confirmation_tells_of_a_gap",),
    ),
    Safeguard(
        "a reader drops what an earlier attempt said",
        "G5",
        _READER,
        "batch.work < self._work or batch.last <= self._seen",
        "batch.last <= self._seen",
        (f"{_READER_TESTS}::test_what_an_earlier_attempt_says_is_dropped",),
    ),
    Safeguard(
        "a reader drops what it has seen",
        "G13",
        _READER,
        "fresh = _after(batch, self._seen)",
        "fresh = batch",
        (f"{_READER_TESTS}::test_what_was_seen_is_not_told_again",),
    ),
    Safeguard(
        "a reader fills a gap from the log",
        "G13",
        _READER,
        "return message.work < self._work or message.first <= self._seen + 1",
        "return True",
        (_READER_TESTS,),
    ),
    Safeguard(
        "a reader told of a gap reads the log",
        "G6",
        _READER,
        "            gap = subscription.gap\n",
        "            gap = False\n",
        (_READER_TESTS,),
    ),
    Safeguard(
        "a reader finds the end in SQL",
        "G15",
        _READER,
        "            if ended:\n",
        "            if False:\n",
        (f"{_READER_TESTS}::test_an_end_that_nobody_published_is_found_in_sql",),
    ),
    Safeguard(
        "a reader finds a new attempt in SQL",
        "G15",
        _READER,
        "gap = self._new_attempt(self._sources.watch.work(subscription)) or gap",
        "pass",
        (f"{_READER_TESTS}::test_an_attempt_that_nobody_heard_of_is_found_in_sql",),
    ),
    Safeguard(
        "an end without a log has a number above all others",
        "G13",
        _ENDING,
        "LOST_NUMBER if lost else None",
        "None",
        (f"{_ENDING_TESTS}::test_a_lost_log_is_said_to_be_lost",),
    ),
    Safeguard(
        "a log that is gone after output counts as lost",
        "G16",
        _ENDING,
        "frames is None or (turn.output_started and not frames)",
        "frames is None",
        (f"{_ENDING_TESTS}::test_a_lost_log_is_said_to_be_lost",),
    ),
    Safeguard(
        "a freeze waits for a Redis that comes back",
        "G16",
        "shared/stream/freeze.py",
        "                clock.pause(_RETRY_SECONDS)\n",
        "                return None\n",
        (f"{_ENDING_TESTS}::test_a_redis_that_comes_back_in_time_is_asked_again",),
    ),
    Safeguard(
        "a worker is told that its turn was ended",
        "G20",
        _ENDING,
        "        self._freezer.announce(turn.id)\n",
        "",
        (f"{_ENDING_TESTS}::test_the_worker_hears_of_the_cancel_and_is_fenced_out_of_redis_and_sql",),
    ),
    Safeguard(
        "no text can forge a line of a stream",
        "S8",
        "shared/core/sse_frame.py",
        "        for bare, escaped in _LINE_ENDS:\n",
        "        for bare, escaped in _LINE_ENDS[:0]:\n",
        ("tests/unit/core/test_sse_frame.py::test_no_text_can_write_a_line_of_the_stream",),
    ),
    Safeguard(
        "a reader looks again after an outage of the database",
        "G15",
        "api/row_watch.py",
        "except Exception as error:",
        "except ZeroDivisionError as error:",
        (_READER_TESTS,),
    ),
    Safeguard(
        "a reader of a background turn is let go when its process stops",
        "G17",
        "api/response_stream.py",
        "        return sse.EventStreamResponse(pieces, slot, until=runtime.stopping)\n    watched",
        "        return sse.EventStreamResponse(pieces, slot)\n    watched",
        ("tests/unit/test_stopping_streams.py::test_the_reader_of_a_background_turn_is_let_go",),
    ),
    Safeguard(
        "an unstored turn's journal is its reader's",
        "G13",
        "shared/store/journals.py",
        "mine = and_(JOURNAL.c.response_id == RESPONSE.c.id, owned(RESPONSE, owner))",
        "mine = and_(JOURNAL.c.response_id == RESPONSE.c.id, owned(RESPONSE, owner), RESPONSE.c.store)",
        (
            "tests/integration/store/test_fencing.py"
            "::test_the_events_of_an_unstored_turn_are_there_for_those_who_read_them_already",
        ),
    ),
    Safeguard(
        "a lost log leaves nothing open",
        "G16",
        _READER,
        "elif inexact and self._delivered.output and self._delivered.complete:",
        "elif False:",
        (f"{_ORDER_TESTS}::test_whatever_comes_first_the_stream_is_whole",),
    ),
    Safeguard(
        "a text that was said to be done is not done again",
        "G16",
        "shared/core/emission.py",
        "if not part.text_done:",
        "if True:",
        (f"{_CONTINUED_TESTS}::test_only_what_is_missing_is_said",),
    ),
    Safeguard(
        "a call that was said to be done is not done again",
        "G16",
        "shared/core/emission.py",
        " and not item.call_done:",
        ":",
        (f"{_CONTINUED_TESTS}::test_only_what_is_missing_is_said",),
    ),
    Safeguard(
        "the stream of a deleted turn is closed",
        "G15",
        _READER,
        "if live and self._delivered.begun:",
        "if False:",
        (f"{_ORDER_TESTS}::test_whatever_comes_first_the_stream_is_whole",),
    ),
)
