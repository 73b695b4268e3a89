"""Further prices that are not trusted, while others are not already.

The finding `prices` is one for all of them: it says nothing new when it is degraded already. What
joins it is a finding of its own, one for all that join at one look, so that a feed that fails tells
a few times and not once for each contract.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from keelmark.service.alerts.book import NONE, Standing
from keelmark.service.health.parts import some_of
from keelmark.service.health.values import Finding, Health

_NAME = "price "
_AND = " and "
_SUBJECT = f"service {_NAME}"


@dataclass(slots=True)
class PriceNews:
    """Which prices were not trusted at the last look, and who joined them when."""

    _before: frozenset[str] | None = None
    _joined: dict[str, frozenset[str]] = field(default_factory=dict)

    def findings(self, names: Iterable[str], known: Mapping[str, Standing]) -> list[Finding]:
        """Return what has joined, and what of it is well again.

        Args:
            names: Prices that are not trusted and that somebody reads.
            known: How every subject stands; what was told before a restart is among them.
        """
        now = frozenset(names)
        told = [
            _name(subject) for subject, standing in known.items() if _is_told(subject, standing)
        ]
        if self._before is None:  # told before a restart; of several the first stands for all
            self._joined = {name: frozenset({_first(name)}) for name in told}
        if self._before and now - self._before:
            joined = sorted(now - self._before)
            more = f"{_AND}{len(joined) - 1} more" if len(joined) > 1 else ""
            self._joined[f"{_NAME}{joined[0]}{more}"] = frozenset(joined)
        self._before = now
        self._joined = {name: those & now for name, those in self._joined.items() if those & now}
        found = [_finding(name, those) for name, those in self._joined.items()]
        return found + [_well(name) for name in told if name not in self._joined]


def _is_told(subject: str, standing: Standing) -> bool:
    return subject.startswith(_SUBJECT) and standing.rank != NONE


def _name(subject: str) -> str:
    return f"{_NAME}{subject.removeprefix(_SUBJECT)}"


def _first(name: str) -> str:
    return name.removeprefix(_NAME).partition(_AND)[0]


def _finding(name: str, prices: frozenset[str]) -> Finding:
    detail = f"not trusted either, nobody is liquidated on it: {some_of(sorted(prices))}"
    return Finding(name=name, health=Health.DEGRADED, detail=detail)


def _well(name: str) -> Finding:
    return Finding(name=name, health=Health.OK, detail="trusted again, or nobody reads it")


__all__ = ["PriceNews"]
