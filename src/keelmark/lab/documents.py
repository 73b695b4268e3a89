"""Read the laboratory's TOML documents: exact numbers, every problem at once, names hinted."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from keelmark.core.errors import InvalidDocument, nearest

Location = tuple[int | str, ...]


class Document(BaseModel):
    """A table of a document: immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


DocumentT = TypeVar("DocumentT", bound=Document)


def read_toml(text: str, *, title: str) -> Mapping[str, object]:
    """Parse TOML; decimals stay exact.

    Raises:
        InvalidDocument: The text is not TOML; the message has the line.
    """
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        msg = f"{title} is not TOML"
        raise InvalidDocument(msg, [str(error)]) from error


def package_text(package: str, name: str) -> str:
    """Return a text file that ships inside the package.

    Raises:
        InvalidDocument: There is none of that name.
    """
    folder = resources.files(package)
    found = folder / name
    if not found.is_file():
        known = [
            item.name.removesuffix(".toml") for item in folder.iterdir() if _is_toml(item.name)
        ]
        hint = nearest(name.removesuffix(".toml"), known)
        msg = f"no {name} in {package}"
        raise InvalidDocument(msg, [hint])
    return found.read_text(encoding="utf-8")


def document_text(name: str, *, package: str) -> tuple[str, str]:
    """Return text and title of a document: a path to a file, or the name of a built-in one."""
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return path.read_text(encoding="utf-8"), str(path)
    file_name = path.name if path.suffix == ".toml" else f"{path.name}.toml"
    return package_text(package, file_name), file_name


def read_extended(name: str, *, package: str) -> tuple[Mapping[str, object], str]:
    """Read a document and what it `extends`: tables are merged, everything else is replaced.

    Args:
        name: A built-in name, or a path to a TOML file.
        package: Where built-in documents ship; `extends` names one of them.

    Returns:
        The merged content and a title for messages.

    Raises:
        InvalidDocument: A document is missing, not TOML, or extends itself.
    """
    text, title = document_text(name, package=package)
    layers = [read_toml(text, title=title)]
    seen = [title]
    while "extends" in layers[0]:
        base, base_title = document_text(str(layers[0]["extends"]), package=package)
        if base_title in seen:
            msg = f"{title}: extends itself"
            raise InvalidDocument(msg, [" extends ".join([*seen, base_title])])
        seen.append(base_title)
        layers[0] = {key: value for key, value in layers[0].items() if key != "extends"}
        layers.insert(0, read_toml(base, title=base_title))
    content: Mapping[str, object] = {}
    for layer in layers:
        content = _merged(content, layer)
    return content, title


def _merged(base: Mapping[str, object], change: Mapping[str, object]) -> Mapping[str, object]:
    merged = dict(base)
    for key, value in change.items():
        before = merged.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = _merged(before, value)  # noqa: PLW2901 the merged table takes its place
        merged[key] = value
    return merged


def validated(kind: type[DocumentT], raw: Mapping[str, object], *, title: str) -> DocumentT:
    """Return `raw` as a `kind`.

    Raises:
        InvalidDocument: Listing every problem with its path in the document.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        problems = list(_problems(kind, error))
        msg = f"{title}: {len(problems)} problem(s)"
        raise InvalidDocument(msg, problems) from error


def _is_toml(name: str) -> bool:
    return name.endswith(".toml")


def _problems(kind: type[Document], error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        path = _path(item["loc"])
        if item["type"] == "extra_forbidden":
            hint = nearest(str(item["loc"][-1]), _keys_at(kind, item["loc"][:-1]))
            yield f"{path}: unknown key; {hint}"
        elif item["type"] == "missing":
            yield f"{path}: missing"
        elif item["type"] == "value_error":
            yield from _lines(path, str(item["ctx"]["error"]))
        else:
            yield f"{path}: {item['msg']}, found {item['input']!r}"


def _lines(path: str, message: str) -> Iterator[str]:
    """Split a validator's message, `key: problem` or `: problem` a line, below its table's path."""
    for line in message.splitlines():
        yield f"{path}{line}" if not path or line.startswith(":") else f"{path}.{line}"


def _path(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _keys_at(kind: type[Document], location: Location) -> Iterable[str]:
    """Return the keys of the table at `location`, as far as the models say."""
    model: type[BaseModel] = kind
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_of(model.model_fields[part].annotation, model)
    return model.model_fields


def _model_of(annotation: object, default: type[BaseModel]) -> type[BaseModel]:
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return default
