"""The one door to psycopg: everybody imports it from here, and is told where it is missing."""

from keelmark.core.errors import MissingExtra

try:
    import psycopg
except ImportError as error:  # also when libpq itself cannot be loaded
    _MESSAGE = f"a journal in PostgreSQL needs psycopg ({error}): `pip install 'keelmark[pg]'`"
    raise MissingExtra(_MESSAGE) from error

__all__ = ["psycopg"]
