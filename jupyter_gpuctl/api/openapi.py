"""The OpenAPI document, made from the route table and the wire types by pydantic.

pydantic is imported here only, and only when the document is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from ..core.version import __version__
from .errors import ErrorAnswer
from .routes import PREFIX, Header, Operation, Query, Route

_REF = "#/components/schemas/{model}"
_MEANING = {
    400: "Malformed: names the argument and the value",
    403: "Not logged in, or not allowed",
    404: "Not there, or not yours",
    409: "It contradicts what is so by now",
    422: "Refused by policy: the verdict is in `detail`",
    503: "A backend is away, or the configuration can't be read",
}
_JSON_TYPES = {int: "integer", str: "string", bool: "boolean", float: "number"}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of ``routes``; same routes, same document."""
    from pydantic import TypeAdapter

    operations = [operation for route in routes for operation in route.operations]
    answers = {o.answer for o in operations} | {o.created for o in operations} | {ErrorAnswer}
    bodies = {o.body for o in operations}
    kinds = [("serialization", answers), ("validation", bodies)]
    references, schemas = TypeAdapter.json_schemas(
        [
            (kind, mode, TypeAdapter(kind))  # type: ignore[misc]
            for mode, types in kinds
            for kind in sorted(types - {None}, key=repr)
        ],
        ref_template=_REF,
    )
    schema_of = {kind: reference for (kind, _), reference in references.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jupyter-gpuctl",
            "version": __version__,
            "description": "All paths are below the Jupyter server's base URL. Times are ISO 8601 "
            "in UTC, sizes bytes, durations seconds; what the driver doesn't tell is null.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": f"/{PREFIX}", "description": "Below the server's base URL"}],
        "security": [{"token": []}],
        "paths": {
            f"/{route.path}": {
                operation.method.lower(): _operation(route, operation, schema_of)
                for operation in route.operations
            }
            for route in routes
        },
        "components": {
            "schemas": dict(sorted(schemas.get("$defs", {}).items())),
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`token TOKEN`, as for every call to a Jupyter server; a "
                    "browser's login cookie does too.",
                },
            },
        },
    }


def _operation(route: Route, operation: Operation, schema_of: dict[Any, Any]) -> dict[str, Any]:
    def content(kind: Any, media: Sequence[str] = ("application/json",)) -> dict[str, Any]:
        return {one: {"schema": schema_of[kind]} for one in media}

    described: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": [
            *(_path_parameter(name) for name in route.parameters),
            *(_parameter(query) for query in operation.query),
            *(_header(header) for header in operation.headers),
        ],
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": content(operation.body)}
    succeeded = {
        "200": ("Done", operation.answer, operation.media),
        "201": ("Made", operation.created, ("application/json",)),
    }
    described["responses"] = {
        status: {"description": description, "content": content(kind, media)}
        for status, (description, kind, media) in succeeded.items()
        if kind is not None
    } | {
        str(status): {"description": _MEANING[status], "content": content(ErrorAnswer)}
        for status in operation.errors
    }
    return described


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _header(header: Header) -> dict[str, Any]:
    return {
        "name": header.name,
        "in": "header",
        "required": False,
        "description": header.description,
        "schema": {"type": "string", "maxLength": header.max_length},
    }


def _parameter(query: Query) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _JSON_TYPES[query.kind]}
    if query.choices:
        schema["enum"] = list(query.choices)
    if query.kind is int:
        schema["minimum"] = 0
    return {
        "name": query.name,
        "in": "query",
        "required": False,
        "description": query.description,
        "schema": schema,
    }


@cache
def encoded(routes: tuple[Route, ...]) -> bytes:
    """The document as JSON text, made once."""
    return json.dumps(document(routes), indent=1).encode()
