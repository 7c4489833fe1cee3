"""What keeps model servers in their place: one answer by one of them, under our names, kept by us alone."""

from tests.mutants.safeguard import Safeguard

UPSTREAMS = (
    Safeguard(
        "no other model server goes on with an answer that has begun",
        "G5",
        "shared/upstream/route.py",
        "if following is None or begun or error",
        "if following is None or error",
        ("tests/integration/test_upstream_routes.py::test_once_something_was_said_nobody_stands_in",),
    ),
    Safeguard(
        "a model server is not asked again once it has begun to answer",
        "G5",
        "shared/upstream/http_upstream.py",
        "delay = None if begun else retry_delay(",
        "delay = retry_delay(",
        ("tests/integration/test_upstream_failures.py::test_trouble_in_the_middle",),
    ),
    Safeguard(
        "events of a native model server pass under names of events only",
        "S8",
        "shared/upstream/responses_events.py",
        " or not _EVENT_TYPE.fullmatch(kind)",
        "",
        ("tests/unit/test_responses_events.py::test_no_event_passes_under_a_name_that_is_ours_or_no_name",),
    ),
    Safeguard(
        "a native model server is told to keep nothing",
        "Q9",
        "shared/core/native_request.py",
        '"store": False',
        '"store": True',
        ("tests/integration/test_native_upstream.py::test_what_is_sent",),
    ),
)
