"""Redis, the broker, time, and the sweeper's messages."""

from tests.model.row_steps import Steps, restartable
from tests.model.turn_state import Rules, State

NO_LOGS = (0, 0, 0, 0)


def redis(state: State, rules: Rules) -> Steps:
    """Losses of all kinds; the log and the fence may be evicted one by one."""
    if not state.redis:
        yield "Redis is back", True, state.but(redis=True)
        return
    if state.has("flush"):
        left = state.use("flush")
        yield "Redis is flushed", False, state.but(fence=0, logs=NO_LOGS, messages=0, left=left)
        if any(state.logs):
            yield "Redis loses the log", False, state.but(logs=NO_LOGS, left=left)
        if state.fence:
            yield "Redis loses the fence", False, state.but(fence=0, left=left)
    if state.has("outage"):
        yield "Redis goes down", False, state.but(redis=False, left=state.use("outage"))
    if state.has("duplicate") and state.messages < 2:
        yield "message comes twice", False, state.but(messages=state.messages + 1, left=state.use("duplicate"))


def leases(state: State, rules: Rules) -> Steps:
    """A lease whose holder is gone runs out; one whose holder lives does only if that stalls."""
    if not (state.running and state.leased):
        return
    if not _held(state):
        yield "lease runs out", True, state.but(leased=False)
    elif state.has("stall"):
        yield "holder stalls, lease runs out", False, state.but(leased=False, left=state.use("stall"))


def messages(state: State, rules: Rules) -> Steps:
    """The sweeper sends what the broker is short of."""
    if not state.redis or (state.messages and rules.keeps("sweep: no more than missing")):
        return
    sent = state.but(messages=state.messages + 1)
    if state.status == "queued" and rules.keeps("sweep: send the lost again"):
        yield "sweeper sends the message again", True, sent
    if (
        not state.leased
        and restartable(state, rules)
        and not state.ending
        and rules.keeps("sweep: wake the restartable")
    ):
        yield "sweeper sends a restart", True, sent


def _held(state: State) -> bool:
    holders = state.enders if state.ending else state.workers
    return any(one.phase not in ("", "ended") and one.attempt == state.attempt for one in holders)
