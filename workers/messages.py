"""Which of the broker's messages get as far as the task: JSON in Celery's form, and nothing else."""

from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker import strategy

_JSON = "application/json"


def only_ours(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's default strategy, except that a message it stumbles over is discarded and does not end the worker.

    `accept_content` does not keep raw data and plain text out.
    """
    take = strategy.default(task, app, consumer, **options)

    def checked(message: Any, body: Any, *arguments: Any, **named: Any) -> Any:
        if message.content_type != _JSON:
            raise InvalidTaskError("not JSON")
        try:
            return take(message, body, *arguments, **named)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise InvalidTaskError(type(error).__name__) from None

    return checked
