"""What the service says of itself at /openapi.json."""

from typing import Any

from fastapi import FastAPI

from service.api.problems import PROBLEM_MEDIA_TYPE

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
# What can befall any request that brings a body in JSON.
_BODY_PROBLEMS = {"400": "The body cannot be read as JSON in UTF-8.", "413": "The body is longer than 64 KiB."}


class DescribedApp(FastAPI):
    """An application whose description has errors as they are sent: as problems, also those that no route raises."""

    def openapi(self) -> dict[str, Any]:
        """The description; made once."""
        if self.openapi_schema is None:
            for operations in super().openapi()["paths"].values():
                for operation in operations.values():
                    _complete(operation)
        assert self.openapi_schema is not None
        return self.openapi_schema


def _complete(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        for status, description in _BODY_PROBLEMS.items():
            responses[status] = {"description": description, "content": {PROBLEM_MEDIA_TYPE: {"schema": _PROBLEM}}}
    for response in responses.values():
        content = response.get("content", {})
        if content.get("application/json", {}).get("schema") == _PROBLEM:
            content[PROBLEM_MEDIA_TYPE] = content.pop("application/json")
