"""URLs of services, which hold passwords: what is wrong with one is said without any part of it."""

import re
from urllib.parse import SplitResult, urlsplit

CERT_REQS = {"required": "required", "optional": "optional", "none": "none"}
CERT_REQS |= {f"CERT_{name.upper()}": name for name in CERT_REQS}
"""Both spellings in use, redis-py's and Celery's."""

TLS_PARAMETERS = frozenset({"ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_ODD = "a user or password with one of # / ? @ : % or a space must have it percent-encoded (# as %23)"

_DATABASE = re.compile(
    r"(?:sqlite(?:\+\w+)?:///.*"
    r"|postgresql(?:\+\w+)?://(?:[^:/@]*(?::[^@]*)?@)?(?:\[[^/?]+\]|[^/:?@]*)(?::\d*)?(?:/[^@?]*)?(?:\?.*)?)"
)


def split(url: str) -> SplitResult:
    """The parts of a URL; raises ValueError, which quotes nothing, when it cannot be told where they end."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        _ = parts.port if "," not in host else None
    except ValueError:
        raise ValueError(f"not a URL: {_ODD}") from None
    if url != url.strip() or any(c.isspace() or not c.isprintable() for c in url) or "#" in url:
        raise ValueError(f"not a URL: {_ODD}")
    if parts.netloc.count("@") > 1 or "@" in parts.path + parts.query:
        raise ValueError(f"not a URL: {_ODD}")
    if not parts.scheme:
        raise ValueError("not a URL: it begins with no scheme such as redis://")
    return parts


def tls_options(query: dict[str, str]) -> dict[str, str | bool]:
    """The `ssl_…` parameters in redis-py's terms, verification on unless it is switched off by name."""
    reqs = query.get("ssl_cert_reqs", "required")
    if reqs not in CERT_REQS:
        raise ValueError("ssl_cert_reqs is required, optional or none")
    check = query.get("ssl_check_hostname", "false" if CERT_REQS[reqs] == "none" else "true").lower()
    if check not in ("true", "false"):
        raise ValueError("ssl_check_hostname is true or false")
    if check == "true" and CERT_REQS[reqs] == "none":
        raise ValueError("ssl_check_hostname=true needs a certificate that is verified, and ssl_cert_reqs is none")
    if "ssl_keyfile" in query and "ssl_certfile" not in query:
        raise ValueError("ssl_keyfile needs ssl_certfile")
    files = {name: query[name] for name in TLS_FILES if name in query}
    return {"ssl_cert_reqs": CERT_REQS[reqs], "ssl_check_hostname": check == "true", **files}


def is_verified(tls: dict[str, str | bool]) -> bool:
    """Whether nobody else can pass for the server."""
    return tls["ssl_cert_reqs"] == "required" and bool(tls["ssl_check_hostname"])


def check_database(url: str) -> None:
    """Raise ValueError, which quotes nothing, when SQLAlchemy could not read a database URL."""
    if not _DATABASE.fullmatch(url):
        raise ValueError(f"not postgresql://… nor sqlite:///…; {_ODD}")
