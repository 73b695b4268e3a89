"""The machine-readable result of `keelmark check`: decimal strings, three-state prices."""

from datetime import datetime
from decimal import Context, Decimal

from keelmark.accounts.agreement import Likely
from keelmark.accounts.check import AccountCheck
from keelmark.accounts.position import PositionCheck
from keelmark.accounts.residuals import Residual
from keelmark.accounts.snapshot_age import SnapshotAge
from keelmark.accounts.unit_check import UnitCheck
from keelmark.accounts.volatilities import Volatilities, in_sigmas
from keelmark.core.coin_move import CoinMove
from keelmark.core.joint_move import JointMove
from keelmark.core.liquidation_price import LiquidationPrices
from keelmark.core.margin import PositionMargin
from keelmark.core.numbers import exact

JsonValue = None | bool | str | list["JsonValue"] | dict[str, "JsonValue"]
JsonTable = dict[str, JsonValue]

_SHOWN = Context(prec=28)
"""Figures that never end (ratios, solved prices) are cut here, at the edge, half to even."""


def decimal_text(value: Decimal | None) -> str | None:
    """Return a decimal as plain digits without exponent or idle zeros; `None` stays `None`."""
    if value is None:
        return None
    shown = _SHOWN.plus(value)
    text = str(shown)
    text = f"{shown:f}" if "E" in text else text
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def statistic_text(value: float | None) -> str | None:
    """Return a statistic as text with twelve digits; `None` stays `None`."""
    return None if value is None else f"{value:.12g}"


def check_document(check: AccountCheck, unit: UnitCheck | None = None) -> JsonTable:
    """Return the whole result of a check, as the contract of `keelmark check --json` has it.

    Args:
        check: The result.
        unit: Whose totals stand at the top, named by `unit`; the main one where left out. Verdict,
            level, distance and nearest move are the account's.
    """
    with exact():
        return _document(check, unit or check.main)


def _document(check: AccountCheck, main: UnitCheck | None) -> JsonTable:
    account = check.account
    document: JsonTable = {
        "rulebook": account.rulebook.name,
        "as_of": _instant(account.as_of),
        "snapshot": age_document(check.age),
        "verdict": check.verdict.value,
        "is_liquidatable": check.is_liquidatable,
        "distance": decimal_text(check.distance),
        "distance_sigmas": statistic_text(check.sigmas),
        "level": None if check.level is None else check.level.value.lower(),
        "worst_unit": None if check.worst is None else check.worst.unit.unit_id,
        "levels": {
            "red": decimal_text(check.levels.red),
            "amber": decimal_text(check.levels.amber),
        },
    }
    if main is not None:
        document |= unit_document(main)
        document.pop("is_liquidatable_reason", None)
        document |= _liquidatable(check)
        document["nearest_move"] = nearest_document(check.nearest_unit)
    document["volatility"] = volatility_document(check.volatilities)
    document["positions"] = [position_document(p) for p in check.positions]
    nothing = joint_move_document(None)
    document |= {"joint_move": nothing, "coin_moves": [], "adverse_move": nothing}
    document |= {} if main is None else _moves(check, main)
    document["residuals"] = [residual_document(r) for r in check.residuals]
    document["notes"] = list(account.notes)
    if len(check.units) > 1:
        document["units"] = [
            {
                **unit_document(u),
                "level": u.level(check.levels).value.lower(),
                "distance": decimal_text(u.distance),
                "nearest_move": nearest_document(u),
                **_moves(check, u),
            }
            for u in check.units
        ]
    return document


def age_document(age: SnapshotAge) -> JsonTable:
    """Return how old a document is; no age where it gives no instant, or the past is meant."""
    seconds = None if age.age is None else str(int(age.age.total_seconds()))
    return {
        "as_of": _instant(age.as_of),
        "prices_as_of": _instant(age.prices_as_of),
        "historical": age.historical,
        "age_seconds": seconds,
        "max_age_seconds": str(int(age.max_age.total_seconds())),
        "is_stale": age.is_stale,
        "warnings": list(age.warnings),
    }


def _instant(time: datetime | None) -> str | None:
    return None if time is None else f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _moves(check: AccountCheck, unit: UnitCheck) -> JsonTable:
    """Return the joint moves of a unit and those of its coins, with their standard deviations."""
    joint = unit.joint_move
    far = in_sigmas(None if joint is None else joint.signed, unit.together)
    deviations = unit.coin_deviations
    coins: list[JsonValue] = [
        coin_move_document(c)
        | {"distance_sigmas": statistic_text(in_sigmas(c.distance, deviations.get(c.coin.name)))}
        for c in unit.coin_moves
    ]
    whole = joint_move_document(joint) | {"distance_sigmas": statistic_text(far)}
    reason = "no two coins of the unit cost it in opposite directions"
    adverse = joint_move_document(check.adverse_move(unit), reason)
    return {"joint_move": whole, "coin_moves": coins, "adverse_move": adverse}


def volatility_document(found: Volatilities | None) -> JsonTable | None:
    """Return what distances are told in standard deviations by."""
    if found is None:
        return None
    return {
        "source": found.source,
        "horizon": found.horizon,
        "has_covariance": found.has_covariance,
        "by_coin": {coin: statistic_text(deviation) for coin, deviation in found.by_coin.items()},
    }


def unit_document(unit: UnitCheck) -> JsonTable:
    """Return the totals of a unit; ratios that do not exist are null with their reason."""
    report = unit.report
    table: JsonTable = {"unit": unit.unit.unit_id, "currency": unit.currency}
    if report is None:
        return table | _unknown_totals(unit)
    table |= {
        "equity": decimal_text(report.equity),
        "initial_margin": decimal_text(report.initial_margin),
        "liquidation_end_margin": decimal_text(report.liquidation_end_margin),
        "maintenance_margin": decimal_text(report.maintenance_margin),
        "excess": decimal_text(report.maintenance_excess),
        "available": decimal_text(report.available),
        "withdrawable": decimal_text(report.withdrawable),
        "is_liquidatable": report.is_liquidatable,
        "reason": None,
    }
    ratios_of = {
        "margin_ratio": report.margin_ratio,
        "health": report.health,
        "utilisation": report.utilisation,
        "effective_leverage": report.effective_leverage,
    }
    for name, ratio in ratios_of.items():
        table[name] = decimal_text(ratio.value)
        if ratio.reason is not None:
            table[f"{name}_reason"] = ratio.reason
    return table


def _unknown_totals(unit: UnitCheck) -> JsonTable:
    """Return the totals that are known without a report; the others are null with the reason."""
    requirements = ("initial_margin", "liquidation_end_margin", "maintenance_margin")
    ratios = ("margin_ratio", "health", "utilisation", "effective_leverage")
    names = ("equity", *requirements, "excess", *ratios, "available", "withdrawable")
    table: JsonTable = {name: decimal_text(unit.total(name)) for name in names}
    table["is_liquidatable"] = None
    reasons = {f"{name}_reason": unit.reason for name, value in table.items() if value is None}
    return {**table, **reasons, "reason": unit.reason}


def _liquidatable(check: AccountCheck) -> JsonTable:
    """Return whether any unit is; null, with what is missing, where that is unknown."""
    found = check.is_liquidatable
    reasons = [unit.reason for unit in check.units if unit.is_liquidatable is None]
    reason = {"is_liquidatable_reason": reasons[0]} if found is None else {}
    return {"is_liquidatable": found, **reason}


def position_document(position: PositionCheck) -> JsonTable:
    """Return one position, amounts in its settle asset."""
    held = position.held
    row = None if position.missing else held.maintenance
    missing = {"requirements_reason": position.missing} if position.missing else {}
    return {
        "instrument": held.position.instrument,
        "unit": position.unit_id,
        "side": "long" if held.position.size > 0 else "short",
        "size": decimal_text(held.position.size),
        "settle": held.settle,
        "mark_price": decimal_text(held.mark_price),
        "notional": decimal_text(held.exposure),
        **_option_figures(held),
        "entry_value": decimal_text(abs(held.position.cost)),
        "unrealized_pnl": decimal_text(held.unrealized_pnl),
        "return_on_margin": decimal_text(position.return_on_margin),
        "close_fee": decimal_text(held.close_fee),
        "initial_margin": decimal_text(position.initial_margin),
        "maintenance_margin": decimal_text(position.maintenance_margin),
        "maintenance_rate": None if row is None else decimal_text(row.rate),
        "maintenance_amount": None if row is None else decimal_text(row.deduction),
        **missing,
        "bankruptcy_price": price_document(position.bankruptcy),
        "liquidation_price": price_document(position.liquidation),
        "recovers": position.recovers,
        "distance": decimal_text(position.distance),
        "distance_sigmas": statistic_text(position.sigmas),
        "naive_price": decimal_text(position.naive),
        "naive_distance": decimal_text(position.naive_distance),
        "naive_misleads": position.is_misleading,
    }


def _option_figures(held: PositionMargin) -> JsonTable:
    """Return what only an option has: its value, and the prices of its underlying."""
    facts = held.option
    if facts is None:
        return {}
    instrument = held.terms.instrument
    payoff = instrument.payoff
    return {
        "value": decimal_text(held.value),
        "strike": None if payoff is None else decimal_text(payoff.strike),
        "right": None if payoff is None else payoff.right.value,
        "expiry": f"{instrument.expiry:%Y-%m-%dT%H:%M:%SZ}",
        "underlying_price": decimal_text(facts.forward),
        "index_price": decimal_text(facts.index),
    }


def price_document(price: LiquidationPrices) -> JsonTable:
    """Return a three-state price."""
    underlying = {} if price.underlying is None else {"of": "underlying"}
    return {
        "status": price.status.value,
        "value": decimal_text(price.value),
        "others": [decimal_text(other) for other in price.others],
        "reason": price.reason,
        **underlying,
    }


def nearest_document(unit: UnitCheck | None) -> JsonTable | None:
    """Return the nearest liquidating move; without instrument and coin it is all together."""
    move = None if unit is None else unit.nearest
    if unit is None or move is None:
        return None
    return {
        "unit": unit.unit.unit_id,
        "instrument": move.instrument,
        "coin": move.coin,
        "distance": decimal_text(move.distance),
        "distance_sigmas": statistic_text(move.sigmas),
        "sigma_of": None if move.sigmas is None else move.sigma_of,
    }


def coin_move_document(found: CoinMove) -> JsonTable:
    """Return how far one coin can move, everything on it and its own price together."""
    move = found.move
    prices = {name: decimal_text(price) for name, price in (move.prices or {}).items()}
    return {
        "coin": found.coin.name,
        "direction": "down" if found.step < 0 else "up",
        "moves": [*found.coin.symbols, *([found.coin.name] if found.coin.is_held else [])],
        "status": move.status.value,
        "size": decimal_text(move.size),
        "distance": decimal_text(found.distance),
        "prices": dict(prices) or None,
        "reason": move.reason,
    }


def joint_move_document(
    move: JointMove | None, reason: str = "the unit holds no position"
) -> JsonTable:
    """Return a joint move; sizes multiply the direction. The reason is of none at all."""
    if move is None:
        return {"status": "none", "direction": {}, "size": None, "prices": None, "reason": reason}
    prices = {symbol: decimal_text(price) for symbol, price in (move.prices or {}).items()}
    return {
        "status": move.status.value,
        "direction": {symbol: decimal_text(step) for symbol, step in move.direction.items()},
        "size": decimal_text(move.size),
        "prices": dict(prices) or None,
        "reason": move.reason,
    }


def residual_document(residual: Residual) -> JsonTable:
    """Return a reported figure beside ours."""
    return {
        "number": residual.number,
        "reported": decimal_text(residual.reported),
        "computed": decimal_text(residual.computed),
        "difference": decimal_text(residual.difference),
        "matches": residual.matches,
        "reason": residual.reason,
        "form": residual.form,
        "likely_reason": residual.likely_reason,
        **_likely_document(residual.likely),
    }


def _likely_document(likely: Likely | None) -> JsonTable:
    """Return what the likeliest reason achieves; nulls where none was found or looked for."""
    if likely is None:
        names = ("likely_code", "is_fitted", "explains", "then", "figures_matched")
        return dict.fromkeys(names)
    return {
        "likely_code": likely.code,
        "is_fitted": likely.is_fitted,
        "explains": decimal_text(likely.explains),
        "then": decimal_text(likely.value),
        "figures_matched": [str(number) for number in likely.confirmed],
    }
