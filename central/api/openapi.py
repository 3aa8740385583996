"""The interface's own description (OpenAPI 3.1): complete, and kept true by tests."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from central.api.problems import MEDIA_TYPE
from central.api.sentences import TITLES
from central.api.shapes import Problem

PREFIX: Final = "/api/v1"
TITLE: Final = "Zhixing enforcement command centre"
DESCRIPTION: Final = """Interface for other systems: courts, catalogues, enforcement cases, imports and a change feed.

Within v1 only additions happen: readers ignore members they do not know. Requests with unknown members or parameters
are refused. Every error is `application/problem+json` (RFC 9457) with a stable `type`. See docs/interfaces.md."""
TAGS: Final = [
    {"name": "interface", "description": "The interface itself"},
    {"name": "courts", "description": "The tree of courts"},
    {"name": "catalogue", "description": "Codes and their meaning"},
    {"name": "cases", "description": "Enforcement cases and their parties"},
    {"name": "imports", "description": "Whole files of cases"},
    {"name": "changes", "description": "What happened to cases, in order"},
]
# What any resource that asks for a token may answer.
_ALWAYS: Final = (401, 429, 500, 503)
_HEADERS: Final[dict[int, dict[str, str]]] = {
    401: {"WWW-Authenticate": "The challenge of RFC 6750."},
    429: {"Retry-After": "Seconds to wait."},
    503: {"Retry-After": "Seconds to wait."},
}


def refusals(*statuses: int, is_open: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return the documented problems of a resource: `statuses` and, unless it is open to all, those of any token."""
    wanted = sorted({*statuses, *((500, 503) if is_open else _ALWAYS)})
    return {status: _refusal(status) for status in wanted}


def _refusal(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": TITLES[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in _HEADERS:
        answer["headers"] = {
            name: {"description": text, "required": True, "schema": {"type": "string"}}
            for name, text in _HEADERS[status].items()
        }
    return answer


def body_of(shape: type[BaseModel], example: Any) -> dict[str, Any]:
    """Return the description of a JSON body that the resource reads by itself (within its limits)."""
    content = {"schema": {"$ref": f"#/components/schemas/{shape.__name__}"}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def describe(app: FastAPI, bodies: tuple[type[BaseModel], ...], release: str) -> dict[str, Any]:
    """Return the OpenAPI document of `app`; `bodies` are shapes that routes name by reference alone."""
    document = get_openapi(
        title=TITLE, version=release, openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes, tags=TAGS
    )
    _, extra = models_json_schema(
        [(Problem, "serialization"), *((shape, "validation") for shape in bodies)],
        ref_template="#/components/schemas/{model}",
    )
    components = document.setdefault("components", {})
    schemas = {**extra.get("$defs", {}), **components.get("schemas", {})}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["schemas"] = dict(sorted(schemas.items()))
    return document
