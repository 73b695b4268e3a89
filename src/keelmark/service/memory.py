"""How a process of the service keeps the collector of cycles from holding it up."""

import gc

THRESHOLDS = (20_000, 20, 50)
"""New objects before the youngest are looked through, and how often before the older ones are."""


def settle() -> None:
    """Leave alone what has been made so far: it lives as long as the process.

    The collector goes through every container that it knows, with everything else standing still;
    what a process loads at its start is most of them, and never garbage. Call it once, when ready.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
