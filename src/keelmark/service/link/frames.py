"""Messages on a byte stream: a length of four bytes, little-endian, then so many bytes.

Nothing here opens a socket. What arrives in pieces is put together; a length nobody would send is
refused before any of it is kept, so that a hostile peer costs no more memory than one frame.
"""

import struct
from collections.abc import Iterator

FRAME_BYTES_MAX = 16 * 2**20
"""Largest frame. A snapshot of 100,000 prices is 1.2 MB, a batch of 50,000 commands about 5 MB."""

_LENGTH = struct.Struct("<I")


class BadFrame(Exception):
    """What was received is no frame; the connection ends, with this as its reason."""


def framed(payload: bytes) -> bytes:
    """Return a payload as it is sent.

    Raises:
        BadFrame: It is empty or too large: the sender must split it.
    """
    _check(len(payload))
    return _LENGTH.pack(len(payload)) + payload


class FrameReader:
    """Puts frames together from whatever pieces arrive."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    @property
    def is_torn(self) -> bool:
        """Whether a stream that ends now would end inside a frame."""
        return bool(self._bytes)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take what was received; yield every payload that is now whole, in order.

        Raises:
            BadFrame: A length is zero or too large; the payloads before it have been given.
        """
        self._bytes += piece
        start, size = 0, len(self._bytes)
        try:
            while size - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(self._bytes, start)
                _check(length)
                end = start + _LENGTH.size + length
                if end > size:
                    break
                yield bytes(memoryview(self._bytes)[start + _LENGTH.size : end])
                start = end
        finally:
            del self._bytes[:start]


def _check(length: int) -> None:
    if not 0 < length <= FRAME_BYTES_MAX:
        msg = f"a frame of {length} bytes; one holds 1 to {FRAME_BYTES_MAX}: send smaller batches"
        raise BadFrame(msg)
