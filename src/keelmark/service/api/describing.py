"""How routes with bodies of their own describe them."""

from typing import Any

from keelmark.service.commands.fields import NAME_MAX

KEYED: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "maxLength": NAME_MAX, "default": ""},
            "description": "A key of your own. The same key with the same command does nothing "
            "twice; with another command it is refused.",
        },
    ],
}
"""The header that makes a command safe to send again; the route reads it itself."""


def takes(name: str, examples: dict[str, Any], *, is_list: bool = False) -> dict[str, Any]:
    """Return the description of a JSON body: a component, or a list of them."""
    schema: dict[str, Any] = {"$ref": f"#/components/schemas/{name}"}
    if is_list:
        schema = {"type": "array", "items": schema}
    shown = {title: {"value": value} for title, value in examples.items()}
    content = {"application/json": {"schema": schema, "examples": shown}}
    return {"requestBody": {"required": True, "content": content}}


def gives(name: str, description: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the description of a JSON answer."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    content = {"application/json": {"schema": schema}}
    return {status: {"description": description, "content": content}}
