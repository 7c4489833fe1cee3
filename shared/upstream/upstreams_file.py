"""The upstreams file, `TURNSTONE_UPSTREAMS_FILE`: which model server serves which models, and how it is called."""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from shared.settings import PREFIX, Count, Seconds, Settings, SettingsError, secret_from_environment
from shared.upstream.base import Kind

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]*$")]
Pattern = Annotated[str, StringConstraints(min_length=1)]


class Table(BaseModel):
    """One `[[upstream]]`. What it does not say of patience and attempts is as the environment has it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    kind: Kind = "chat_completions"
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
    api_key: SecretStr | None = None
    api_key_env: str | None = None
    headers: dict[HeaderName, HeaderValue] = Field({}, repr=False)
    connect_seconds: Seconds | None = None
    first_byte_seconds: Seconds | None = None
    idle_seconds: Seconds | None = None
    attempts: Count | None = None
    max_concurrent: Count | None = None
    models: list[Pattern] | None = None
    aliases: dict[str, Pattern] = {}
    fallbacks: list[str] = []


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    upstream: Annotated[list[Table], Field(min_length=1)]


def tables(settings: Settings) -> list[Table]:
    """The configured upstreams, in the order of the file; raises SettingsError naming file, table and key."""
    path, base_url = settings.upstreams_file, settings.upstream_base_url
    if path is not None and base_url is not None:
        raise SettingsError(f"{PREFIX}UPSTREAM_BASE_URL and {PREFIX}UPSTREAMS_FILE are both set; set one of them.")
    if path is not None:
        return _read(path)
    if base_url is not None:
        return [Table(name="default", base_url=base_url, api_key=settings.upstream_api_key, models=["*"])]
    raise SettingsError(
        f"Neither {PREFIX}UPSTREAM_BASE_URL nor {PREFIX}UPSTREAMS_FILE is set. Point one of them at a model server, "
        "or start everything, a demo upstream included, with `turnstone up`."
    )


def _read(path: Path) -> list[Table]:
    document = _document(path)
    try:
        tables = _File.model_validate(document).upstream
    except ValidationError as error:
        lines = [_line(path, document, found) for found in error.errors(include_input=False, include_url=False)]
        raise SettingsError("\n".join(lines)) from None
    _check_names(path, tables)
    for table in tables:
        _check_fallbacks(path, table, {other.name: other for other in tables})
    return [_completed(path, table) for table in tables]


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}.") from None


def _line(path: Path, document: Mapping[str, Any], found: ErrorDetails) -> str:
    top, *rest = found["loc"] or ("",)
    if top != "upstream" or not rest:
        return f"{path}: {top}: {_reason(found, _File)}"
    index, *keys = rest
    named = document["upstream"][index]
    name = named.get("name") if isinstance(named, dict) else None
    where = repr(name) if isinstance(name, str) else f"number {int(index) + 1}"
    return f"{path}: upstream {where}: {'.'.join(map(str, keys))}: {_reason(found, Table)}"


def _reason(found: ErrorDetails, model: type[BaseModel]) -> str:
    if found["type"] != "extra_forbidden":
        return found["msg"]
    near = difflib.get_close_matches(str(found["loc"][-1]), model.model_fields, n=1)
    return "there is no such key." + (f" Did you mean {near[0]}?" if near else "")


def _check_names(path: Path, tables: Sequence[Table]) -> None:
    names = [table.name for table in tables]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{path}: upstream {name!r}: name: another upstream has the same.")


def _check_fallbacks(path: Path, table: Table, by_name: Mapping[str, Table]) -> None:
    for name in table.fallbacks:
        where = f"{path}: upstream {table.name!r}: fallbacks:"
        if name == table.name or name not in by_name:
            raise SettingsError(f"{where} {name!r} is no other upstream of this file.")
        if by_name[name].kind != table.kind:
            raise SettingsError(f"{where} {name!r} is of another kind; what one can be asked, the other could not.")


def _completed(path: Path, table: Table) -> Table:
    where = f"{path}: upstream {table.name!r}: api_key_env:"
    changed: dict[str, Any] = {}
    if table.api_key_env is not None:
        if table.api_key is not None:
            raise SettingsError(f"{where} api_key is there as well; one of them is enough.")
        changed["api_key"] = secret_from_environment(table.api_key_env)
        if changed["api_key"] is None:
            raise SettingsError(f"{where} the environment has no {table.api_key_env}.")
    if table.models is None:
        changed["models"] = [] if table.aliases else ["*"]
    return table.model_copy(update=changed)
