"""What all answers are made of: shapes in which every key is named, errors, pages."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A shape in which every key is named here."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ErrorBody(Answer):
    """What was wrong: `param` names the field, `code` the case."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(Answer):
    """The one shape of every refusal."""

    error: ErrorBody


class Page(Answer):
    """A page of a listing; `last_id` is where the next one goes on."""

    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool
