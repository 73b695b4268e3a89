"""The description of the API: what every route may answer besides what it says itself."""

from typing import Any, get_args

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from keelmark.service.api import answers
from keelmark.service.commands import forms
from keelmark.service.security.access import access_table

ERROR_SCHEMA: dict[str, Any] = {
    "title": "Error",
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "where", "fix"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string", "description": "For machines."},
                "message": {"type": "string", "description": "For people."},
                "where": {
                    "type": ["string", "null"],
                    "description": "Field, parameter or header; null where it is all of it.",
                },
                "fix": {"type": ["string", "null"], "description": "What to do."},
            },
        },
    },
    "examples": [
        {
            "error": {
                "code": "not_signed_in",
                "message": "not signed in",
                "where": "Authorization",
                "fix": "send the header `Authorization: Bearer km_...`",
            },
        },
    ],
}
_SECURITY: dict[str, Any] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "km_<id>_<secret>",
        "description": "An API key; it stands for its role.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "keelmark",
        "description": "A session of a browser (`POST /session`). Unsafe methods also need the "
        "header `X-Keelmark: 1` and the service's own origin. Under TLS: `__Host-keelmark`.",
    },
}
_ERRORS = {
    "401": "Not signed in.",
    "403": "The role does not allow it, or another site sent it.",
    "429": "Too much at once; `Retry-After` says when.",
    "default": "An error.",
}


def describe(app: FastAPI) -> None:
    """Let an application describe itself, completely."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it


def _described(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas |= _form_schemas()
    schemas["Error"] = ERROR_SCHEMA
    components["securitySchemes"] = _SECURITY
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(path, method.upper(), operation)
    return document


def _form_schemas() -> dict[str, Any]:
    """Return what the routes take and give that read and write their bodies by themselves."""
    unions = {"Command": forms.AnyForm, "Execution": forms.AnyExecution}
    kinds = [*unions.values(), *get_args(forms.AnyAdmin), forms.Row, forms.Snapshots]
    kinds += [answers.CommandDone, answers.BatchDone, answers.PricesDone]
    found, components = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    return {**components, **dict(zip(unions, found, strict=False))}


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add to a route who may use it, and what it answers when it says no."""
    access = access_table().find(path).methods[method]
    operation["security"] = [{"key": []}, {"session": []}] if access.role else []
    operation["x-role"] = access.role.value if access.role else None
    responses = operation["responses"]
    responses.pop("422", None)  # one shape of errors, ours
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status, description in _ERRORS.items():
        if status == "default" or access.role or path == "/session":
            responses.setdefault(status, {"description": description, "content": error})
