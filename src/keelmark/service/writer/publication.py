"""Where durable state is shown to other processes: columns in shared memory."""

from contextlib import suppress
from pathlib import Path
from typing import Protocol

from keelmark.core.errors import StorageFailed
from keelmark.engine.engine import Engine
from keelmark.service.columns.publisher import Publisher
from keelmark.service.writer.report import Report


class Publication(Protocol):
    """Shows what is durable, and nothing else."""

    def open(self, engine: Engine) -> None:
        """Show an engine from now on: at the start, and after a recovery."""

    def publish(self) -> None:
        """Show what has become durable since it was last called."""

    def close(self) -> None:
        """Remove what was shown."""


class NoPublication:
    """Shows nothing to anybody."""

    def open(self, engine: Engine) -> None:
        """Nothing to show."""

    def publish(self) -> None:
        """Nothing to show."""

    def close(self) -> None:
        """Nothing to remove."""


class SharedColumns:
    """Shows the columns; where there is no room for them the writer goes on, and says so.

    What is durable is never given up because it cannot be shown: readers keep what they have, and
    the next group tries again.
    """

    def __init__(self, run: Path, report: Report) -> None:
        self._run = run
        self._report = report
        self._publisher: Publisher | None = None
        self._engine: Engine | None = None
        self._is_short = False

    def open(self, engine: Engine) -> None:
        """Show an engine from now on."""
        with suppress(StorageFailed, OSError):
            self.close()
        self._engine = engine
        self.publish()

    def publish(self) -> None:
        """Show what has become durable."""
        try:
            if self._publisher is None and self._engine is not None:
                self._publisher = Publisher(self._engine, self._run)
            elif self._publisher is not None:
                self._publisher.publish()
        except StorageFailed as error:
            if not self._is_short:
                self._report("columns_not_shown", reason=str(error))
            self._is_short = True
        else:
            self._is_short = False

    def close(self) -> None:
        """Remove what was shown."""
        publisher, self._publisher, self._engine = self._publisher, None, None
        if publisher is not None:
            publisher.close()
