"""The likeliest way down as one value: the move, how unusual it is, and what would change that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from keelmark.accounts.check_document import JsonTable, decimal_text, statistic_text
from keelmark.accounts.figures import percent
from keelmark.core.liquidation_price import PriceStatus
from keelmark.risk.reverse.proof import PROVED
from keelmark.risk.reverse.sensitivity import AssetSensitivity, LegSensitivity

NAMED_MAX = 4
"""Moves that a sentence names: those with the most standard deviations of their own."""

SMALL = 0.02
"""Moves below this share of the largest, each in its own deviations, go unnamed in a sentence."""


FAR = 10.0
"""Sigmas from which a reader is told what a crash was in them."""

FAR_WORDS = "on 10 October 2025 half of 60 coins fell by 13 of their sigmas and more"
"""Measured over two hours, in deviations of the days before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseStress:
    """The least unusual move that liquidates a unit.

    Attributes:
        status: `price` when found, `none` when no direction tried liquidates.
        unit_id: The margin unit.
        horizon: What a standard deviation spans.
        distance: In standard deviations over `horizon`.
        at_least: No move nearer than this liquidates; `None` where nothing is proved.
        moves: Relative change by coin.
        pegs: Relative change of each collateral asset beyond its coin's.
        volatilities: Relative change of the implied volatilities by coin.
        prices: Marks there, by instrument.
        asset_prices: Prices of collateral there, valuation currency.
        alone: How far each coin, asset or volatility can move while the others stand still, in its
            own standard deviations over `horizon`; `None` where no such move liquidates. Of a
            hedged book one can be less than `distance`: that coins which move together part is
            more unusual than the move of either, and only `distance` counts that.
        weakest: The move of one standard deviation that costs the most excess, as things stand.
        excess_per_sigma: What it costs, valuation currency.
        slopes: Change of the excess at the move found per 1 of each shock.
        legs: What each position does to the distance.
        assets: What each collateral asset does.
        deviations: Standard deviation of each shock over `horizon`.
        still: Assets whose price is read and that stand still: nothing says how they move.
        method: `closed form` where the excess is one plane all the way, else `numeric`;
            `None` where nothing was looked for.
        source: Of the covariance.
        notes: What was assumed.
        reason: For `none`.
    """

    status: PriceStatus
    unit_id: str
    horizon: str
    distance: float | None = None
    at_least: float | None = None
    moves: Mapping[str, Decimal] | None = None
    pegs: Mapping[str, Decimal] = field(default_factory=dict)
    volatilities: Mapping[str, Decimal] = field(default_factory=dict)
    prices: Mapping[str, Decimal] | None = None
    asset_prices: Mapping[str, Decimal] = field(default_factory=dict)
    alone: Mapping[str, float | None] | None = None
    weakest: Mapping[str, float] = field(default_factory=dict)
    excess_per_sigma: float | None = None
    slopes: Mapping[str, float] = field(default_factory=dict)
    legs: tuple[LegSensitivity, ...] = ()
    assets: tuple[AssetSensitivity, ...] = ()
    deviations: Mapping[str, float] = field(default_factory=dict)
    still: tuple[str, ...] = ()
    method: str | None = None
    source: str = ""
    notes: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def is_proved(self) -> bool:
        """Whether no nearer move liquidates."""
        if self.distance is None or self.at_least is None:
            return False
        return self.at_least >= self.distance * PROVED

    @property
    def is_liquidatable_now(self) -> bool:
        """Whether nothing needs to move."""
        return self.distance == 0.0

    @property
    def sentence(self) -> str:
        """The move in one line: `BTC -8.1 %, SOL -14 %, USDE 0.97: a 2.9 sigma day`."""
        if self.distance is None:
            return self.reason or self.status.value
        if self.is_liquidatable_now:
            return "liquidatable as things stand"
        told = self._told()
        named = [text for _, text in sorted(told, key=lambda one: -one[0])[:NAMED_MAX]]
        rest = len(told) - len(named)
        more = f" and {rest} more" if rest else ""
        span = "day" if self.horizon.startswith("a day") else f"move over {self.horizon}"
        article = "an" if f"{self.distance:.1f}".startswith(("8", "11.", "18.")) else "a"
        return f"{', '.join(named)}{more}: {article} {self.distance:.1f} sigma {span}"

    def _told(self) -> list[tuple[float, str]]:
        """Return each move in words with its size in its own deviations; next to none left out."""
        told = [
            (self._own(coin, move), f"{coin} {percent(move, signed=True)}")
            for coin, move in (self.moves or {}).items()
        ]
        told += [
            (self._own(asset, move), f"{asset} {self.asset_prices[asset]:.3g}")
            for asset, move in self.pegs.items()
        ]
        told += [
            (
                self._own(f"{coin} volatility", move),
                f"{coin} volatility {percent(move, signed=True)}",
            )
            for coin, move in self.volatilities.items()
        ]
        least = SMALL * max((far for far, _ in told), default=0.0)
        return [(far, text) for far, text in told if far > least]

    def _own(self, name: str, move: Decimal) -> float:
        deviation = self.deviations.get(name)
        return abs(float(move)) / deviation if deviation else 0.0

    def document(self) -> JsonTable:
        """Return it as JSON; statistics are text with twelve digits."""
        return {
            "status": self.status.value,
            "unit": self.unit_id,
            "is_liquidatable_now": self.is_liquidatable_now,
            "distance": statistic_text(self.distance),
            "at_least": statistic_text(self.at_least),
            "is_proved": self.is_proved,
            "horizon": self.horizon,
            "method": self.method,
            "sentence": self.sentence,
            "moves": _decimals(self.moves or {}),
            "pegs": _decimals(self.pegs),
            "volatilities": _decimals(self.volatilities),
            "prices": _decimals(self.prices or {}),
            "asset_prices": _decimals(self.asset_prices),
            "alone": _statistics(self.alone or {}),
            "weakest": _statistics(self.weakest),
            "excess_per_sigma": statistic_text(self.excess_per_sigma),
            "slopes": _statistics(self.slopes),
            "deviations": _statistics(self.deviations),
            "legs": [leg.document() for leg in self.legs],
            "assets": [asset.document() for asset in self.assets],
            "still": list(self.still),
            "notes": list(self.notes),
            "reason": self.reason,
        }


def _decimals(values: Mapping[str, Decimal]) -> JsonTable:
    return {name: decimal_text(value) for name, value in values.items()}


def _statistics(values: Mapping[str, float | None] | Mapping[str, float]) -> JsonTable:
    return {name: statistic_text(value) for name, value in values.items()}
