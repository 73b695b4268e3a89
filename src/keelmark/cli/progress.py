"""A progress bar on standard error, with rate and time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Tell = Callable[[str, int, int], None]


class RateColumn(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        """Return the present rate; empty before there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} steps/s" if speed and task.total != 1 else "")


@contextmanager
def progress_bar(*, hidden: bool) -> Iterator[Callable[[str], Tell]]:
    """Show a bar while the block runs; yields a maker of callbacks for one part of the work.

    Args:
        hidden: Whether nothing is shown.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        RateColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    shown = not hidden and console.is_terminal
    with Progress(*columns, console=console, disable=not shown, transient=True) as progress:
        task = progress.add_task("", total=1)

        def part(name: str) -> Tell:
            last = [""]

            def tell(what: str, done: int, total: int) -> None:
                if what != last[0]:
                    last[0] = what
                    progress.reset(task, description=f"{name}{what}", total=total)
                progress.update(task, completed=done, total=total)

            return tell

        yield part
