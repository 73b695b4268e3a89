"""What somebody who opens a journal means to do with it, and the name a journal goes by in text."""

import re
from enum import StrEnum

_SCHEMES = ("postgresql", "postgres")
_HOST = r"(?:[\w.-]*|\[[0-9a-fA-F:.]+\])(?::\d*)?"
_USUAL = re.compile(
    rf"postgres(?:ql)?://(?:[^@/?#\s]*@)?(?P<place>{_HOST}(?:,{_HOST})*(?:/[\w.-]*)?)(?:\?[^@#]*)?"
)


class Access(StrEnum):
    """What a journal is opened for.

    Attributes:
        WRITER: To append alone: a database tells every other writer who has it.
        SHARED: To append beside others: whoever is late is told by `PositionConflict`.
        READER: To read; nothing is made or changed.
    """

    WRITER = "writer"
    SHARED = "shared"
    READER = "reader"


def is_url(target: str) -> bool:
    """Whether a journal is named by the URL of a database rather than by a path."""
    scheme, separator, _ = target.partition("://")
    return bool(separator) and scheme.lower() in _SCHEMES


def journal_name(target: str) -> str:
    """Return what a journal may be called in logs and messages: never with a password in it.

    Of a URL only host and database are told, and nothing of one that does not read as usual: a
    password with special characters may then stand anywhere in it.
    """
    if not is_url(target):
        return target
    usual = _USUAL.fullmatch(target)
    return f"postgresql://{usual['place']}" if usual else "postgresql://..."
