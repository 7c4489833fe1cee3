"""Every log call of the shipped code: a static event name, and fields that name things but repeat nothing said."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from shared.turns.recovery import Recovery
from tests.mutants.workbench import ROOT
from workers.webhooks import Outcome

EVENT = re.compile(r"[a-z]+(_[a-z]+)+")
LEVELS = {"debug", "info", "warning", "error"}
# Ids, counts, and words from closed lists.
FIELDS = {
    "advice",
    "answer",
    "attempt",
    "channel",
    "code",
    "count",
    "delay_seconds",
    "endpoint_id",
    "error",
    "host",
    "items_before",
    "limit",
    "needed",
    "outage",
    "part",
    "problem",
    "reason",
    "request_id",
    "response_id",
    "seconds",
    "status",
    "to",
    "tries",
    "turns",
    "until",
    "upstream",
    "waits",
    "worker",
}
FILES = sorted(
    str(path.relative_to(ROOT)) for part in ("api", "workers", "shared") for path in (ROOT / part).rglob("*.py")
)
# A stand-in for somebody else's server; and what shapes the lines.
OTHERWISE = {"shared/upstream/demo.py", "shared/logging.py"}


def test_each_keeps_to_the_rules() -> None:
    faults = [
        f"{file}:{call.lineno}: {fault}" for file in FILES for call in log_calls(file) for fault in faults_of(call)
    ]
    assert not faults


def test_what_is_logged_of_an_outage_keeps_to_them_too() -> None:
    """`outlast` is told the event."""
    events = [ast.unparse(call.args[1]).strip("'") for file in FILES for call in calls(file, "outlast")]
    assert len(events) >= 3
    assert all(EVENT.fullmatch(event) for event in events)


@pytest.mark.parametrize("enum", [Recovery, Outcome])
def test_lists_of_events_keep_to_them_too(enum: type[Recovery] | type[Outcome]) -> None:
    assert all(EVENT.fullmatch(event) for event in enum)


def test_there_is_one_way_to_log() -> None:
    imports = re.compile(r"^\s*(import logging|from logging |print\()", re.MULTILINE)
    other = {file for file in FILES if imports.search((ROOT / file).read_text()) and "/cli/" not in file}
    assert other == OTHERWISE


def test_no_logger_is_there_for_nothing() -> None:
    made = {file for file in FILES if "\nlog = structlog.get_logger()\n" in (ROOT / file).read_text()}
    assert made == {file for file in FILES if file not in OTHERWISE and any(log_calls(file))}


def faults_of(call: ast.Call) -> Iterator[str]:
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr not in LEVELS:
        yield f"log.{call.func.attr}: its lines show more than where something happened"
    match call.args:
        case [ast.Constant(value=str(event))] if EVENT.fullmatch(event):
            pass
        case [ast.Attribute(attr="value") | ast.Name(id="event")]:  # see above: from a list, and of an outage
            pass
        case _:
            yield "the event is not static"
    for field in call.keywords:
        if field.arg not in FIELDS:
            yield f"the field {field.arg}"
        if field.arg == "error" and ast.unparse(field.value) != "type(error).__name__":
            yield "more of an error than its type"
        if isinstance(field.value, ast.JoinedStr):
            yield "a text made for the occasion"


def log_calls(file: str) -> Iterator[ast.Call]:
    if file in OTHERWISE:
        return
    for level in (*LEVELS, "exception", "critical", "msg", "log", "bind"):
        yield from calls(file, f"log.{level}")


def calls(file: str, function: str) -> Iterator[ast.Call]:
    return (call for call in all_calls(file) if ast.unparse(call.func) == function)


@cache
def all_calls(file: str) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.Call)]
