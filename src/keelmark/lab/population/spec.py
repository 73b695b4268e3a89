"""The population document: what is in its TOML, and what cannot be."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from keelmark.core.errors import InvalidDocument, nearest
from keelmark.lab.documents import Document, read_extended, validated
from keelmark.lab.population.records import AccountKind
from keelmark.lab.scenarios.values import Opening

PACKAGE = "keelmark.lab.population"
SHARE_TOLERANCE = 1e-9


def _as_float(value: object) -> object:
    return float(value) if isinstance(value, Decimal | int) else value


Real = Annotated[float, BeforeValidator(_as_float)]
Share = Annotated[Real, Field(ge=0, le=1)]
Positive = Annotated[Real, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class OpenInterestTable(Document):
    """`[open_interest]`: how much is open, one side.

    Attributes:
        daily_volume_share: Open interest of the whole venue over its daily volume.
        whole_venue_accounts: Accounts at which it is the whole venue's; with fewer accounts the
            open interest shrinks in proportion. Accounts keep about their sizes; the largest are
            cut (`size.largest_share`), which leaves the others a little more.
    """

    daily_volume_share: Positive
    whole_venue_accounts: Count


class SizeTable(Document):
    """`[size]`: notional of an account before scaling to the open interest, settle asset.

    Attributes:
        median: Of the lognormal body.
        body_sigma: Of the lognormal body.
        tail_from: Quantile at which the Pareto tail begins.
        tail_index: Exponent of the tail (Hill index).
        largest: Where the tail is cut.
        smallest: No position is smaller (one lot at least).
        largest_share: No position is a larger share of its instrument's open interest.
    """

    median: Positive
    body_sigma: Positive
    tail_from: Annotated[Real, Field(gt=0.5, lt=1)]
    tail_index: Positive
    largest: Positive
    smallest: Positive
    largest_share: Annotated[Real, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _ordered(self) -> "SizeTable":
        if not self.smallest < self.median < self.largest:
            msg = f"median: {self.median} must lie between smallest and largest"
            raise ValueError(msg)
        return self


class LeverageTable(Document):
    """`[leverage]`: notional over equity, lognormal; and the settings users pick from."""

    median: Positive
    sigma: Positive
    smallest: Positive
    largest: Positive
    settings: Annotated[tuple[Annotated[Real, Field(ge=1, le=600)], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _ordered(self) -> "LeverageTable":
        problems = []
        if not self.smallest < self.median < self.largest:
            problems.append(f"median: {self.median} must lie between smallest and largest")
        if list(self.settings) != sorted(set(self.settings)):
            problems.append("settings: must rise")
        if self.settings[-1] < self.largest:
            problems.append(
                f"largest: {self.largest} is above the highest setting {self.settings[-1]}"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self


class KindTable(Document):
    """`[kinds]`: shares of accounts; whales and market makers come on top."""

    directional: Share
    hedged: Share
    hedge_mode: Share
    delta_neutral: Share

    @model_validator(mode="after")
    def _whole(self) -> "KindTable":
        _require_whole("", self.shares)
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """In the order of `AccountKind`."""
        return (self.directional, self.hedged, self.hedge_mode, self.delta_neutral)


class DirectionTable(Document):
    """`[direction]` of directional accounts.

    Attributes:
        long_share: Chance that a position is long.
        agreement: Chance that a position takes its account's side rather than one of its own.
    """

    long_share: Share
    agreement: Share


class PositionsTable(Document):
    """`[positions]`.

    Attributes:
        count_shares: Shares of accounts with 1, 2, 3, ... instruments.
        volume_exponent: Instruments are chosen by daily volume to this power.
        isolated_share: Share of directional and hedge-mode accounts that trade isolated.
    """

    count_shares: Annotated[tuple[Share, ...], Field(min_length=1)]
    volume_exponent: Annotated[Real, Field(ge=0)]
    isolated_share: Share

    @model_validator(mode="after")
    def _whole(self) -> "PositionsTable":
        _require_whole("count_shares", self.count_shares)
        return self


class EntriesTable(Document):
    """`[entries]`: age of positions, exponential, shorter above the median leverage."""

    mean_days: Positive
    longest_days: Positive


class CollateralTable(Document):
    """`[[collateral]]`: what cross accounts deposit.

    Attributes:
        asset: Name.
        share: Share of cross accounts that hold it.
        portion: Part of such an account's collateral that is in it; the rest is settle asset.
        weight: Fraction of its price that counts; the least any rulebook in use allows.
    """

    asset: str
    share: Share
    portion: Annotated[Real, Field(gt=0, le=1)] = 1.0
    weight: Annotated[Real, Field(gt=0, le=1)] = 1.0


class MarketMakerTable(Document):
    """`[market_makers]`: who takes the imbalance.

    Attributes:
        count: Accounts; each takes an equal part of every instrument.
        leverage: Notional over equity.
        mean_days: Age of their positions.
    """

    count: Count
    leverage: Positive
    mean_days: Positive


class WhaleTable(Document):
    """`[[whale]]`: one large account."""

    instrument: str
    side: Literal["long", "short"]
    open_interest_share: Annotated[Real, Field(gt=0, le=1)]
    leverage: Annotated[Real, Field(gt=0, le=600)]
    isolated: bool = False
    entry_days_ago: Annotated[Real, Field(ge=0)] = 1.0


class PopulationSpec(Document):
    """The whole document."""

    name: str
    title: str
    accounts: Count
    shard_accounts: Count = 50_000
    open_interest: OpenInterestTable
    size: SizeTable
    leverage: LeverageTable
    kinds: KindTable
    direction: DirectionTable
    positions: PositionsTable
    entries: EntriesTable
    collateral: Annotated[tuple[CollateralTable, ...], Field(min_length=1)]
    market_makers: MarketMakerTable
    whale: tuple[WhaleTable, ...] = ()

    @model_validator(mode="after")
    def _collateral_whole(self) -> "PopulationSpec":
        _require_whole("collateral", tuple(table.share for table in self.collateral))
        return self

    def with_accounts(self, accounts: int) -> "PopulationSpec":
        """Return the same population with another number of accounts."""
        return self.model_copy(update={"accounts": accounts})

    def require_possible(self, opening: Opening) -> None:
        """Refuse what this market cannot hold.

        Raises:
            InvalidDocument: Listing every problem: unknown names, leverage above a bracket's
                maximum, more instruments than there are, positions beyond the bracket table.
        """
        problems = [
            *self._collateral_problems(opening),
            *self._count_problems(opening),
            *self._leverage_problems(opening),
            *self._whale_problems(opening),
        ]
        if problems:
            title = f"population {self.name}: impossible here, {len(problems)} problem(s)"
            raise InvalidDocument(title, problems)

    def _collateral_problems(self, opening: Opening) -> Iterator[str]:
        known = [asset.asset for asset in opening.assets]
        listed = [table.asset for table in self.collateral]
        for i, table in enumerate(self.collateral):
            if table.asset not in known:
                yield f"collateral[{i}]: no asset {table.asset!r}; {nearest(table.asset, known)}"
            if listed.index(table.asset) != i:
                yield f"collateral[{i}]: {table.asset!r} is listed twice"
        coins = [asset for asset in opening.assets if asset.instrument is not None]
        if self.kinds.delta_neutral > 0 and not any(coin.asset in listed for coin in coins):
            yield "kinds.delta_neutral: no collateral asset has an instrument to be short of"

    def _count_problems(self, opening: Opening) -> Iterator[str]:
        wanted = max(i + 1 for i, share in enumerate(self.positions.count_shares) if share > 0)
        if wanted > len(opening.instruments):
            yield (
                f"positions.count_shares: {wanted} instruments wanted, "
                f"the scenario has {len(opening.instruments)}"
            )
        if self.kinds.hedged > 0 and len(opening.instruments) < 2:  # noqa: PLR2004 a pair
            yield "kinds.hedged: needs two instruments"

    def _leverage_problems(self, opening: Opening) -> Iterator[str]:
        highest = max(float(one.tiers[0].leverage or 1) for one in opening.instruments)
        if self.leverage.largest > highest:
            yield (
                f"leverage.largest: {self.leverage.largest:g} is above the tier maximum of every "
                f"instrument, {highest:g}"
            )

    def _whale_problems(self, opening: Opening) -> Iterator[str]:
        symbols = [instrument.symbol for instrument in opening.instruments]
        for i, whale in enumerate(self.whale):
            if whale.instrument not in symbols:
                hint = nearest(whale.instrument, symbols)
                yield f"whale[{i}]: no instrument {whale.instrument!r}; {hint}"
                continue
            instrument = opening.instruments[symbols.index(whale.instrument)]
            notional = whale.open_interest_share * self.open_interest_of(instrument.daily_volume)
            if notional > float(instrument.largest_notional):
                yield (
                    f"whale[{i}]: {notional:,.0f} lies beyond the bracket table of "
                    f"{whale.instrument}, {instrument.largest_notional:,}"
                )
            row = [tier for tier in instrument.tiers if float(tier.floor) <= notional][-1]
            if row.leverage is not None and whale.leverage > float(row.leverage):
                yield (
                    f"whale[{i}]: leverage {whale.leverage:g} is above the tier maximum "
                    f"{row.leverage} of {whale.instrument} at {notional:,.0f}"
                )

    def open_interest_of(self, daily_volume: float) -> float:
        """Return the open interest aimed at, one side, for an instrument's daily volume."""
        table = self.open_interest
        part = min(1.0, self.accounts / table.whole_venue_accounts)
        return daily_volume * table.daily_volume_share * part


def load_spec(name: str = "default") -> PopulationSpec:
    """Return a population specification: a built-in name or a path to a TOML file.

    Raises:
        InvalidDocument: Listing every problem of the document.
    """
    content, title = read_extended(name, package=PACKAGE)
    return validated(PopulationSpec, content, title=title)


def drawn_kinds() -> tuple[AccountKind, ...]:
    """Return the kinds that shares are drawn of, in the order of `KindTable.shares`."""
    return (
        AccountKind.DIRECTIONAL,
        AccountKind.HEDGED,
        AccountKind.HEDGE_MODE,
        AccountKind.DELTA_NEUTRAL,
    )


def _require_whole(name: str, shares: tuple[float, ...]) -> None:
    total = sum(shares)
    if abs(total - 1.0) > SHARE_TOLERANCE:
        msg = f"{name}: shares sum to {total:.6g}, not to 1"
        raise ValueError(msg)
