"""Read a table by what the file holds, not by what it is called."""

import gzip
import io
import zipfile
import zlib
from enum import Enum
from pathlib import Path

import polars as pl

from keelmark.core.errors import UnreadableData

_BYTES_MAX = 4 * 1024**3  # an archive that unpacks to more is refused before it fills the memory
_READ_BYTES = 1 << 20


class Format(Enum):
    """What the first bytes say the file is."""

    PARQUET = b"PAR1"
    FEATHER = b"ARROW1"
    ZIP = b"PK\x03\x04"
    GZIP = b"\x1f\x8b"
    TEXT = b""


def detect_format(path: Path) -> Format:
    """Return the format the first bytes of a file declare; text when they declare none.

    Raises:
        UnreadableData: The file cannot be opened, or is empty.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        msg = f"{path}: cannot be opened ({error.strerror}); check the path"
        raise UnreadableData(msg) from error
    if not head:
        msg = f"{path}: the file is empty; fetch it again"
        raise UnreadableData(msg)
    return next(kind for kind in Format if head.startswith(kind.value))


def read_table(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """Read one table from Parquet, Feather, CSV, or CSV inside a zip or gzip.

    Args:
        path: The file.
        columns: Names of the columns of a CSV that has no header line.

    Raises:
        UnreadableData: Unreadable, truncated, or nothing that looks like a table.
    """
    kind = detect_format(path)
    try:
        if kind is Format.PARQUET:
            return pl.read_parquet(path)
        if kind is Format.FEATHER:
            return pl.read_ipc(path)
        if kind is Format.ZIP:
            return _read_zip(path, columns)
        if kind is Format.GZIP:
            with gzip.open(path) as file:
                return _read_csv(_limited(file.read(_BYTES_MAX + 1), path), columns, str(path))
        return _read_csv(path.read_bytes(), columns, str(path))
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, pl.exceptions.PolarsError) as error:
        msg = f"{path}: cannot be read as {kind.name.lower()}, truncated or damaged: {error}"
        raise UnreadableData(msg) from error


def _read_zip(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    with zipfile.ZipFile(path) as archive:
        members = sorted(name for name in archive.namelist() if name.lower().endswith(".csv"))
        if not members:
            msg = f"{path}: no CSV inside; it holds {archive.namelist()[:5]}"
            raise UnreadableData(msg)
        size = sum(archive.getinfo(name).file_size for name in members)
        if size > _BYTES_MAX:
            raise UnreadableData(_too_large(path))
        tables = [_read_csv(archive.read(name), columns, f"{path}!{name}") for name in members]
    return pl.concat(tables, how="vertical_relaxed")


def _limited(content: bytes, path: Path) -> bytes:
    if len(content) > _BYTES_MAX:
        raise UnreadableData(_too_large(path))
    return content


def _too_large(path: Path) -> str:
    return f"{path}: unpacks to more than {_BYTES_MAX >> 30} GiB; split it"


def _read_csv(content: bytes, columns: tuple[str, ...], source: str) -> pl.DataFrame:
    first = content.split(b"\n", 1)[0].decode("utf-8", "replace").strip().lstrip("\ufeff")
    fields = [field.strip().strip('"') for field in first.split(",")]
    if _is_number(fields[0]):
        if len(fields) != len(columns):
            msg = (
                f"{source}: {len(fields)} columns and no header line; without a header these "
                f"{len(columns)} are expected: {', '.join(columns)}"
            )
            raise UnreadableData(msg)
        return pl.read_csv(io.BytesIO(content), has_header=False, new_columns=list(columns))
    if "," not in first or "{" in first:
        msg = f"{source}: the first line {first[:60]!r} is not a CSV header"
        raise UnreadableData(msg)
    return pl.read_csv(io.BytesIO(content), infer_schema_length=_READ_BYTES)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
