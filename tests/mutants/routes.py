"""What the routes beside turns are kept from: calls that nobody waits for, traces, half a summary."""

from tests.mutants.safeguard import Safeguard

_COMPACTION = "tests/unit/core/test_compaction.py"

ROUTES = (
    Safeguard(
        "who leaves takes the call to the model's server along",
        "G19",
        "api/caller.py",
        "asyncio.create_task(wait_for_disconnect(request.receive))",
        "asyncio.create_task(asyncio.sleep(3600))",
        ("tests/acceptance/test_pass_through.py::test_a_client_that_leaves_hangs_up_on_the_upstream",),
    ),
    Safeguard(
        "a turn that is only rehearsed leaves nothing",
        "Q9",
        "api/turn_creation.py",
        "            turn_in_place.rollback()\n",
        "",
        ("tests/acceptance/test_input_tokens.py::test_what_the_turn_goes_on_from_is_counted_and_nothing_is_kept",),
    ),
    Safeguard(
        "a summary that was cut short is none",
        "R9",
        "shared/upstream/summary.py",
        'if not text or Finish("stop") not in chunks:',
        "if not text:",
        ("tests/acceptance/test_compact.py::test_without_a_whole_summary_there_is_no_compaction",),
    ),
    Safeguard(
        "a call is told with its output, whatever a summary stands for",
        "R9",
        "shared/core/compaction.py",
        "_message(_FOREWORD + summary), *_asked_for(items, len(history)), *question]",
        "_message(_FOREWORD + summary), *question]",
        (f"{_COMPACTION}::test_a_call_whose_output_is_the_question_stays_with_it",),
    ),
)
