"""What keeps webhooks going to those they are for, and requests from reaching what is inside."""

from tests.mutants.safeguard import Safeguard

_OUTBOUND = "shared/outbound.py"
_ADDRESS = "shared/core/outbound_address.py"
_OUTBOX = "shared/store/webhook_outbox.py"
_CALLS = "tests/integration/test_outbound.py"
_URLS = "tests/unit/core/test_outbound_url.py"
_TOLD = "tests/integration/store/test_webhook_outbox.py"

WEBHOOKS = (
    Safeguard(
        "every connection is judged by its address",
        "S3",
        _OUTBOUND,
        "socket_factory=guarded_socket",
        "socket_factory=None",
        (f"{_CALLS}::test_a_name_is_resolved_once_and_that_address_is_connected_to",),
    ),
    Safeguard(
        "redirects are not followed",
        "S3",
        _OUTBOUND,
        "allow_redirects=False",
        "allow_redirects=True",
        (f"{_CALLS}::test_a_redirect_is_an_answer",),
    ),
    Safeguard(
        "no proxy of the environment is asked",
        "S3",
        _OUTBOUND,
        "trust_env=False",
        "trust_env=True",
        (f"{_CALLS}::test_no_proxy_of_the_environment_is_used",),
    ),
    Safeguard(
        "IPv4 in the clothes of IPv6 is judged as IPv4",
        "S3",
        _ADDRESS,
        "return address.ipv4_mapped or address",
        "return address",
        (f"{_URLS}::test_an_address_in_other_clothes_is_in_the_same_network",),
    ),
    Safeguard(
        "addresses with another within are not public",
        "S3",
        _ADDRESS,
        " and not _is_in(address, _NEVER)",
        "",
        (f"{_URLS}::test_an_address_inside_is_not_public",),
    ),
    Safeguard(
        "an event is written with the end it tells of",
        "G24",
        "shared/store/attempts.py",
        "    if told:\n",
        "    if told is None:\n",
        (f"{_TOLD}::test_every_end_by_a_worker_has_its_event",),
    ),
    Safeguard(
        "an event is for its owner's endpoints",
        "I1",
        _OUTBOX,
        "        owned(WEBHOOK_ENDPOINT, CALLER),\n",
        "",
        (f"{_TOLD}::test_an_end_tells_each_endpoint_of_its_owner_that_wants_to_know",),
    ),
    Safeguard(
        "what is being sent is nobody else's for a while",
        "G24",
        _OUTBOX,
        "next_at=database_now() + lease_seconds",
        "next_at=database_now()",
        (f"{_TOLD}::test_what_is_claimed_is_due_again_after_its_lease_if_nothing_came_of_it",),
    ),
    Safeguard(
        "a webhook that was taken is over",
        "G24",
        _OUTBOX,
        "_TABLE.c.position == delivery.position, _TABLE.c.next_at.is_not(None))",
        "_TABLE.c.position == delivery.position)",
        (f"{_TOLD}::test_done_is_over_and_postponed_is_not",),
    ),
    Safeguard(
        "a slow endpoint holds up no other",
        "Q6",
        _OUTBOX,
        "ranked.c.rank <= per_endpoint",
        "ranked.c.rank > 0",
        (f"{_TOLD}::test_an_endpoint_with_many_holds_up_no_other",),
    ),
    Safeguard(
        "a webhook is given up after 72 hours, not before",
        "G24",
        _OUTBOX,
        ", _TABLE.c.created_at < database_now() - GIVEN_UP_SECONDS)",
        ")",
        (f"{_TOLD}::test_after_72_hours_it_is_given_up",),
    ),
)
