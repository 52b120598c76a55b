"""The OpenAPI description at /openapi.json, with errors as the service sends them."""

from typing import Any

from fastapi import FastAPI

from service.api.problems import PROBLEM_MEDIA_TYPE

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
# Problems of every route that takes a JSON body; they are raised before its endpoint is called.
_BODY_PROBLEMS = {"400": "The body cannot be read as JSON in UTF-8.", "413": "The body is longer than 64 KiB."}


class FastAPIWithProblems(FastAPI):
    """A FastAPI application that describes its errors as problem details, with the media type that they are sent in."""

    def openapi(self) -> dict[str, Any]:
        """Return the description; it is made at the first call."""
        if self.openapi_schema is None:
            for operations in super().openapi()["paths"].values():
                for operation in operations.values():
                    _add_problems(operation)
        assert self.openapi_schema is not None
        return self.openapi_schema


def _add_problems(operation: dict[str, Any]) -> None:
    """Describe the problems of JSON bodies, and give every problem its own media type."""
    responses = operation["responses"]
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        for status, description in _BODY_PROBLEMS.items():
            responses[status] = {"description": description, "content": {PROBLEM_MEDIA_TYPE: {"schema": _PROBLEM}}}
    for response in responses.values():
        content = response.get("content", {})
        if content.get("application/json", {}).get("schema") == _PROBLEM:
            content[PROBLEM_MEDIA_TYPE] = content.pop("application/json")
