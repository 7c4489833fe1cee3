"""What keeps figures true and bounded, and told when they are wanted most."""

from tests.mutants.safeguard import Safeguard

_METRICS = "tests/unit/test_metrics.py"
_QUEUE = "tests/integration/test_queue_figures.py"

FIGURES = (
    Safeguard(
        "a client names no model in figures",
        "O1",
        "shared/model_labels.py",
        "return model if model in self._names else OTHER",
        "return model or OTHER",
        (f"{_METRICS}::test_models_that_nobody_has_named_are_all_the_same_one",),
    ),
    Safeguard(
        "model servers name so many models in figures",
        "O1",
        "shared/model_labels.py",
        "len(self._names) < _MOST and ",
        "",
        (f"{_METRICS}::test_however_many_models_servers_name_their_labels_are_bounded",),
    ),
    Safeguard(
        "the dead have nothing under way",
        "O1",
        "shared/exposition.py",
        '(kind != "gauge" or _is_alive(int(rest.rpartition("_")[2])))',
        "rest",
        (f"{_METRICS}::test_the_dead_leave_what_they_counted_and_nothing_under_way",),
    ),
    Safeguard(
        "figures wait for no database",
        "O1",
        "api/queue_figures.py",
        "self._reading.result() if self._reading.done() else None",
        "self._reading.result()",
        (f"{_QUEUE}::test_without_the_database_there_are_no_figures_of_it_and_no_waiting",),
    ),
    Safeguard(
        "a key of long ago opens nothing in an outage",
        "O1",
        "api/key_ring.py",
        "known = key and found and until > earliest and",
        "known = key and found and",
        (f"{_QUEUE}::test_an_operator_of_a_minute_ago_reads_figures_in_an_outage",),
    ),
)
