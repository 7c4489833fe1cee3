"""I2: what is logged of an error is where it happened, never with what."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.logging import configure_logging
from shared.settings import Settings
from tests.stored_turns import canary


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, structured = root.handlers[:], root.level, structlog.get_config()
    yield
    structlog.configure(**structured)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_logged_error_shows_no_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format=form))

    def fail(prompt: str) -> None:
        told = {"prompt": prompt}
        raise LookupError(str(len(told)))

    said = canary()
    try:
        fail(said)
    except LookupError:
        logging.getLogger("celery").exception("it failed")
    shown = capsys.readouterr().err
    assert "LookupError" in shown
    assert said not in shown
