"""A listener that times liquidations from their opening event to their closing one."""

from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any

import numpy as np

from keelmark.engine import events as e
from keelmark.lab.bench.values import Timings
from keelmark.lab.bench.watched import require

PAYERS = ("fund", "deleveraged", "socialised", "backstop")


@dataclass(slots=True)
class Cases:
    """Every liquidation an engine carries out.

    Attributes:
        seconds: Of each case from its opening event to its closing one.
        cpu: Processor time of the same.
        outcomes: How they ended.
        paid: What each payer paid of deficits, quanta.
        events: Heard in all.
    """

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)
    events: int = 0
    _began: dict[int, tuple[float, float]] = field(default_factory=dict)

    checked = "the parts of every deficit sum to it; value conserved in every asset"

    def __call__(self, event: Any) -> None:  # noqa: ANN401 an event
        """Hear an event; nothing else is done between the first and the last of a case."""
        self.events += 1
        if isinstance(event, e.LiquidationStarted):
            self._began[event.case] = (process_time(), perf_counter())
        elif isinstance(event, e.LiquidationEnded):
            cpu, wall = self._began.pop(event.case)
            self.seconds.append(perf_counter() - wall)
            self.cpu.append(process_time() - cpu)
            self.outcomes[event.outcome] += 1
            parts = {name: getattr(event, name) for name in PAYERS}
            require(sum(parts.values()) == event.deficit, "what was paid of a deficit")
            self.paid.update({name: quanta for name, quanta in parts.items() if quanta})

    @property
    def mean_us(self) -> float:
        """Mean microseconds a case."""
        return 1e6 * float(np.mean(self.seconds))

    @property
    def timings(self) -> Timings:
        """How they are distributed, microseconds."""
        taken = 1e6 * np.array(self.seconds)
        return Timings(
            median=float(np.median(taken)),
            p99=float(np.quantile(taken, 0.99)),
            cpu=1e6 * float(np.mean(self.cpu)),
            runs=len(taken),
            of="from the opening event of a case to its closing one",
        )
