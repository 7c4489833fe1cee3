"""Structured logs: static event names, ids bound as fields, never prompt or answer text."""

import logging
import sys

import structlog

from shared.settings import Settings

# Alembic tells each process that it has checked the schema; Celery tells two lines a turn, at a tenth of its cost.
_TALKATIVE = ("alembic", "celery.worker.strategy", "celery.app.trace")

# It tells of each batch of spans that does not arrive, several times; `shared.open_telemetry` tells once.
_SILENT = "opentelemetry"

# The default one shows what is in the variables of each frame: prompts and keys.
_without_variables = structlog.dev.plain_traceback


def configure_logging(settings: Settings) -> None:
    """Send every log line of this process, libraries' included, to standard error in one shape."""
    shape = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_without_variables)
        if settings.log_format == "console"
        else structlog.processors.JSONRenderer()
    )
    common: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, shape],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_SILENT).setLevel(logging.CRITICAL)
