"""What workers do in SQL. Each step is one compare-and-set; *ours* is what its WHERE says."""

from collections.abc import Iterator

from tests.model.explorer import Step
from tests.model.turn_state import LIFECYCLE, Journal, Rules, State, Worker

Steps = Iterator[Step[State]]


def restartable(state: State, rules: Rules) -> bool:
    """Whether a lost attempt may run anew, but for its lease."""
    unseen = not (state.observed and state.output_started) or not rules.keeps("restart only unseen")
    fewer = state.attempt < rules.attempts or not rules.keeps("attempts are limited")
    return state.running and unseen and fewer and (not state.ending or not rules.keeps("claim: no ending"))


def holds(state: State, worker: Worker) -> bool:
    """The fence: the row still carries this attempt, is in progress, and nobody is ending it."""
    return state.running and state.attempt == worker.attempt and not state.ending


def claims(state: State, rules: Rules) -> Steps:
    """CLAIM by a worker that a message has reached."""
    for at in _different(state):
        if state.workers[at].phase or not (state.messages and state.redis):
            continue
        taken = state.but(messages=state.messages - 1)
        if state.has("kill"):
            yield "worker is killed with a message", False, taken.but(left=state.use("kill"))
        lost = restartable(state, rules) and not (state.leased and rules.keeps("claim: lease over"))
        if state.status == "queued" or lost:
            yield _claim(taken, rules, at)
        else:
            yield "message is dropped", True, taken


def work(state: State, rules: Rules) -> Steps:
    """From the claim to the end of an attempt, without its publishing."""
    for at in _different(state):
        worker = state.workers[at]
        if not worker.phase:
            continue
        name = f"worker {worker.attempt} "
        if state.has("kill"):
            yield name + "is killed", False, _gone(state, at).but(left=state.use("kill"))
        ours = holds(state, worker)
        if worker.drained or not ours:
            yield name + "stops", True, _gone(state, at)
        if not state.leased and (ours or (state.running and not rules.keeps("renew: fenced"))):
            yield name + "renews", True, state.but(leased=True)
        if worker.phase == "ended":
            if not state.redis:
                yield name + "gives up publishing", True, _gone(state, at)
        else:
            yield from _main(state, rules, at, name)
            yield from _drain(state, rules, at, name)


def _main(state: State, rules: Rules, at: int, name: str) -> Steps:
    worker = state.workers[at]
    if worker.phase == "claimed" and rules.outputs:
        if _may_start(state, rules, worker):
            started = worker._replace(phase="output", made=LIFECYCLE + 1)
            marked = state.output_started or rules.keeps("output start is written")
            if not rules.keeps("output start is written first") and worker.made == LIFECYCLE:
                marked, started = state.output_started, started._replace(phase="claimed")
            yield (
                name + "starts output",
                True,
                state.but(output_started=marked, workers=state.with_worker(at, started)),
            )
    elif worker.made < LIFECYCLE + rules.outputs + (not rules.keeps("finish: stored before told")):
        more = worker._replace(made=worker.made + 1)
        yield name + "has output", True, state.but(workers=state.with_worker(at, more))
    elif not rules.endless and _may_finish(state, rules, worker):
        finished = _finish(state, rules, at)
        yield name + "finishes", True, finished
        if state.has("unheard"):
            unheard = finished.but(workers=state.workers, left=state.use("unheard"))
            yield name + "finishes unheard", False, unheard


def _claim(state: State, rules: Rules, at: int) -> Step[State]:
    again = state.running and not rules.keeps("claim: next number")
    attempt = state.attempt if again else state.attempt + 1
    if attempt > rules.attempts:
        return "claim", True, state.but(bad="tried too often")
    claimed = state.but(
        status="in_progress",
        attempt=attempt,
        leased=True,
        output_started=False,
        ending="",
        workers=state.with_worker(at, Worker("claimed", attempt, LIFECYCLE, 0, True)),
    )
    return f"claim {attempt}", True, claimed


def _may_start(state: State, rules: Rules, worker: Worker) -> bool:
    if worker.made > LIFECYCLE:  # a mutant's late mark
        return holds(state, worker)
    if worker.fresh and rules.keeps("output start after the claim's append"):
        return False
    return holds(state, worker) or not rules.keeps("output start is fenced")


def _may_finish(state: State, rules: Rules, worker: Worker) -> bool:
    attempt = state.attempt == worker.attempt or not rules.keeps("finish: attempt")
    ending = not state.ending or not rules.keeps("finish: no ending")
    running = state.running or not rules.keeps("finish: in progress")
    return attempt and ending and running


def _finish(state: State, rules: Rules, at: int) -> State:
    worker = state.workers[at]
    bad = "" if holds(state, worker) else "a worker that lost its turn ended it"
    ended = worker._replace(phase="ended", made=LIFECYCLE + rules.outputs + 1)
    return state.but(
        status="completed",
        journal=Journal(worker.attempt, rules.outputs, LIFECYCLE + rules.outputs, False),
        workers=state.with_worker(at, ended),
        bad=bad,
    )


def _drain(state: State, rules: Rules, at: int, name: str) -> Steps:
    """A worker that is told to stop gives its turn back; if somebody may have seen output, it ends as failed."""
    worker = state.workers[at]
    if not state.has("drain") or worker.drained or not holds(state, worker):
        return
    told = state.but(left=state.use("drain"), workers=state.with_worker(at, worker._replace(drained=True)))
    if restartable(state, rules):
        given = told.but(leased=False, messages=min(2, state.messages + state.redis))
        yield name + "gives its turn back", False, given


def _gone(state: State, at: int) -> State:
    return state.but(workers=state.with_worker(at, Worker()))


def _different(state: State) -> tuple[int, ...]:
    return (0,) if state.workers[0] == state.workers[1] else (0, 1)
