"""G24: webhooks reach their receivers at least once, signed, under one id, whatever receivers and workers do."""

import re

import pytest

from tests.acceptance.turns import answer, ended, script_gated
from tests.acceptance.webhooks.conftest import Hook
from tests.eventually import eventually
from tests.stack import Stack
from tests.upstream_steps import Reply
from tests.webhook_receiver import SILENCE

COMPLETED = "response.completed"


def test_the_official_sdk_accepts_what_the_receiver_got(hook: Hook) -> None:
    response_id = hook.turn()
    call = hook.wait_for(1)[0]
    event = hook.unwrapped(call)
    assert (event.type, event.data.id, event.object) == (COMPLETED, response_id, "event")
    assert call.event.keys() == {"id", "object", "created_at", "type", "data"}
    assert call.event["data"] == {"id": response_id}
    assert hook.sdk.responses.retrieve(event.data.id).status == "completed"
    eventually(hook.delivered)


def test_every_end_is_told(hook: Hook) -> None:
    hook.upstream.script(f"{hook.topic}-failed", [Reply(400, b"{}")])
    hook.upstream.script(f"{hook.topic}-incomplete", answer("Hel", finish="length"))
    script_gated(hook.upstream, f"{hook.topic}-cancelled")
    made = {
        hook.sdk.responses.create(model="m", input=f"{hook.topic}-{end}", background=True).id: f"response.{end}"
        for end in ("failed", "incomplete", "cancelled")
    }
    hook.upstream.wait_at(f"{hook.topic}-cancelled")
    hook.sdk.responses.cancel(list(made)[-1])
    told = [hook.unwrapped(call) for call in hook.wait_for(3)]
    assert {event.data.id: event.type for event in told} == made


def test_only_background_turns_and_the_wanted_events_are_told(hook: Hook) -> None:
    hook.sdk.webhooks.update(hook.endpoint.id, event_types=[COMPLETED])
    hook.upstream.script(f"{hook.topic}-incomplete", answer("Hel", finish="length"))
    hook.sdk.responses.create(model="m", input=hook.topic)
    unwanted = hook.sdk.responses.create(model="m", input=f"{hook.topic}-incomplete", background=True)
    ended(hook.sdk, unwanted.id)
    wanted = hook.turn()
    assert {call.event["data"]["id"] for call in hook.wait_for(1)} == {wanted}


@pytest.mark.parametrize("fault", [500, 302, SILENCE], ids=["500", "302", "slow"])
def test_what_is_not_taken_is_sent_again_under_the_same_id(hook: Hook, fault: int) -> None:
    """And redirects are not followed."""
    hook.receiver.answer(hook.path, fault, fault)
    hook.turn()
    calls = hook.wait_for(3)
    assert len({call.message_id for call in calls}) == len({call.body for call in calls}) == 1
    assert hook.unwrapped(calls[-1]).type == COMPLETED
    eventually(hook.delivered)
    (delivery,) = hook.deliveries()
    assert (delivery["id"], delivery["attempts"], delivery["last_answer"]) == (calls[0].message_id, 3, "204")
    assert hook.receiver.at("/followed") == []


def test_one_that_is_gone_is_left_alone_until_it_is_changed(hook: Hook) -> None:
    hook.receiver.answer(hook.path, 410)
    hook.turn()
    hook.wait_for(1)
    eventually(hook.disabled)
    ended(hook.sdk, hook.turn())
    hook.sdk.webhooks.update(hook.endpoint.id, name="back")
    assert not hook.disabled()
    last = hook.turn()
    assert [call.event["data"]["id"] for call in hook.wait_for(2)][1:] == [last]


def test_a_slow_or_dead_receiver_holds_up_no_other(hook: Hook) -> None:
    slow, dead = f"{hook.path}-slow", "http://127.0.0.1:1024/"
    hook.receiver.answer(slow, *[SILENCE] * 20)
    others = [
        hook.sdk.webhooks.create(name="other", url=url, event_types=[COMPLETED]).id
        for url in (hook.receiver.url(slow), dead)
    ]
    made = {hook.turn(f"-{number}") for number in range(6)}
    calls = hook.wait_for(6, seconds=8)
    assert {call.event["data"]["id"] for call in calls} == made
    for other in others:
        assert hook.sdk.webhooks.delete(other).deleted


def test_a_worker_that_dies_before_or_while_it_sends_loses_no_event(hooked: Stack, hook: Hook) -> None:
    """kill -9 between the commit of an end and its sending; and again in the middle of that."""
    (worker,) = hooked.workers
    worker.kill()
    made = hook.sdk.responses.create(model="m", input=hook.topic, background=True)
    hook.sdk.responses.cancel(made.id)
    assert hook.deliveries()[0]["attempts"] == 0
    hook.receiver.answer(hook.path, SILENCE)
    worker.start()
    worker.wait_ready()
    hook.wait_for(1)
    worker.kill()
    worker.start()
    worker.wait_ready()
    first, second = hook.wait_for(2)
    assert first.message_id == second.message_id
    assert hook.unwrapped(second).data.id == made.id


def test_a_rotated_secret_signs_alone_or_for_a_day_beside_the_new_one(hook: Hook) -> None:
    second = hook.sdk.webhooks.rotate_secret(hook.endpoint.id, keep_old_secret_active_for_24_hours=True)
    hook.turn()
    call = hook.wait_for(1)[0]
    for secret in (hook.endpoint.signing_secret, second.signing_secret):
        assert hook.unwrapped(call, secret).type == COMPLETED
    third = hook.sdk.webhooks.rotate_secret(hook.endpoint.id)
    hook.turn()
    call = hook.wait_for(2)[-1]
    assert call.headers["webhook-signature"].count("v1,") == 1
    assert hook.unwrapped(call, third.signing_secret).type == COMPLETED
    assert third.signing_secret_hint == f"whsec_…{third.signing_secret[-4:]}"


def test_the_log_holds_no_secret_and_no_url(hooked: Stack, hook: Hook) -> None:
    """URLs may carry keys of their owners."""
    hook.receiver.answer(hook.path, 500)
    response_id = hook.turn()
    eventually(lambda: {"webhook_failed", "webhook_delivered"} <= {*logged_events(hooked, response_id)})
    logged = hooked.log_text()
    assert hook.endpoint.signing_secret not in logged
    assert hook.path not in logged


def logged_events(stack: Stack, response_id: str) -> list[str]:
    """The names of what was logged about webhooks of this response."""
    lines = [line for line in stack.log_text().splitlines() if response_id in line]
    return re.findall(r"webhook_\w+", " ".join(lines))
