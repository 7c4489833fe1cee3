"""The one reader of the environment: every setting, its default, its unit and its meaning."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.core import amqp_address, redis_address, service_url
from shared.core.outbound_address import Networks, networks_of

PREFIX = "TURNSTONE_"

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class SettingsError(Exception):
    """The environment holds a name or a value that Turnstone cannot start with."""


class Settings(BaseSettings):
    """All settings. A field `port` is read from the environment variable `TURNSTONE_PORT`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    env: Literal["development", "production"] = Field(
        "development",
        description="`production` starts with nothing that is safe on one's own machine alone.",
    )
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the API listens on.")
    data_dir: Path = Field(Path(".turnstone"), description="Where the embedded database and Valkey live.")
    database_url: str | None = Field(
        None, repr=False, description="`postgresql://…` or `sqlite:///…`. Unset: SQLite in the data directory."
    )
    redis_url: SecretStr | None = Field(
        None,
        description="Redis or Valkey: `redis://`, `rediss://` (TLS), `unix://` or `sentinel://`. "
        "Unset: `turnstone up` starts an embedded Valkey.",
    )
    broker_url: SecretStr | None = Field(
        None, description="Celery broker: Redis too, or `amqp://`, `amqps://`. Unset: the Redis URL."
    )
    key_prefix: str = Field(
        "turnstone",
        pattern=r"^[a-z0-9_-]{1,32}$",
        description="Prefix of every Redis key, channel and queue, so that deployments can share one Redis.",
    )

    upstream_base_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Chat Completions server, with `/v1`. Unset: `turnstone up` starts a demo upstream.",
    )
    upstreams_file: Path | None = Field(
        None, description="TOML file of several upstreams, see `ops/upstreams.example.toml`; instead of the base URL."
    )
    upstream_api_key: SecretStr | None = Field(None, description="Sent to the upstream as a bearer token.")
    upstream_connect_seconds: Seconds = Field(10, description="Longest wait for a connection to the upstream.")
    upstream_first_byte_seconds: Seconds = Field(120, description="Longest wait for the first streamed byte.")
    upstream_idle_seconds: Seconds = Field(120, description="Longest silence in the middle of a stream.")
    upstream_attempts: Count = Field(3, description="Upstream calls per turn before its first token, retries included.")
    turn_seconds: Seconds = Field(3600, description="Longest run of one turn, from claim to end.")

    api_processes: Count = Field(1, description="API processes `turnstone up` starts.")
    worker_processes: Count = Field(1, description="Worker processes `turnstone up` starts.")
    worker_concurrency: Count = Field(200, description="Turns one worker process runs at once.")
    database_pool_size: Count = Field(15, description="Database connections per process.")

    lease_seconds: Seconds = Field(
        30, description="How long a silent worker keeps its turn; renewed every third of it."
    )
    sweep_seconds: Seconds = Field(5, description="How often each process looks for turns that nobody drives any more.")
    conversation_concurrency: Literal["queue", "reject"] = Field(
        "queue",
        description="Turns behind an active one: `queue` runs them in order, `reject` answers `conversation_locked`.",
    )
    queued_seconds: Seconds = Field(86_400, description="Longest wait of a turn for a worker; then it fails.")
    foreground_queue_seconds: Seconds = Field(
        60, description="Longest wait of a foreground turn for a free worker; then 503 with Retry-After."
    )
    drain_seconds: Seconds = Field(10, description="How long a stopping worker lets its turns run on.")
    cancel_wait_seconds: Seconds = Field(
        3, description="How long POST cancel waits for the turn's end before it answers."
    )
    heartbeat_seconds: Seconds = Field(15, description="Silence after which an SSE stream gets a comment line.")
    stream_log_seconds: Seconds = Field(
        7200,
        description="How long Redis keeps a running turn's live log after its last event. When it has ended, a minute: "
        "SQL keeps the journal.",
    )
    retention_days: Seconds | None = Field(
        None, description="How long ended responses are kept; a chain is as young as its youngest. Unset: for ever."
    )
    poll_after_ms: Count = Field(500, description="Hint to polling clients in `openai-poll-after-ms`.")

    turns_per_owner: Count | None = Field(
        None,
        description="Turns of one owner that run or are next to run, once several owners have keys; "
        "its others wait for these. Unset: half of what the workers run at once.",
    )
    queued_turns: Count = Field(
        50_000, description="Turns that may be queued, in all; more are answered 429 with Retry-After."
    )
    queued_turns_per_owner: Count = Field(10_000, description="The same for one owner.")
    requests_per_minute_per_owner: int = Field(
        0,
        ge=0,
        description="Requests to a model, turns among them, that an owner may make in a minute; "
        "more are answered 429 with Retry-After. 0: any number.",
    )
    streams_per_process: Count = Field(
        5000,
        description="Streams one API process holds open, if it may have as many files open; "
        "more are answered 429 with Retry-After.",
    )
    streams_per_owner: Count = Field(1000, description="The same for one owner.")
    bootstrap_key_file: Path | None = Field(
        None,
        description="A deployment's first API key, with admin scope; made and written there if the file is missing.",
    )
    secret_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="Seals what clients keep; one for all processes. Unset: `up` makes one in the data directory.",
    )
    cors_origins: str = Field(
        "", description="Origins, separated by commas, whose pages may call the API from a browser; `*`: all."
    )

    outbound_networks: str = Field(
        "",
        description="Networks in CIDR form, separated by commas, that URLs of clients may lead to although not public.",
    )
    webhook_seconds: Seconds = Field(10, description="Longest wait for the answer of a webhook's receiver.")
    webhook_retry_seconds: Seconds = Field(
        30, description="Pause before a webhook that was not taken is sent again; doubled each time, up to 6 h."
    )

    max_body_bytes: Count = Field(32 * 1024 * 1024, description="Largest request body; more answers 413.")
    websocket_seconds: Seconds = Field(
        3600, description="Longest life of a WebSocket; then no turn begins, and it is closed after those that run."
    )
    unknown_fields: Literal["ignore", "reject"] = Field(
        "ignore",
        description="Unknown request fields: `ignore` lists them in the response, `reject` answers 400.",
    )
    unsupported_tools: Literal["ignore", "reject"] = Field(
        "ignore",
        description="Hosted tools the upstream cannot run: `ignore` leaves them out, `reject` answers 400.",
    )

    worker_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of a worker's own `/metrics`; with `up`, the first one's, and the next get the next.",
    )
    worker_metrics_host: str = Field(
        "127.0.0.1", description="Address of a worker's own `/metrics`, which asks for no key."
    )
    tracing_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="OTLP/HTTP collector of traces, such as `http://localhost:4318`; needs `requirements/tracing.txt`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="Shape of log lines.")

    @field_validator(
        "env",
        "conversation_concurrency",
        "log_format",
        "log_level",
        "unknown_fields",
        "unsupported_tools",
        mode="before",
    )
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _address(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None:
            _refuse_bad_address(value.get_secret_value(), amqp=info.field_name == "broker_url")
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value is not None:
            service_url.check_database(value)
        return value

    @field_validator("outbound_networks")
    @classmethod
    def _networks(cls, value: str) -> str:
        networks_of(value)
        return value

    @property
    def allowed_networks(self) -> Networks:
        """The networks that are not public and may be connected to on a client's word."""
        return networks_of(self.outbound_networks)

    @property
    def allowed_origins(self) -> list[str]:
        """The origins whose pages may call."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

    @property
    def owner_share(self) -> int:
        """How many turns of one owner may be in the broker or running."""
        return self.turns_per_owner or max(1, self.worker_processes * self.worker_concurrency // 2)

    @property
    def sql_url(self) -> str:
        """The database URL, SQLite in the data directory when none is set."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'turnstone.sqlite3'}"

    @property
    def redis(self) -> str:
        """The Redis URL; raises SettingsError when the process needs one and none is set."""
        if self.redis_url is None:
            raise SettingsError(
                f"{PREFIX}REDIS_URL is not set. Start everything with `turnstone up`, or point it at a Redis."
            )
        return self.redis_url.get_secret_value()

    @property
    def broker(self) -> str:
        """The Celery broker's URL: the Redis URL unless another is set."""
        return self.broker_url.get_secret_value() if self.broker_url else self.redis


def _refuse_bad_address(url: str, *, amqp: bool) -> None:
    if amqp and url.partition(":")[0] in amqp_address.SCHEMES:
        tls = amqp_address.parse(url)[1]
    else:
        tls = redis_address.parse(url).tls
    for name in service_url.TLS_FILES:
        if tls and name in tls and not os.access(str(tls[name]), os.R_OK):
            raise ValueError(f"the file of {name} cannot be read")


def secret_from_environment(name: str) -> SecretStr | None:
    """The value of a variable that another setting names; None when it is unset or empty."""
    return SecretStr(os.environ[name]) if os.environ.get(name) else None


def load_settings() -> Settings:
    """Read the environment; raises SettingsError naming each unknown name and bad value."""
    _refuse_unknown(os.environ)
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False)]
        raise SettingsError("\n".join(lines)) from None


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{name} is not a setting of Turnstone.{hint}")
