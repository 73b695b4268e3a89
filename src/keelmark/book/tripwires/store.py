"""Blocks of wires: capacities 1, 2, 3, 4, 6, 8, 12, 16, ... waste less than powers of two.

A unit's wires lie together. A freed block keeps the next freed one of its class in its first wire.
"""

from keelmark.book.kernels.jit import njit
from keelmark.book.tripwires.net import Net

CLASSES = 40
NO_BLOCK = -1


@njit
def capacity(block_class: int) -> int:
    """Return the wires a block of a class holds."""
    if block_class == 0:
        return 1
    half = (block_class - 1) // 2
    return (2 << half) if block_class % 2 == 1 else (3 << half)


@njit
def class_for(count: int) -> int:
    """Return the smallest class that holds `count` wires."""
    block_class = 0
    while capacity(block_class) < count:
        block_class += 1
    return block_class


@njit
def has_room(net: Net, room: int) -> bool:
    """Whether `room` more wires can be handed out without growing the store."""
    return bool(net.status[0]["wires_end"] + room <= net.wires.shape[0])


@njit
def take_block(block_class: int, net: Net) -> int:
    """Return the first wire of a block; the caller has made sure of room."""
    head = net.free[block_class]
    if head != 0:
        net.free[block_class] = net.wires[head - 1]["next"]
        net.wires[head - 1]["next"] = 0
        return int(head - 1)
    status = net.status[0]
    start = status["wires_end"]
    status["wires_end"] = start + capacity(block_class)
    return int(start)


@njit
def give_block(start: int, block_class: int, net: Net) -> None:
    """Return a block whose wires are all unlinked."""
    if block_class != NO_BLOCK:
        net.wires[start]["next"] = net.free[block_class]
        net.free[block_class] = start + 1
