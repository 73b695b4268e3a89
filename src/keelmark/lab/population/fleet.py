"""Everyone who holds something, as flat columns: drawn traders, whales, market makers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keelmark.core.codes import Leg
from keelmark.lab.arrays import BoolArray, Float64Array, Int64Array
from keelmark.lab.population.draw import AccountDrafts, Shard
from keelmark.lab.population.records import AccountKind
from keelmark.lab.population.spec import PopulationSpec


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holders:
    """One entry an account, in order of id; collateral is a row of the specification."""

    kind: Int64Array
    leverage: Float64Array
    isolated: BoolArray
    collateral: Int64Array
    wallet: Float64Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """One entry a position, by account; lots are signed."""

    account: Int64Array
    instrument: Int64Array
    leg: Int64Array
    lots: Int64Array
    age_days: Float64Array


def all_holders(spec: PopulationSpec, shards: Sequence[Shard]) -> Holders:
    """Return drawn traders, then whales, then market makers."""
    drafts = [shard.accounts for shard in shards]
    whales, makers = len(spec.whale), spec.market_makers.count
    maker_leverage = np.full(makers, spec.market_makers.leverage)
    settle_row = np.zeros(whales + makers, dtype=np.int64)
    return Holders(
        kind=np.concatenate(
            [
                *(part.kind for part in drafts),
                np.full(whales, AccountKind.WHALE),
                np.full(makers, AccountKind.MARKET_MAKER),
            ],
        ),
        leverage=np.concatenate(
            [
                *(part.leverage for part in drafts),
                [whale.leverage for whale in spec.whale],
                maker_leverage,
            ],
        ),
        isolated=_joined_isolated(drafts, [whale.isolated for whale in spec.whale], makers),
        collateral=np.concatenate([*(part.collateral for part in drafts), settle_row]),
        wallet=np.concatenate([*(part.wallet for part in drafts), np.zeros(whales + makers)]),
    )


def drawn_held(spec: PopulationSpec, shards: Sequence[Shard], lots: Int64Array) -> Held:
    """Return the drawn traders' positions; the more leverage, the younger."""
    starts = np.cumsum([0, *(shard.accounts.kind.size for shard in shards)])
    parts = [shard.positions for shard in shards]
    leverage = np.concatenate([shard.accounts.leverage for shard in shards])
    account = np.concatenate(
        [part.account + start for part, start in zip(parts, starts, strict=False)],
    )
    patience = np.minimum(1.0, spec.leverage.median / leverage[account])
    age = np.concatenate([part.age for part in parts]) * spec.entries.mean_days * patience
    return Held(
        account=account,
        instrument=np.concatenate([part.instrument for part in parts]),
        leg=np.concatenate([part.leg for part in parts]),
        lots=lots,
        age_days=np.minimum(age, spec.entries.longest_days),
    )


def maker_held(
    spec: PopulationSpec,
    generator: np.random.Generator,
    lots: Int64Array,
    first_account: int,
) -> Held:
    """Return market makers' positions from their lots, (makers, n_instruments)."""
    maker, instrument = np.nonzero(lots)
    age = generator.exponential(size=maker.size) * spec.market_makers.mean_days
    return Held(
        account=maker + first_account,
        instrument=instrument,
        leg=np.full(maker.size, Leg.NET),
        lots=lots[maker, instrument],
        age_days=np.minimum(age, spec.entries.longest_days),
    )


def joined(parts: Sequence[Held]) -> Held:
    """Return one table."""
    return Held(
        account=np.concatenate([part.account for part in parts]),
        instrument=np.concatenate([part.instrument for part in parts]),
        leg=np.concatenate([part.leg for part in parts]),
        lots=np.concatenate([part.lots for part in parts]),
        age_days=np.concatenate([part.age_days for part in parts]),
    )


def _joined_isolated(
    drafts: Sequence[AccountDrafts],
    whales: Sequence[bool],
    makers: int,
) -> BoolArray:
    return np.concatenate(
        [
            *(part.isolated for part in drafts),
            np.array(whales, dtype=bool),
            np.zeros(makers, dtype=bool),
        ],
    )
