"""A small venue for tests: a rulebook from plain dictionaries, and an engine that is audited.

Every command is followed by every invariant; a broken one fails the test that sent it.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from keelmark.core.bound import FactorKind
from keelmark.core.errors import KeelmarkError
from keelmark.engine import commands as c
from keelmark.engine import events as e
from keelmark.engine.apply import apply
from keelmark.engine.auditor import Auditor
from keelmark.engine.codec import event_of
from keelmark.engine.digest import state_digest
from keelmark.engine.engine import Engine, Settings
from keelmark.engine.execution import ExecutionVenue
from keelmark.engine.invariants import Subject, check_all
from keelmark.engine.state import State
from keelmark.rulebooks.load import Rulebook, read_rulebook

Spec = dict[str, Any]

ROUND: Spec = {
    "name": "round",
    "date": "2025-10",
    "read": "2025-10-10",
    "source": "tests: figures that fit a head",
    "valuation": "USDT",
    "assets": {"USDT": {"quantum": "1"}},
    "tables": {"flat": {"rows": [{"floor": "0", "rate": "0.05", "leverage": "10"}]}},
    "defaults": {"lot": "1", "price_unit": "1", "table": "flat"},
    "instruments": {
        "A": {"kind": "linear_perpetual", "base": "A", "settle": "USDT"},
        "B": {"kind": "linear_perpetual", "base": "B", "settle": "USDT"},
    },
    "liquidation": {
        "taker_fee": "0",
        "reduce": {"price_limit": "no_limit", "buffer": "0"},
    },
}
"""Whole quanta, whole prices, maintenance 5 % and initial 10 % of notional, no fees."""


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Spec:
    """Return `base` with `changes` laid over it, table by table."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(old, value) if both and isinstance(old, Mapping) else value
    return result


def toml(value: Any) -> str:  # noqa: ANN401 a plain value
    """Return a plain value as TOML, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value)


def rulebook_text(spec: Mapping[str, Any]) -> str:
    """Return a rulebook document."""
    return "\n".join(f"{key} = {toml(value)}" for key, value in spec.items())


def rulebook(spec: Mapping[str, Any]) -> Rulebook:
    """Return the rulebook of a document."""
    return read_rulebook(rulebook_text(spec), title="tests")


class Venue:
    """An engine with names for its units, a clock, and invariants after every command."""

    def __init__(
        self,
        changes: Mapping[str, Any] | None = None,
        *,
        base: Mapping[str, Any] = ROUND,
        market: ExecutionVenue | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.spec = merged(base, changes or {})
        self.rulebook = rulebook(self.spec)
        self.auditor = Auditor()
        self.events: list[Any] = []
        self.engine = Engine(
            self.rulebook,
            market=market,
            settings=replace(settings or Settings(), witness=self.auditor),
            listener=self.events.append,
        )
        self.commands = 0

    @property
    def state(self) -> State:
        return self.engine.state

    # --- commands -------------------------------------------------------------------------------

    def do(self, command: c.Command) -> list[Any]:
        """Carry out a command; return what happened."""
        return self._followed(lambda: self.engine.submit(command))

    def marks(self, *, after_ms: int = 1000, **prices: float) -> list[Any]:
        """Set prices at one instant: `A=1000.0` is a mark, `asset_USDC=1.0` and `index_X=` too."""
        return self.stream([prices], after_ms=after_ms)

    def stream(self, snapshots: list[dict[str, float]], *, after_ms: int = 1000) -> list[Any]:
        """Set prices at several instants, in one call."""
        rows = [[(self.factor(n), p) for n, p in prices.items()] for prices in snapshots]
        marks = e.MarksSet(
            times_ms=self.state.time_ms + after_ms * np.arange(1, len(rows) + 1),
            offsets=np.cumsum([0] + [len(row) for row in rows]),
            factors=np.array([factor for row in rows for factor, _ in row], np.int32),
            prices=np.array([price for row in rows for _, price in row], np.float64),
        )
        return self._followed(lambda: self.engine.submit_marks(marks))

    def wait(self, seconds: float) -> list[Any]:
        """Let time pass without a price."""
        return self.do(c.AdvanceTime(time_ms=self.state.time_ms + int(1000 * seconds)))

    def open(self, name: str, **balances: int) -> int:
        """Open an account with deposits; return its cross unit."""
        self.do(c.OpenAccount(name=name))
        unit = self.state.book.cross_unit(self.state.names[name])
        for asset, quanta in balances.items():
            self.deposit(unit, quanta, asset)
        return unit

    def isolated(self, name: str, **balances: int) -> int:
        """Open an isolated unit of an account with deposits; return it."""
        self.do(c.OpenIsolated(account=self.state.names[name]))
        unit = self.state.book.units_count - 1
        for asset, quanta in balances.items():
            self.deposit(unit, quanta, asset)
        return unit

    def deposit(self, unit: int, quanta: int, asset: str = "USDT") -> None:
        row = self.state.universe.asset_row(asset)
        self.do(c.Deposit(unit=unit, asset=row, quanta=quanta))

    def trade(self, unit: int, other: int, symbol: str, lots: int, ticks: int, **more: int) -> None:
        """Let `unit` buy lots (negative: sell) from `other` at a price in ticks."""
        row = self.row(symbol)
        self.do(
            c.Fill(unit=unit, counterparty=other, instrument=row, lots=lots, ticks=ticks, **more),
        )

    # --- reading --------------------------------------------------------------------------------

    def row(self, symbol: str) -> int:
        return self.state.universe.instrument_row(symbol)

    def factor(self, name: str) -> int:
        """Return the row of a price: a symbol, `asset_NAME` or `index_NAME`."""
        kinds = {"asset": FactorKind.ASSET, "index": FactorKind.INDEX}
        prefix, _, rest = name.partition("_")
        kind = kinds.get(prefix) if rest else None
        wanted = (kind, rest) if kind else (FactorKind.MARK, name)
        found = [(f.kind, f.name) for f in self.state.universe.factors]
        return found.index(wanted)

    def balance(self, unit: int, asset: str = "USDT") -> int:
        return self.state.book.balance(unit, self.state.universe.asset_row(asset))

    def lots(self, unit: int, symbol: str) -> int:
        """Return the signed lots of a unit in an instrument, all legs together."""
        positions = self.state.book.unit_view(unit).positions
        return sum(p.lots for p in positions if p.instrument == self.row(symbol))

    def of(self, kind: type, events: list[Any] | None = None) -> list[Any]:
        """Return the events of one type, of all that happened or of those given."""
        chosen = self.events if events is None else events
        return [event for event in chosen if isinstance(event, kind)]

    def replayed(self) -> str:
        """Return the digest of the state that applying the journal alone gives."""
        state = State(self.rulebook)
        for _, records in self.engine.journal.read(after=0):
            for record in records:
                apply(state, event_of(record))
        return state_digest(state)

    def check(self, *, replay: bool = False) -> None:
        """Hold every invariant against the engine."""
        check_all(
            Subject(
                state=self.state,
                suspects=self.engine.suspects().tolist(),
                auditor=self.auditor,
                replayed=self.replayed() if replay else None,
            ),
        )
        self.engine.watch.index.check()

    def _followed(self, send: Any) -> list[Any]:  # noqa: ANN401 a call without arguments
        self.commands += 1
        first = len(self.events)
        before = self.engine.digest()
        try:
            send()
        except KeelmarkError:
            assert self.engine.digest() == before, "a refused command has changed the state"
            assert len(self.events) == first
            raise
        self.check()
        return self.events[first:]
