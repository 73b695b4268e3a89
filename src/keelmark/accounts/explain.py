"""Open any number that a check shows to its working, differences from the venue among them."""

from contextlib import suppress
from dataclasses import replace

from keelmark.accounts.account import Account
from keelmark.accounts.check import check
from keelmark.accounts.legs import is_named
from keelmark.accounts.prices import unpriced
from keelmark.accounts.residuals import Residual
from keelmark.core.errors import InvalidInput, nearest
from keelmark.core.explain import explain as explain_number
from keelmark.core.explain import named
from keelmark.core.market import Market
from keelmark.core.numbers import ONE
from keelmark.core.unit import MarginUnit, Position
from keelmark.core.working import Working

RESIDUAL = "residual"


def explain_account(account: Account, number: str, *, unit_id: str | None = None) -> Working:
    """Return the working of one number of an account.

    Args:
        account: From `load_account`.
        number: As `core.explain.explain` takes it, or `residual:NUMBER` of a venue's figure.
        unit_id: The margin unit, where several could be meant.

    Raises:
        InvalidInput: No such number or unit; the message names the nearest.
    """
    kind, _, name = number.partition(":")
    if kind == RESIDUAL:
        return _residual(account, name)
    unit = unit_of(account, unit_id, number)
    return explain_number(unit, _market_of(account, unit, number), account.model, number)


def unit_of(account: Account, unit_id: str | None, number: str) -> MarginUnit:
    """Return the unit a number belongs to: the one named, the one that holds it, or the first.

    Raises:
        InvalidInput: There is no such unit, or no unit at all.
    """
    units = {unit.unit_id: unit for unit in account.units}
    if unit_id is not None:
        if unit_id not in units:
            msg = f"no margin unit {unit_id!r}; {nearest(unit_id, units)}"
            raise InvalidInput(msg)
        return units[unit_id]
    if not units:
        msg = "the account holds nothing: there is no number to explain"
        raise InvalidInput(msg)
    key = named(number).partition(":")[2]
    holders = [u for u in account.units if any(_is_named(p, key) for p in u.positions)]
    return (holders or account.units)[0]


def _is_named(position: Position, key: str) -> bool:
    """Whether what follows the colon of a number is of this position: `ETHUSDT/short.notional`."""
    return is_named(position, key) or is_named(position, key.rpartition(".")[0])


def _market_of(account: Account, unit: MarginUnit, number: str) -> Market:
    """Return the market of a number: positions read no asset price, so a missing one may be any."""
    market = account.market
    if not named(number).startswith("position:"):
        return market
    missing = dict.fromkeys(unpriced(unit, market, account.model), ONE)
    return replace(market, asset_prices={**market.asset_prices, **missing})


def _residual(account: Account, name: str) -> Working:
    """Return why a figure of the venue differs, with the working of ours below it."""
    found = {residual.number: residual for residual in check(account).residuals}
    full = named(name)
    residual = found.get(name) or found.get(full) or found.get(_reported_name(full))
    if residual is None:
        known = nearest(name, found) if found else "the document reports no figure of the venue"
        msg = f"no figure {name!r} of the venue to explain; {known}"
        raise InvalidInput(msg)
    return _residual_working(account, residual)


def _reported_name(name: str) -> str:
    """Return `notional:BTCUSDT` for `position:BTCUSDT.notional`: how a venue's figure is named."""
    symbol, _, part = name.removeprefix("position:").rpartition(".")
    long = {"maintenance": "maintenance_margin", "initial": "initial_margin"}
    return f"{long.get(part, part)}:{symbol}"


def _residual_working(account: Account, residual: Residual) -> Working:
    inputs = [("reported", residual.reported)]
    if residual.computed is not None:
        inputs.append(("computed", residual.computed))
    likely = residual.likely
    if likely is not None:
        inputs += [("then", likely.value), ("explains", likely.explains)]
    texts = dict.fromkeys((residual.likely_reason, residual.form, residual.reason))
    note = "; ".join(filter(None, texts))
    parts: tuple[Working, ...] = ()
    with suppress(InvalidInput):  # the venue reports a figure of what the account does not hold
        parts = (explain_account(account, residual.number),)
    return Working(
        name=f"{RESIDUAL}:{residual.number}",
        value=residual.difference,
        unit="as reported",
        formula="reported - computed",
        inputs=tuple(inputs),
        source="the account document's `venue_reported`",
        note=note,
        parts=parts,
    )
