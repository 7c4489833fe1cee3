"""URLs that hold passwords: one reading for all, and what is wrong is said without them."""

import pytest

from shared.core import amqp_address, redis_address
from shared.core.redis_address import RedisAddress
from shared.queue import celery_app
from shared.settings import Settings, SettingsError, load_settings

CHECKED = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("redis://h", RedisAddress((("h", 6379),))),
        ("redis://h/?db=3", RedisAddress((("h", 6379),), db=3)),
        ("redis://u:p%23w@[::1]:7/2", RedisAddress((("::1", 7),), db=2, username="u", password="p#w")),
        ("rediss://h", RedisAddress((("h", 6379),), tls=CHECKED)),
        ("rediss://h?ssl_cert_reqs=CERT_REQUIRED", RedisAddress((("h", 6379),), tls=CHECKED)),
        (
            "rediss://h?ssl_cert_reqs=CERT_NONE",
            RedisAddress((("h", 6379),), tls={"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
        ),
        ("unix://:w@/run/r.sock?db=1", RedisAddress(path="/run/r.sock", db=1, password="w")),
        ("redis+socket:///run/r.sock?virtual_host=1", RedisAddress(path="/run/r.sock", db=1)),
        (
            "sentinel://:w@a,b:7/5?service_name=m",
            RedisAddress((("a", 26379), ("b", 7)), db=5, password="w", service_name="m"),
        ),
    ],
)
def test_what_is_served(url: str, read: RedisAddress) -> None:
    assert redis_address.parse(url) == read
    assert "p#w" not in repr(read) + read.public_url


BAD = [
    "redis://:secret#1@h/0",
    "redis://:secret/1@h/0",
    "redis://:secret@1@h/0",
    "redis://:secret?1@h/0",
    "redis://:secret 1@h/0",
    "redis://:secret[1@h/0",
    "redis://:secret@h:port/0",
    "redis://:secret@h/zero",
    "redis://:secret@h1,h2/0",
    "redis://:secret@h/0?socket_timeout=1",
    "redis://:secret@h/0?ssl_cert_reqs=none",
    "redis://:secret@h/1?db=2",
    "rediss://:secret@h/0?ssl_cert_reqs=maybe",
    "rediss://:secret@h/0?ssl_cert_reqs=none&ssl_check_hostname=true",
    "rediss://:secret@h/0?ssl_ca_certs=/nowhere",
    "sentinel://:secret@h",
    "redis-cluster://:secret@h",
    "unix://:secret@host/run/r.sock",
    "secret",
    "",
]


@pytest.mark.parametrize("setting", ["REDIS_URL", "BROKER_URL"])
@pytest.mark.parametrize("url", [one for one in BAD if one])
def test_what_is_not_is_refused_in_one_line(setting: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TURNSTONE_{setting}", url)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    said = str(refused.value)
    assert said.startswith(f"TURNSTONE_{setting}: ")
    assert "\n" not in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "url", ["amqp://u:secret#1@h//", "amqps://u:secret@h//?ssl_what=1", "amqp://u:secret@h//?heartbeat=3"]
)
def test_so_are_rabbitmqs(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNSTONE_BROKER_URL", url)
    with pytest.raises(SettingsError, match=r"^TURNSTONE_BROKER_URL: ") as refused:
        load_settings()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@h:port/db",
        "postgresql://u:a@secret@h/db",
        "mysql://secret",
    ],
)
def test_and_databases(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNSTONE_DATABASE_URL", url)
    with pytest.raises(SettingsError, match=r"^TURNSTONE_DATABASE_URL: ") as refused:
        load_settings()
    assert "secret" not in str(refused.value)


def test_a_database_url_is_read_as_before() -> None:
    for url in (
        "postgresql://u:p%40#w@h:5432/db?sslmode=verify-full",
        "postgresql+psycopg:///db?host=/run/pg",
        "postgresql://postgres@/db?host=/tmp/x",
        "sqlite:////var/x.sqlite3",
    ):
        assert Settings(database_url=url).database_url == url
        assert "p%40#w" not in repr(Settings(database_url=url))


def test_rabbitmqs_certificate_and_name_are_checked() -> None:
    conf = celery_app(Settings(broker_url="amqps://u:p@h/v")).conf
    assert conf.broker_use_ssl["server_hostname"] is None  # kombu puts the host
    assert int(conf.broker_use_ssl["cert_reqs"]) == 2
    assert amqp_address.parse("amqp://u:p@h//") == ("amqp://u:p@h//", None)
