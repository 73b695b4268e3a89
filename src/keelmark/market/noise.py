"""Counter-based noise: a draw is a function of its key, so a path never depends on its chunk.

`splitmix64` hashes a counter; four 16-bit parts of one hash make a draw that is close to normal
(Irwin-Hall, n = 4) from additions alone, so every platform draws the same numbers.
"""

from hashlib import sha256

import numpy as np
from numba import njit


def stream_key(name: str, seed: int) -> int:
    """Return the 64-bit key of the stream `name` under `seed`, the same everywhere."""
    return int.from_bytes(sha256(f"{seed}:{name}".encode()).digest()[:8], "little")


@njit(cache=True, error_model="numpy", fastmath=False)
def mix(value: np.uint64) -> np.uint64:
    """Hash 64 bits (the finaliser of splitmix64); the wrap-around is meant."""
    value = np.uint64(value + np.uint64(0x9E3779B97F4A7C15))
    value = np.uint64((value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    value = np.uint64((value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    return np.uint64(value ^ (value >> np.uint64(31)))


@njit(cache=True, error_model="numpy", fastmath=False)
def uniform(key: np.uint64, index: int) -> float:
    """Draw number `index` of stream `key` from [0, 1)."""
    return float(mix(np.uint64(key) + np.uint64(index)) >> np.uint64(11)) * 2.0**-53


@njit(cache=True, error_model="numpy", fastmath=False)
def bell(key: np.uint64, index: int) -> float:
    """Draw number `index` of stream `key` with mean 0, variance 1 and bounds of +-3.46."""
    bits = mix(np.uint64(key) + np.uint64(index))
    part = np.uint64(0xFFFF)
    total = (
        float(bits & part)
        + float((bits >> np.uint64(16)) & part)
        + float((bits >> np.uint64(32)) & part)
        + float(bits >> np.uint64(48))
    )
    return (total / 65535.0 - 2.0) * 1.7320508075688772
