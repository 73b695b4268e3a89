"""The shared columns as the writer shows them."""

from collections.abc import Sequence
from pathlib import Path

from keelmark.engine.engine import Engine
from keelmark.service.columns.publisher import Publisher
from keelmark.service.writer.tap import Durable


class SharedColumns:
    """Shows an engine through shared columns; a `writer.publication.Publication`."""

    def __init__(self, run: Path) -> None:
        """Show nothing yet.

        Args:
            run: Where readers find out which files to map.
        """
        self._run = run
        self._publisher: Publisher | None = None

    def open(self, engine: Engine) -> None:
        """Show an engine from now on, in new files.

        Raises:
            StorageFailed: There is no room for them.
        """
        self.close()
        self._publisher = Publisher(engine, self._run)

    def publish(self, durable: Sequence[Durable]) -> None:  # noqa: ARG002 the engine has been followed
        """Show what has become durable.

        Raises:
            StorageFailed: There is no room; the next call tries again.
        """
        if self._publisher is not None:
            self._publisher.publish()

    def close(self) -> None:
        """Remove what was shown."""
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
