"""One digest of everything the engine remembers: book, prices, clock, processes."""

from hashlib import blake2b

import msgspec

from keelmark.book.digest import digest
from keelmark.engine.remembered import remembered
from keelmark.engine.state import State

_ENCODER = msgspec.json.Encoder(order="deterministic")


def state_digest(state: State) -> str:
    """Return the digest of a state, as 64 hexadecimal figures.

    Wires, reserves and caches are derived and do not count.
    """
    hashed = blake2b(digest_size=32)
    hashed.update(digest(state.book).encode())
    hashed.update(state.prices.tobytes())
    hashed.update(_ENCODER.encode(remembered(state)))
    hashed.update(state.keys.rows().data)
    return hashed.hexdigest()
