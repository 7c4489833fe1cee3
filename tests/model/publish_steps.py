"""What workers do in Redis: append to the log and publish, as one script; and heal what Redis has lost."""

from tests.model.row_steps import Steps, holds
from tests.model.turn_state import LIFECYCLE, Rules, State, Worker, put


def publish(state: State, rules: Rules) -> Steps:
    """The publisher's steps; it waits while Redis is down. When all is told, nobody looks at what it does."""
    if state.journal and state.reader.phase in ("over", "dead"):
        return
    for at, worker in enumerate(state.workers):
        if at and worker == state.workers[0]:
            continue
        name = f"worker {worker.attempt} "
        if worker.healing == "ask":
            yield _ask(state, rules, at, name)
        elif not state.redis:
            if worker.fresh:
                yield name + "cannot append", True, _with(state, at, worker._replace(fresh=False))
        elif worker.healing == "fence":
            yield _raise_fence(state, rules, at, name)
        elif worker.phase and worker.sent < worker.made:
            yield _append(state, rules, at, name)
            if state.has("outage"):
                yield _append_unheard(state, rules, at, name)


def _append(state: State, rules: Rules, at: int, name: str) -> tuple[str, bool, State]:
    worker = state.workers[at]
    if state.fence > worker.attempt and rules.keeps("append: no higher fence"):
        return name + "is refused", True, _with(state, at, Worker())
    if not worker.fresh and _foreign_fence(state, rules, worker):
        order = "fence" if rules.keeps("heal: fence before SQL") else "ask"
        return name + "finds the fence not its own", True, _with(state, at, worker._replace(healing=order))
    fence = max(state.fence, worker.attempt)
    if state.logs[worker.attempt] != worker.sent and rules.keeps("append: no gap"):
        length = state.logs[worker.attempt]
        rewriting = length < worker.sent and rules.keeps("heal: whole in one call")
        found = worker._replace(sent=length, fresh=False, rewriting=rewriting)
        return name + "finds another log", True, _with(state.but(fence=fence), at, found)
    in_pieces = rules.pieces and not worker.rewriting
    upto = max(LIFECYCLE, worker.sent + 1) if in_pieces else worker.made
    done = worker._replace(sent=upto, fresh=False, rewriting=False)
    if done.phase == "ended" and upto == done.made:
        done = Worker()
    appended = _appended(state, worker, fence, upto)
    return f"{name}appends up to {upto - 1}", True, _with(appended, at, done)


def _append_unheard(state: State, rules: Rules, at: int, name: str) -> tuple[str, bool, State]:
    """Redis does it, and goes down before it has answered."""
    _, _, done = _append(state, rules, at, name)
    unheard = state.workers[at]._replace(fresh=False)
    down = done.but(redis=False, left=state.use("outage"), workers=state.with_worker(at, unheard))
    return name + "appends unheard, Redis down", False, down


def _foreign_fence(state: State, rules: Rules, worker: Worker) -> bool:
    if not state.fence:
        return rules.keeps("append: fence there")
    return state.fence < worker.attempt and rules.keeps("append: no lower fence")


def _appended(state: State, worker: Worker, fence: int, upto: int) -> State:
    at = worker.attempt
    late = state.frozen and state.ending and at == state.work and upto > LIFECYCLE
    stored = min(upto, state.logs[at] + upto - worker.sent)  # shorter only in a mutant that leaves gaps
    return state.but(
        fence=fence,
        logs=put(state.logs, at, max(state.logs[at], stored)),
        heard=put(state.heard, at, max(state.heard[at], upto)),
        bad="output after the freeze" if late else state.bad,
    )


def _raise_fence(state: State, rules: Rules, at: int, name: str) -> tuple[str, bool, State]:
    worker = state.workers[at]
    if state.fence > worker.attempt:
        return name + "is refused the fence", True, _with(state, at, Worker())
    ask = rules.keeps("heal: ask SQL") and rules.keeps("heal: fence before SQL")
    healed = worker._replace(healing="ask" if ask else "")
    return name + "sets the fence", True, _with(state.but(fence=worker.attempt), at, healed)


def _ask(state: State, rules: Rules, at: int, name: str) -> tuple[str, bool, State]:
    worker = state.workers[at]
    if not holds(state, worker):
        return name + "hears that its turn is lost", True, _with(state, at, Worker())
    healed = worker._replace(healing="" if rules.keeps("heal: fence before SQL") else "fence")
    return name + "hears that its turn is its own", True, _with(state.but(leased=True), at, healed)


def _with(state: State, at: int, worker: Worker) -> State:
    return state.but(workers=state.with_worker(at, worker))
