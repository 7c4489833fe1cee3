"""One turn under the turn protocol: every interleaving of two workers, two enders and a subscriber, with faults."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from operator import mul

from tests.model.end_steps import ends, freeze_and_write
from tests.model.explorer import Step, Verdict, explore
from tests.model.publish_steps import publish
from tests.model.reader_steps import read
from tests.model.row_steps import claims, holds, work
from tests.model.turn_state import FAULTS, LIFECYCLE, Ender, Rules, State, Worker
from tests.model.world_steps import NO_LOGS, leases, messages, redis

_ACTORS = (redis, leases, messages, claims, work, publish, ends, freeze_and_write, read)
_ENDED: dict[str, bool] = dict.fromkeys(("leased", "unseen", "observed", "output_started", "frozen"), False)
# The faults that still have something to hit.
_AFTER_END = tuple(fault not in ("cancel", "stall", "api_stall", "drain", "age", "unheard") for fault in FAULTS)
_AFTER_READER = tuple(fault in ("kill", "duplicate", "ender_death") for fault in FAULTS)
_NOBODY = ((Worker(), Worker()), (Ender(), Ender()))


def check(rules: Rules) -> Verdict:
    """Visit everything that may happen under these rules."""

    def steps(state: State) -> Iterator[Step[State]]:
        for name, fair, after in chain.from_iterable([actor(state, rules) for actor in _ACTORS]):
            if after.journal and not state.journal and not after.bad:
                after = after.but(bad=_wrong_end(after, rules))
            yield name, fair, _forget(after)

    return explore(rules.first(), steps, lambda state: _wrong(state, rules), lambda state: _is_goal(state, rules))


def _wrong(state: State, rules: Rules) -> str:
    """The first promise this state breaks."""
    if state.bad:
        return state.bad
    if state.acknowledged and not (state.status == "cancelled" or (state.running and state.ending == "cancelled")):
        return "a cancel was acknowledged, then undone"
    if state.journal:
        return _wrong_delivery(state)
    return _wrong_course(state, rules)


def _wrong_delivery(state: State) -> str:
    journal, reader = state.journal, state.reader
    if not journal or journal.lost or reader.seen < LIFECYCLE:
        return ""
    missing = reader.seen - LIFECYCLE + 1 > journal.outputs or reader.source != journal.work
    return "delivered output is not stored" if missing else ""


def _wrong_end(state: State, rules: Rules) -> str:
    """Asked at the moment of the end, while it is known what has happened."""
    used = _used(rules.faults, state.left)
    if state.journal and state.journal.lost and not used["flush"] + used["outage"]:
        return "a log was called lost for no reason"
    return _wrong_course(state, rules)


def _wrong_course(state: State, rules: Rules) -> str:
    """Nothing is started anew, failed, cancelled or sent twice for no reason."""
    used = _used(rules.faults, state.left)
    hurt = used["kill"] + used["stall"] + used["drain"]
    if "failed" in (state.status, state.ending) and not hurt + used["age"]:
        return "failed for no reason"
    left_alone = rules.foreground and used["api_death"] + used["api_stall"]
    if "cancelled" in (state.status, state.ending) and not used["cancel"] + left_alone:
        return "cancelled for no reason"
    if state.running and state.attempt > 1 + hurt + used["cancel"] + used["age"] + bool(state.ending):
        return "started anew for no reason"
    if state.messages > 1 + used["duplicate"] + used["drain"]:
        return "more messages than turns"
    return ""


@lru_cache(maxsize=100_000)
def _used(budget: tuple[int, ...], left: tuple[int, ...]) -> dict[str, int]:
    return {fault: before - after for fault, before, after in zip(FAULTS, budget, left, strict=True)}


def _is_goal(state: State, rules: Rules) -> bool:
    if rules.endless and state.reader.phase == "live":  # it runs for somebody who listens, and hears it all
        return any(holds(state, worker) and worker.made == state.reader.seen + 1 for worker in state.workers)
    told = state.reader.phase in ("over", "dead")
    return bool(state.journal) and told and not state.messages and (state.workers, state.enders) == _NOBODY


def _forget(state: State) -> State:
    """Drop what can make no difference any more, so that states differing in it alone are one."""
    if state.bad:
        return state
    if state.journal:
        return _forget_at_end(state)
    # An old attempt's log, once the subscriber knows of a newer one and its worker is gone.
    kept = min([state.work, *(worker.attempt for worker in state.workers if worker.phase)])
    if kept == 1 or state.reader.phase == "away" or state.reader.known < kept or not any(state.logs[:kept]):
        return state
    return state.but(logs=NO_LOGS[:kept] + state.logs[kept:], heard=NO_LOGS[:kept] + state.heard[kept:])


def _forget_at_end(state: State) -> State:
    over = state.reader.phase in ("over", "dead")
    left = _masked(state.left, over)
    if not over:
        if left == state.left and not (state.leased or state.unseen or state.observed or state.frozen):
            return state
        return state.but(**_ENDED, left=left)
    return state.but(**_ENDED, left=left, redis=True, fence=0, logs=NO_LOGS, heard=NO_LOGS, hint=None)


@lru_cache(maxsize=100_000)
def _masked(left: tuple[int, ...], over: bool) -> tuple[int, ...]:
    return tuple(map(mul, left, _AFTER_READER if over else _AFTER_END))
