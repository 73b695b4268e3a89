"""Draw one shard of accounts: who they are and what they would hold, before any price or scale.

A shard depends on its own seed and nothing else, so shards can be drawn anywhere in any order.
"""

from dataclasses import dataclass

import numpy as np

from keelmark.core.codes import Leg
from keelmark.lab.arrays import BoolArray, Float64Array, Int64Array, totals
from keelmark.lab.population.records import AccountKind
from keelmark.lab.population.sizes import (
    choose,
    even_draws,
    normal_quantiles,
    size_quantiles,
    stratified,
)
from keelmark.lab.population.spec import PopulationSpec, drawn_kinds

_HEDGE_FLOOR = 0.1
"""Smallest size of the lesser leg in hedge mode, as a fraction of the greater one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccountDrafts:
    """One entry an account."""

    kind: Int64Array  # AccountKind
    leverage: Float64Array  # notional over equity
    isolated: BoolArray
    collateral: Int64Array  # row of the specification's collateral
    wallet: Float64Array  # spare settle asset of isolated accounts, fraction of their margin


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PositionDrafts:
    """One entry a position, by account."""

    account: Int64Array
    instrument: Int64Array
    side: Int64Array  # +1 long, -1 short
    leg: Int64Array  # Leg
    notional: Float64Array  # before scaling
    age: Float64Array  # of the mean age, exponential


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shard:
    """The accounts of one shard; position accounts count from its first account."""

    accounts: AccountDrafts
    positions: PositionDrafts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choices:
    """What instruments a shard may choose from.

    Attributes:
        weights: (n_instruments,) chance of each, before repetition is excluded.
        coins: Instruments whose coin is collateral, by row of the specification's collateral.
    """

    weights: Float64Array
    coins: dict[int, int]


def draw_shard(
    spec: PopulationSpec,
    choices: Choices,
    *,
    count: int,
    seed: int,
    shard: int,
) -> Shard:
    """Return `count` accounts, a function of (specification, choices, seed, shard)."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, shard]))
    sizes = size_quantiles(spec.size, stratified(generator, count))
    kind_draw, side_draw, isolated_draw = even_draws(generator, sizes, 3)
    kind = np.array(drawn_kinds())[choose(np.array(spec.kinds.shares), kind_draw)]
    accounts = _accounts(spec, choices, generator, kind=kind, isolated_draw=isolated_draw)
    holdings = _holdings(spec, choices, generator, accounts)
    side = _sides(spec, generator, holdings, kind=kind, side_draw=side_draw)
    positions = _positions(generator, holdings, kind=kind, sizes=sizes, side=side)
    return Shard(accounts=accounts, positions=positions)


def _accounts(
    spec: PopulationSpec,
    choices: Choices,
    generator: np.random.Generator,
    *,
    kind: Int64Array,
    isolated_draw: Float64Array,
) -> AccountDrafts:
    count = kind.size
    table = spec.leverage
    spread = normal_quantiles(stratified(generator, count))
    leverage = np.clip(table.median * np.exp(table.sigma * spread), table.smallest, table.largest)
    may_isolate = (kind == AccountKind.DIRECTIONAL) | (kind == AccountKind.HEDGE_MODE)
    shares = np.array([row.share for row in spec.collateral])
    collateral = choose(shares, stratified(generator, count))
    collateral = np.where(
        kind == AccountKind.DELTA_NEUTRAL,
        _coin_rows(choices, generator.random(count)),
        collateral,
    )
    return AccountDrafts(
        kind=kind,
        leverage=leverage,
        isolated=may_isolate & (isolated_draw < spec.positions.isolated_share),
        collateral=collateral,
        wallet=generator.random(count),
    )


def _coin_rows(choices: Choices, draws: Float64Array) -> Int64Array:
    """Return the coin a delta-neutral account holds, by the weight of its instrument."""
    if not choices.coins:
        return np.zeros(draws.size, dtype=np.int64)
    rows = np.array(sorted(choices.coins), dtype=np.int64)
    weights = choices.weights[[choices.coins[int(row)] for row in rows]]
    return rows[choose(weights, draws)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Holdings:
    """Which account holds which instrument, by account."""

    account: Int64Array
    instrument: Int64Array
    first: BoolArray  # the account's first row


def _holdings(
    spec: PopulationSpec,
    choices: Choices,
    generator: np.random.Generator,
    accounts: AccountDrafts,
) -> _Holdings:
    shares = np.array(spec.positions.count_shares)
    wanted = 1 + choose(shares, generator.random(accounts.kind.size))
    wanted = np.where(accounts.kind == AccountKind.HEDGED, 2, wanted)
    wanted = np.where(accounts.kind == AccountKind.DELTA_NEUTRAL, 1, wanted)
    chosen = _distinct(generator, choices.weights, wanted)
    is_neutral = accounts.kind == AccountKind.DELTA_NEUTRAL
    for row, instrument in choices.coins.items():
        chosen[is_neutral & (accounts.collateral == row), 0] = instrument
    place = np.arange(chosen.shape[1])
    held = place < wanted[:, None]
    account, _ = np.nonzero(held)
    first: BoolArray = np.broadcast_to(place == 0, held.shape)[held]
    return _Holdings(account=account, instrument=chosen[held], first=first)


def _distinct(
    generator: np.random.Generator,
    weights: Float64Array,
    wanted: Int64Array,
) -> Int64Array:
    """Return distinct instruments for each account, (n, most wanted), chosen by weight in order.

    The order of exponential times of rates `weights` is a draw without repetition.
    """
    most = int(wanted.max())
    chosen = np.zeros((wanted.size, most), dtype=np.int64)
    single = wanted == 1
    chosen[single, 0] = choose(weights, generator.random(int(single.sum())))
    times = generator.exponential(size=(int((~single).sum()), weights.size)) / weights
    if times.size:
        nearest = np.argpartition(times, most - 1, axis=1)[:, :most]
        order = np.argsort(np.take_along_axis(times, nearest, axis=1), axis=1)
        chosen[~single] = np.take_along_axis(nearest, order, axis=1)
    return chosen


def _sides(
    spec: PopulationSpec,
    generator: np.random.Generator,
    holdings: _Holdings,
    *,
    kind: Int64Array,
    side_draw: Float64Array,
) -> Int64Array:
    """Return +1 or -1 a holding; the side of the larger leg in hedge mode."""
    table = spec.direction
    accounts = np.where(side_draw < table.long_share, 1, -1)[holdings.account]
    rows = holdings.account.size
    own = np.where(generator.random(rows) < table.long_share, 1, -1)
    agrees = holdings.first | (generator.random(rows) < table.agreement)
    side = np.where(agrees, accounts, own)
    hedged = kind[holdings.account] == AccountKind.HEDGED
    side = np.where(hedged, np.where(holdings.first, accounts, -accounts), side)
    return np.where(kind[holdings.account] == AccountKind.DELTA_NEUTRAL, -1, side)


def _positions(
    generator: np.random.Generator,
    holdings: _Holdings,
    *,
    kind: Int64Array,
    sizes: Float64Array,
    side: Int64Array,
) -> PositionDrafts:
    """Split each account's notional over its holdings, and hedge-mode holdings over two legs."""
    rows = holdings.account.size
    kinds = kind[holdings.account]
    part = np.where(kinds == AccountKind.HEDGED, 1.0, generator.exponential(size=rows) + 0.05)
    total = totals(holdings.account, part, kind.size)
    notional = sizes[holdings.account] * part / total[holdings.account]
    age = generator.exponential(size=rows)
    lesser = _HEDGE_FLOOR + (1.0 - _HEDGE_FLOOR) * generator.random(rows)
    both = kinds == AccountKind.HEDGE_MODE
    copies = 1 + both.astype(np.int64)
    source = np.repeat(np.arange(rows), copies)
    second = np.diff(source, prepend=-1) == 0
    sides = np.where(second, -side[source], side[source])
    return PositionDrafts(
        account=holdings.account[source],
        instrument=holdings.instrument[source],
        side=sides,
        leg=np.where(both[source], np.where(sides > 0, Leg.LONG, Leg.SHORT), Leg.NET),
        notional=notional[source] * np.where(second, lesser[source], 1.0),
        age=age[source],
    )
