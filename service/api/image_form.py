"""Reads the form of a search by photo, which is sent as multipart/form-data."""

import json
from dataclasses import dataclass
from typing import Any

from fastapi import UploadFile
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from service.api.schemas import DEFAULT_K, EXPECTED, Conditions, K, Offset
from service.core.errors import ClientGoneError, QueryError
from service.protocol.filters import show_value

MAX_FIELD_BYTES = 64 * 1024  # limit for each field but the photo
_MAX_FIELDS = 10  # more than there are, so that a message can name an unknown one
_FORM = "multipart/form-data"


class ImageForm(BaseModel):
    """The fields of the form; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: UploadFile = Field(description="The photo, as a file: JPEG, PNG, WebP, GIF, AVIF, BMP or TIFF.")
    k: K = DEFAULT_K
    offset: Offset = 0
    filters: Conditions = None


@dataclass(frozen=True)
class ImageSearch:
    """A search by photo, read from a form."""

    image: bytes  # the content of the file
    k: int
    offset: int
    filters: dict[str, Any] | None


IMAGE_FORM_SCHEMA = {"content": {_FORM: {"schema": ImageForm.model_json_schema()}}, "required": True}


async def read_image_form(request: Request) -> ImageSearch:
    """Read and validate the form of a request. The file's name is ignored.

    Raises:
        QueryError: The body is no such form, or its photo is empty.
        RequestValidationError: A field is missing, unknown or out of range.
        ClientGoneError: The client hung up before it had sent the whole form.
    """
    if not request.headers.get("content-type", "").lower().startswith(_FORM):
        raise QueryError(f"the body is not marked as a form: send {_FORM} with the photo as its file image")
    try:
        async with request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=MAX_FIELD_BYTES) as form:
            fields = form.multi_items()
            checked = _check(fields)
            content = await checked.image.read()
    except ClientDisconnect as error:
        raise ClientGoneError("the client hung up") from error
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise QueryError(f"the body cannot be read as a form: {error.detail}") from error
    if not content:
        raise QueryError(f"image is empty: expected {EXPECTED['image']}")
    return ImageSearch(content, checked.k, checked.offset, checked.filters)


def _check(fields: list[tuple[str, Any]]) -> ImageForm:
    values = dict(fields)
    if len(values) < len(fields):
        names = [name for name, _ in fields]
        twice = next(name for name in names if names.count(name) > 1)
        raise QueryError(f"{show_value(twice)} is given twice")
    if isinstance(values.get("filters"), str):
        values["filters"] = _parse_json(values["filters"])
    try:
        return ImageForm.model_validate(values)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from error


def _parse_json(filters: str) -> object:
    try:
        return json.loads(filters)
    except (ValueError, RecursionError) as error:
        raise QueryError(f"filters is {show_value(filters)}: expected {EXPECTED['filters']}, as JSON") from error
