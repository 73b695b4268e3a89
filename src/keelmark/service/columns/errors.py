"""What goes wrong between a writer's columns and their readers."""

from keelmark.core.errors import KeelmarkError


class ColumnsUnavailable(KeelmarkError):
    """There is nothing to read: no writer has published, or what it left cannot be read."""


class WriterGone(ColumnsUnavailable):
    """The writer ended in the middle of writing what was asked for; the next one writes it anew."""


class ColumnsBusy(ColumnsUnavailable):
    """The writer kept writing what was asked for, longer than a reader waits."""
