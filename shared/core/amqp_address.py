"""The one reading of RabbitMQ's URL: how its certificate is looked at."""

from urllib.parse import parse_qsl, urlunsplit

from shared.core import service_url

SCHEMES = ("amqp", "amqps", "pyamqp")


def parse(url: str) -> tuple[str, dict[str, str | bool] | None]:
    """The URL without parameters, and what `amqps://` asks of TLS; raises ValueError that quotes nothing."""
    parts = service_url.split(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = dict(pairs)
    known = service_url.TLS_PARAMETERS if parts.scheme == "amqps" else frozenset()
    if not parts.hostname or "," in parts.netloc or ";" in url:
        raise ValueError("RabbitMQ's URL names one host")
    if len(pairs) != len(query) or not set(query) <= known or not all(query.values()):
        raise ValueError(f"a parameter is not one of {', '.join(sorted(known)) or 'none'}, is empty or given twice")
    tls = service_url.tls_options(query) if known else None
    return urlunsplit(parts._replace(query="")), tls
