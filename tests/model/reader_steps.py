"""A subscriber: marks the row, reads the log, goes live, looks at the row; and the checks of what it is given."""

from tests.model.row_steps import Steps
from tests.model.turn_state import LIFECYCLE, LOST_NUMBER, Rules, State


def read(state: State, rules: Rules) -> Steps:
    """All that a subscriber may do or be given."""
    reader = state.reader
    if reader.phase in ("over", "dead"):
        return
    if state.has("api_death"):
        yield "API process dies", False, _api_death(state, rules)
    if state.has("api_stall"):
        yield "API process is not seen", False, state.but(unseen=_watched(rules), left=state.use("api_stall"))
    if state.unseen:
        yield "API process is seen again", True, state.but(unseen=False)
    if reader.phase == "away":
        yield from _attach(state, rules)
        return
    if reader.phase == "marking":
        yield "reader marks", True, state.but(observed=True, reader=reader._replace(phase="live"))
    if state.redis and state.logs[_at(state)] > reader.seen + 1 and rules.keeps("read the log again"):
        upto = state.logs[_at(state)] - 1
        yield f"reader reads the log up to {upto}", True, _given(state, rules, reader.known, upto)
    yield from _live(state, rules)
    if rules.keeps("look at the row"):
        yield from _look(state, rules)


def _attach(state: State, rules: Rules) -> Steps:
    # The row alone tells the first events, so that a queued stream shows its id at once.
    told = 0 if state.status == "queued" else LIFECYCLE - 1
    seen = max(state.reader.seen, told) if not state.journal else state.reader.seen
    reader = state.reader._replace(phase="live", seen=seen, known=state.work)
    if not rules.keeps("observe"):
        yield "reader attaches", True, state.but(reader=reader)
    elif not state.observed and not rules.keeps("observe before looking"):
        yield "reader looks", True, state.but(reader=reader._replace(phase="marking"))
    else:
        yield "reader attaches", True, state.but(reader=reader, observed=True)


def _live(state: State, rules: Rules) -> Steps:
    """Live messages, any that was ever published; that none comes at all is possible too, so none is bound to."""
    seen, known = state.reader.seen, state.reader.known
    for attempt, heard in enumerate(state.heard):
        older = attempt < known and rules.keeps("drop older attempts")
        if not heard or older:
            continue
        if heard > seen + 1:
            given = _given(state, rules, max(attempt, known), seen + 1, attempt)
            yield f"reader hears {seen + 1} of {attempt}", False, given
        if attempt > known:
            yield f"reader hears of {attempt}", False, state.but(reader=state.reader._replace(known=attempt))
        if heard > seen + 2 and not rules.keeps("no gap"):
            yield "reader hears out of turn", False, state.but(bad="a gap was delivered")
    in_turn = state.hint and (state.hint[1] == seen + 1 or not rules.keeps("the end in its turn"))
    if state.hint and in_turn and state.hint[0] >= known:
        yield "reader hears the end", False, _over(state, *state.hint[1:])


def _look(state: State, rules: Rules) -> Steps:
    if state.journal:
        yield "reader sees the end in the row", True, _recorded(state, rules)
    elif state.work > state.reader.known and state.reader.phase == "live":
        yield "reader sees another attempt", True, state.but(reader=state.reader._replace(known=state.work))


def _recorded(state: State, rules: Rules) -> State:
    assert state.journal
    journal = state.journal
    last = LIFECYCLE + journal.outputs - 1 if journal.number >= LIFECYCLE else LIFECYCLE - 2
    given = _given(state, rules, journal.work, last) if last > state.reader.seen else state
    if given.bad or given.reader.seen < journal.number:
        return _over(given, journal.number, state.status)
    if rules.keeps("renumber the end"):
        return _over(given, journal.number, state.status)
    return given.but(bad="the end's number is not above the last")


def _given(state: State, rules: Rules, known: int, upto: int, source: int = 0) -> State:
    """Deliver up to `upto`; the number after the last output is the worker's end."""
    source = source or known
    reader, bad = state.reader._replace(known=known), state.bad
    end = LIFECYCLE + rules.outputs
    last = min(upto, end - 1)
    if last >= LIFECYCLE and last > reader.seen:
        if reader.source not in (0, source):
            bad = "outputs of two attempts were delivered"
        reader = reader._replace(source=source)
    given = state.but(reader=reader._replace(seen=max(reader.seen, last)), bad=bad)
    return given if upto < end else _over(given, end, "completed")


def _over(state: State, number: int, status: str) -> State:
    stored = state.journal and (state.journal.number, state.status)
    bad = state.bad or ("" if stored == (number, status) else "an end was delivered that is not the stored one")
    if number > state.reader.seen + 1 and number != LOST_NUMBER:
        bad = bad or "a gap was delivered"
    return state.but(reader=state.reader._replace(phase="over"), bad=bad)


def _api_death(state: State, rules: Rules) -> State:
    phase = "dead" if rules.foreground else "away"
    unseen = state.unseen or (_watched(rules) and not state.journal)
    return state.but(reader=state.reader._replace(phase=phase), unseen=unseen, left=state.use("api_death"))


def _watched(rules: Rules) -> bool:
    """Whether the turn names the API process that waits for it; one in the background names none."""
    return rules.foreground or not rules.keeps("abandoned: only with a waiter")


def _at(state: State) -> int:
    return min(state.reader.known, len(state.logs) - 1)
