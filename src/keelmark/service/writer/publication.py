"""Where durable state is shown to other processes."""

from collections.abc import Sequence
from typing import Protocol

from keelmark.engine.engine import Engine
from keelmark.service.writer.tap import Durable


class Publication(Protocol):
    """Shows what is durable, and nothing else."""

    def open(self, engine: Engine) -> None:
        """Show an engine from now on: at the start, and after a recovery."""

    def publish(self, durable: Sequence[Durable]) -> None:
        """Show what has become durable since it was last called."""

    def close(self) -> None:
        """Remove what was shown."""


class NoPublication:
    """Shows nothing to anybody."""

    def open(self, engine: Engine) -> None:
        """Nothing to show."""

    def publish(self, durable: Sequence[Durable]) -> None:
        """Nothing to show."""

    def close(self) -> None:
        """Nothing to remove."""
