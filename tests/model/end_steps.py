"""END FROM OUTSIDE: take the turn over, freeze its log, write the end, tell the subscribers."""

from tests.model.row_steps import Steps, holds, restartable
from tests.model.turn_state import LIFECYCLE, LOST_NUMBER, Ender, Journal, Rules, State


def ends(state: State, rules: Rules) -> Steps:
    """First steps: by a cancel, by age, by a draining worker, by the sweeper."""
    if all(ender.phase for ender in state.enders):
        return
    if state.has("cancel"):
        for name, after in _first(state, rules, "cancelled"):
            yield f"cancel: {name}", False, after.but(acknowledged=True, left=state.use("cancel"))
    for fault in ("age", "drain"):
        if state.has(fault) and (fault == "age" or _drains_seen(state, rules)):
            for name, after in _first(state, rules, "failed"):
                yield f"{fault}: {name}", False, after.but(left=state.use(fault))
    if state.unseen and rules.keeps("abandoned: swept"):
        for name, after in _first(state, rules, "cancelled"):
            yield f"abandoned: {name}", True, after
    if state.running:
        yield from _sweep(state, rules)


def freeze_and_write(state: State, rules: Rules) -> Steps:
    """The rest, by whoever took the turn over."""
    for at, ender in enumerate(state.enders):
        if not ender.phase or (at and ender == state.enders[0]):
            continue
        if state.has("ender_death"):
            yield "ender dies", False, _with(state, at, Ender()).but(left=state.use("ender_death"))
        if ender.phase in ("taken", "halfway"):
            yield from _freeze(state, rules, at)
        elif ender.phase == "folded":
            yield from _write(state, rules, at)
        else:
            yield "ender publishes", True, _publish(state, at)


def _drains_seen(state: State, rules: Rules) -> bool:
    """Whether a worker may be told to stop whose output may have been seen."""
    return not restartable(state, rules) and any(holds(state, worker) for worker in state.workers)


def _first(state: State, rules: Rules, ending: str) -> list[tuple[str, State]]:
    if state.status == "queued":
        ended = state.but(status=ending, journal=Journal(1, 0, LIFECYCLE - 1, False))
        return [("ends the queued turn", _with(ended, 0, Ender("ended")))]
    if not state.running or (state.ending and rules.keeps("take over: no ending")):
        return []
    return [("takes over", _taken(state, rules, ending))]


def _taken(state: State, rules: Rules, ending: str) -> State:
    attempt = state.attempt + (not state.ending and rules.keeps("take over: next number"))
    taken = state.but(attempt=attempt, ending=ending, leased=True)
    return _with(taken, 0, Ender("taken", attempt, ending))


def _sweep(state: State, rules: Rules) -> Steps:
    if state.ending and not state.leased and rules.keeps("sweep: adopt dead enders"):
        number = state.attempt + (not rules.keeps("adopt: same number"))
        adopted = state.but(leased=True, attempt=number)
        if not rules.keeps("adopt: same ending"):
            adopted = adopted.but(ending="failed")
        yield "sweeper adopts the end", True, _with(adopted, 0, Ender("taken", number, adopted.ending))
    lost = not (state.ending or restartable(state, rules)) and rules.keeps("sweep: fail the lost")
    if lost and not (state.leased and rules.keeps("sweep: lease over")):
        yield "sweeper takes over", True, _taken(state, rules, "failed")


def _freeze(state: State, rules: Rules, at: int) -> Steps:
    ender = state.enders[at]
    halfway = ender._replace(phase="halfway")
    if not state.redis:
        yield "ender gives up on Redis", True, _with(state, at, ender._replace(phase="folded", lost=True))
        if not rules.keeps("freeze: raise and read in one") and ender.phase == "taken":
            yield "ender cannot raise the fence", True, _with(state, at, halfway)
        return
    raised = state.but(fence=max(state.fence, ender.attempt), frozen=True)
    work = min(state.work, len(state.logs) - 1)
    outputs = max(0, state.logs[work] - LIFECYCLE)
    lost = state.output_started and not state.logs[work]
    folded = ender._replace(phase="folded", outputs=outputs, lost=lost)
    if not rules.keeps("freeze: raise the fence"):
        yield "ender reads the log", True, _with(state.but(frozen=True), at, folded)
    elif not rules.keeps("freeze: raise and read in one"):
        if ender.phase == "taken":
            yield "ender raises the fence", True, _with(raised, at, halfway)
        else:
            yield "ender reads the log", True, _with(state, at, folded)
    elif not rules.keeps("freeze: raise before reading"):
        if ender.phase == "taken":
            read = folded._replace(phase="halfway")
            yield "ender reads the log", True, _with(state, at, read)
        else:
            yield "ender raises the fence", True, _with(raised, at, ender._replace(phase="folded"))
    else:
        yield "ender freezes", True, _with(raised, at, folded)


def _write(state: State, rules: Rules, at: int) -> Steps:
    ender = state.enders[at]
    attempt = state.attempt == ender.attempt or not rules.keeps("end: attempt")
    ending = state.ending == ender.ending or not rules.keeps("end: ending")
    running = state.running or not rules.keeps("end: in progress")
    if not (attempt and ending and running):
        yield "ender is too late", True, _with(state, at, Ender())
        return
    ended = _ended(state, rules, ender)
    yield f"ender writes {ender.ending}", True, _with(ended, at, Ender("ended"))
    if state.has("unheard"):
        yield f"ender writes {ender.ending} unheard", False, ended.but(left=state.use("unheard"))


def _ended(state: State, rules: Rules, ender: Ender) -> State:
    lost = ender.lost and rules.keeps("end: number of the lost")
    outputs, number = (0, LOST_NUMBER) if lost else (ender.outputs, LIFECYCLE + ender.outputs)
    journal = Journal(max(1, ender.attempt - 1), outputs, number, ender.lost)
    bad = "" if state.running else "an end was changed"
    return state.but(status=ender.ending, journal=journal, bad=bad)


def _publish(state: State, at: int) -> State:
    told = _with(state, at, Ender())
    if not (state.redis and state.journal):
        return told
    return told.but(hint=(state.journal.work, state.journal.number, state.status))


def _with(state: State, at: int, ender: Ender) -> State:
    return state.but(enders=state.with_ender(at, ender))
