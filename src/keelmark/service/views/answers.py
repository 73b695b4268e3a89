"""What the commands of the desk answer, of an account that was found: their `--json`, with where.

Each is the document of the command of the same name, made by the same functions; `position` and
`time` say of which moment.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import msgspec

from keelmark.accounts.check import check
from keelmark.accounts.check_document import age_document, check_document
from keelmark.accounts.decode import decimal_of
from keelmark.accounts.explain import explain_account, unit_of
from keelmark.accounts.explain_document import explain_document, numbers_document
from keelmark.accounts.snapshot_age import SnapshotAge
from keelmark.accounts.volatilities import Volatilities
from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ZERO
from keelmark.risk.edit_text import parse_edit
from keelmark.risk.edits import Edit, SetVenue
from keelmark.risk.ladders import SPAN, ladder
from keelmark.risk.rescues import Action, Money, RescueOptions, Target, rescue
from keelmark.risk.rescues.document import rescue_document
from keelmark.risk.rescues.rescue import DEFAULT_TARGET
from keelmark.risk.surfaces import surface
from keelmark.risk.what_if import whatif
from keelmark.risk.whatif_document import whatif_document
from keelmark.service.views.desk import Found
from keelmark.service.views.figures import Json, maybe_instant
from keelmark.service.views.standing_in import coins_known, standing_in

LADDER_STEPS, LADDER_STEPS_MAX = 41, 201
SURFACE_STEPS, SURFACE_STEPS_MAX = 21, 41
EDITS_MAX = 20
PATHS, PATHS_MAX = 10_000, 50_000
NAME_MAX = 200
HORIZON_MAX_DAYS = 30.0


def placed(found: Found, document: Mapping[str, object]) -> Json:
    """Return a document with where and when the account was found, and what to know of that."""
    age = SnapshotAge.of(found.account.document, found.freshness)
    return {
        "position": found.position,
        "time": maybe_instant(found.time_ms),
        "account": found.name,
        "snapshot": age_document(age),
        **document,
    }


def checked(found: Found) -> Json:
    """Return what `keelmark check --json` says."""
    return placed(found, check_document(check(found.account, freshness=found.freshness)))


def explained(found: Found, figure: str = "", unit: str | None = None) -> Json:
    """Return what `keelmark explain --json` says: of a figure, or which figures there are.

    Raises:
        InvalidInput: There is no such figure or unit.
        MissingNumber: The margin of the unit is unknown.
    """
    _require_name("figure", figure)
    _require_name("unit", unit)
    account = found.account
    if not figure:
        return placed(found, numbers_document(account, unit_of(account, unit, "")))
    working = explain_account(account, figure, unit_id=unit)
    return placed(found, explain_document(account, working))


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of moves.

    Attributes:
        low: Lowest relative move.
        high: Highest.
        steps: Of the grid.
        unit: Margin unit; the one that holds what moves where left out.
    """

    low: Decimal = -SPAN
    high: Decimal = SPAN
    steps: int = LADDER_STEPS
    unit: str | None = None

    def require(self, steps_max: int) -> None:
        """Refuse what nobody would wait for, or draw.

        Raises:
            InvalidInput: Naming the bound.
        """
        _require_name("unit", self.unit)
        if not 2 <= self.steps <= steps_max:  # noqa: PLR2004 two ends
            msg = f"steps={self.steps}: 2 to {steps_max} are drawn"
            raise InvalidInput(msg)
        for name, value in (("low", self.low), ("high", self.high)):
            if not (value.is_finite() and abs(value) <= 10):  # noqa: PLR2004 eleven times the price
                msg = f"{name}={value}: a relative move between -1 and 10"
                raise InvalidInput(msg)


def laddered(found: Found, along: str, span: Span) -> Json:
    """Return what `keelmark ladder --json` says; raises as `risk.ladders.ladder`."""
    _require_name("along", along)
    span.require(LADDER_STEPS_MAX)
    drawn = ladder(
        found.account,
        along or "all",
        unit_id=span.unit,
        low=span.low,
        high=span.high,
        steps=span.steps,
    )
    return placed(found, drawn.document())


def surfaced(found: Found, x: str, y: str, span: Span) -> Json:
    """Return what `keelmark surface --json` says; raises as `risk.surfaces.surface`."""
    for name, value in (("x", x), ("y", y)):
        _require_name(name, value)
    span.require(SURFACE_STEPS_MAX)
    drawn = surface(
        found.account, x, y, unit_id=span.unit, span=(span.low, span.high), steps=span.steps
    )
    return placed(found, drawn.document())


def edited(found: Found, edits: Sequence[str], fee: Decimal | None = None) -> Json:
    """Return what `keelmark whatif --json` says of edits, each in its words.

    Raises:
        InvalidInput: An edit cannot be read or made; or no document can say what the book holds.
    """
    _require_editable(found)
    if len(edits) > EDITS_MAX:
        msg = f"{len(edits)} edits; at most {EDITS_MAX} are made at once"
        raise InvalidInput(msg)
    if fee is not None and not 0 <= fee < 1:
        msg = f"fee={fee}: a fraction of notional from 0 to below 1, such as 0.0005"
        raise InvalidInput(msg)
    read = [_edit(text) for text in edits]
    both = whatif(found.account, *read, fee_rate=fee, freshness=found.freshness)
    return placed(found, whatif_document(both))


def _edit(text: str) -> Edit:
    """Return an edit; files of the machine are none of the caller's.

    Raises:
        InvalidInput: It cannot be read, or names a rulebook by a path.
    """
    _require_name("an edit", text)
    edit = parse_edit(text)
    if isinstance(edit, SetVenue) and not _VENUE.fullmatch(edit.reference):
        msg = f"edit {text!r}: name a built-in rulebook, such as `venue generic@2025-10`"
        raise InvalidInput(msg)
    return edit


_VENUE = re.compile(r"[a-z0-9-]*(@[0-9-]+)?")
"""A built-in rulebook, with or without its date; never a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a rescue is asked for.

    Attributes:
        ratio: Maintenance over equity to get down to.
        distance: No move below this liquidates.
        unit: Margin unit; the one in most need where left out.
        allow: Actions that may be used; all where left out.
        deposits: Assets that can come in, with a limit or none.
        wallet: What lies ready, by asset.
        kept: Instruments that are left alone.
        toxic: Whether closes may cost more than they free.
    """

    ratio: Decimal | None = None
    distance: Decimal | None = None
    unit: str | None = None
    allow: Sequence[str] | None = None
    deposits: Mapping[str, Decimal | None] | None = None
    wallet: Mapping[str, Decimal] | None = None
    kept: Sequence[str] = ()
    toxic: bool = False

    @property
    def target(self) -> Target:
        """The target: as asked, else out of red and half of equity in use."""
        if self.ratio is not None and self.distance is not None:
            msg = "target and distance are two questions; ask one of them"
            raise InvalidInput(msg)
        if self.distance is not None:
            return Target.distance(self.distance)
        return DEFAULT_TARGET if self.ratio is None else Target.ratio(self.ratio)

    @property
    def options(self) -> RescueOptions:
        """What may be used."""
        actions = list(Action) if self.allow is None else [_action(name) for name in self.allow]
        given = (self.deposits or {}).items()
        return RescueOptions(
            actions=frozenset(actions),
            deposits=tuple(Money(asset=asset, amount_max=most) for asset, most in given),
            wallet=dict(self.wallet or {}),
            kept=frozenset(self.kept),
            toxic=self.toxic,
        )


def _action(name: str) -> Action:
    if name not in list(Action):
        msg = f"allow {name!r}: known are {', '.join(Action)}"
        raise InvalidInput(msg)
    return Action(name)


def rescued(found: Found, wish: Wish) -> Json:
    """Return what `keelmark rescue --json` says.

    Raises:
        InvalidInput: The target or an option is none; or no document can say what the book holds.
        MissingNumber: A number the margin of the unit reads is not known.
        MissingExtra: The plan needs the solver, and it is not installed.
    """
    _require_editable(found)
    _require_name("unit", wish.unit)
    plan = rescue(found.account, wish.target, unit=wish.unit, options=wish.options)
    return placed(found, rescue_document(plan))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """What is asked of losses and chances.

    Attributes:
        horizon: Of the losses; chances are told by a week too.
        level: Of confidence.
        volatilities: Standard deviation of a day by coin; the built-in table where left out.
        paths: Drawn.
        seed: Of the draws.
        unit: One unit alone.
        like: Coins that the table does not know, by the coin they move like; `*` every other.
    """

    horizon: timedelta = timedelta(days=1)
    level: float = 0.99
    volatilities: Mapping[str, float] | None = None
    paths: int = PATHS
    seed: int = 0
    unit: str | None = None
    like: Mapping[str, str] = field(default_factory=dict)

    def require(self) -> None:
        """Refuse what nobody would wait for.

        Raises:
            InvalidInput: Naming the bound.
        """
        _require_name("unit", self.unit)
        days = self.horizon / timedelta(days=1)
        if not 0.0 < days <= HORIZON_MAX_DAYS:
            msg = f"horizon={days:g} days: above 0, up to {HORIZON_MAX_DAYS:g} days"
            raise InvalidInput(msg)
        if not 0.5 <= self.level < 1.0:  # noqa: PLR2004 a tail
            msg = f"level={self.level}: a fraction from 0.5 to below 1, such as 0.99"
            raise InvalidInput(msg)
        if not 1_000 <= self.paths <= PATHS_MAX:  # noqa: PLR2004 as the command
            msg = f"paths={self.paths}: 1,000 to {PATHS_MAX:,}"
            raise InvalidInput(msg)


def risked(found: Found, chance: Chance) -> Json:
    """Return what `keelmark risk --json` says by the built-in table, with `probability` by horizon.

    Under volatilities of one's own the probabilities alone are told: what is lost takes a law.
    `standing_in` says which coin was taken for one that the table does not know.

    Raises:
        InvalidInput: What is asked is out of range, or the account holds nothing.
        MissingNumber: A number the margin reads is not known.
        MissingExtra: scipy is not installed.
    """
    from keelmark.risk.liquidation import ProbabilityOptions, liquidation_probability  # noqa: PLC0415 heavy
    from keelmark.risk.tail.account_risk import RiskOptions, risk_of  # noqa: PLC0415 heavy
    from keelmark.risk.tail.beside import beside_of, whole_document  # noqa: PLC0415 heavy

    chance.require()
    days = chance.horizon / timedelta(days=1)
    if chance.volatilities is not None:
        known = Volatilities(by_coin=chance.volatilities, source="as given")
        told = liquidation_probability(
            found.account,
            known,
            horizons=sorted({days, *HORIZONS}),
            options=ProbabilityOptions(seed=chance.seed, paths=chance.paths),
        )
        return placed(
            found,
            {"rulebook": found.account.rulebook.name, "liquidation": {"as given": told.document()}},
        )
    like = standing_in(found.account, chance.like)
    options = RiskOptions(
        level=chance.level,
        days=days,
        paths=chance.paths,
        seed=chance.seed,
        unit_id=chance.unit,
        like=like,
    )
    lost = risk_of(found.account, None, options)
    told = msgspec.to_builtins(whole_document(lost, beside_of(found.account, lost)))
    for other in told["beside"].values():
        if "reason" in other:
            other["reason"] = other["reason"].replace(*WITHOUT_HISTORY)
    return placed(found, {**told, "standing_in": like, "coins_known": coins_known()})


WITHOUT_HISTORY = (": give --returns BARS", ", and the service keeps none")
"""What the command line says and what is said here."""


HORIZONS = (1.0, 7.0)
"""Days that chances are told by beside the horizon asked for."""


# --- what is asked ------------------------------------------------------------------------------


def number(name: str, text: str, *, least: Decimal | None = None) -> Decimal:
    """Return a number written as 0.5 or 50%.

    Raises:
        InvalidInput: It is none, or below the least.
    """
    written_out = text.strip()
    found = decimal_of(written_out.removesuffix("%").strip()) if len(written_out) <= 40 else None  # noqa: PLR2004
    if found is None or not found.is_finite() or (least is not None and found < least):
        shown = text[:40]
        msg = f"{name}={shown!r}: a decimal number is needed, such as 0.5 or 50%"
        raise InvalidInput(msg)
    return found / 100 if written_out.endswith("%") else found


_UNITS = {"m": 60, "h": 3_600, "d": 86_400}


def horizon(text: str) -> timedelta:
    """Return a horizon written as 8h, 1d or 10d.

    Raises:
        InvalidInput: It is none.
    """
    unit, amount = text[-1:], text[:-1]
    if unit not in _UNITS or not amount.isascii() or not amount.isdigit() or len(amount) > 5:  # noqa: PLR2004
        msg = f"horizon={text[:40]!r}: write 8h, 1d or 10d"
        raise InvalidInput(msg)
    return timedelta(seconds=int(amount) * _UNITS[unit])


def deviations(pairs: Sequence[str]) -> dict[str, float] | None:
    """Return volatilities written as BTC=0.03 or BTC=3%; nothing where none are given.

    Raises:
        InvalidInput: One is none.
    """
    if len(pairs) > 200:  # noqa: PLR2004 more coins than anybody holds
        msg = f"{len(pairs)} volatilities; name those of the coins that are held"
        raise InvalidInput(msg)
    found = {}
    for pair in pairs:
        coin, sign, text = pair.partition("=")
        deviation = number("vol", text, least=ZERO) if sign and coin else ZERO
        if not 0 < deviation < 10:  # noqa: PLR2004 a thousand per cent a day
            msg = f"vol={pair[:40]!r}: write COIN=0.03 or COIN=3%, the deviation of a day"
            raise InvalidInput(msg)
        found[coin] = float(deviation)
    return found or None


def _require_name(name: str, text: str | None) -> None:
    if text is not None and len(text) > NAME_MAX:
        msg = f"{name}: {len(text)} characters, at most {NAME_MAX} are read"
        raise InvalidInput(msg)


def _require_editable(found: Found) -> None:
    if found.uneditable is not None:
        msg = f"account {found.name} cannot be edited here: {found.uneditable}"
        raise InvalidInput(msg)
