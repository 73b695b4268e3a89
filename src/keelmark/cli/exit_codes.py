"""What the exit code of a command means."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The contract with scripts; 1, 2 and 3 never mean anything else."""

    OK = 0
    """Healthy, or done."""
    WARNING = 1
    """Inside the warning distance."""
    LIQUIDATABLE = 2
    UNKNOWN = 3
    """A number that decides is missing or stale."""
    BAD_INPUT = 64
    """Bad input or bad usage."""
    OUR_ERROR = 70
    INTERRUPTED = 130
    READER_LEFT = 141
    """The program reading our output closed it."""
