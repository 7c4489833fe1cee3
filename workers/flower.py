"""Flower with everything behind its login: `python -m workers flower` loads this before it serves."""

import re
from typing import Any

from flower import views
from flower.utils.broker import RedisBase
from flower.views import monitor, tasks
from tornado.web import authenticated

from shared.logging import configure_logging
from shared.queue import celery_app, pushes
from shared.settings import Settings, SettingsError, load_settings, secret_from_environment
from shared.stream.connections import connect_async

_LOGIN = "FLOWER_BASIC_AUTH"
# With other characters Flower would answer 500 to everybody.
_USER_AND_PASSWORD = re.compile(r"[!-9;-~]+:[!-~]+")


def _require_login() -> None:
    login = secret_from_environment(_LOGIN)
    logins = login.get_secret_value().split(",") if login else [""]
    if not all(map(_USER_AND_PASSWORD.fullmatch, logins)):
        raise SettingsError(f"{_LOGIN} is not set to user:password, in ASCII.")


def _close_what_flower_leaves_open() -> None:
    for page in (monitor.Metrics, monitor.Healthcheck):
        page.get = authenticated(page.get)


class _Queues(RedisBase):  # type: ignore[misc]  # Flower is untyped
    """Lengths of queues, over the connection that all our clients make; Flower's own reads URLs in its own way."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.redis = connect_async(settings.broker)


def _count_queues_by_our_address(settings: Settings) -> None:
    if not pushes(settings):
        views.Broker = _Queues


try:
    settings = load_settings()
    _require_login()
except SettingsError as error:
    raise SystemExit(f"turnstone flower: {error}") from None

configure_logging(settings)
_close_what_flower_leaves_open()
_count_queues_by_our_address(settings)
tasks.TASK_COLUMNS |= {"uuid": "Response", "exception": "Error"}
app = celery_app(settings)
