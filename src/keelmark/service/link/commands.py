"""Commands of the engine as bytes."""

from functools import cache
from typing import Any, Union

import msgspec

from keelmark.core.errors import InvalidInput
from keelmark.engine import commands as c
from keelmark.service.link.messages import Item

_encoder = msgspec.msgpack.Encoder()


def item(command: c.Command, *, key: str = "", actor: str = "") -> Item:
    """Return a command as it travels."""
    return Item(command=encoded(command), key=key, actor=actor)


def encoded(command: c.Command) -> msgspec.Raw:
    """Return a command as bytes."""
    return msgspec.Raw(_encoder.encode(command))


def command_of(raw: msgspec.Raw) -> c.Command:
    """Return the command of some bytes.

    Raises:
        InvalidInput: They are no command of this release; says where.
    """
    try:
        command: c.Command = _decoder().decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        msg = f"no command of this release: {error}"
        raise InvalidInput(msg) from error
    return command


@cache
def _decoder() -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(Union[tuple(c.Command.__subclasses__())])  # noqa: UP007 made of a list
