"""Open any number of a unit's margin to its working.

Source: docs/model.md, one row per formula.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Context, Decimal

from keelmark.core.bankruptcy import bankruptcy_prices
from keelmark.core.coin_move import (
    carries_coin,
    coin_moves,
    coin_path,
    coins_of,
    prices_with_coin,
)
from keelmark.core.errors import InvalidInput, nearest
from keelmark.core.joint_move import joint_moves, moved_market, nearest_joint_move, nearness
from keelmark.core.liquidation_price import LiquidationPrices, liquidation_prices
from keelmark.core.margin import AssetMargin, MarginReport, PositionMargin, Ratio, margin_report
from keelmark.core.market import Market
from keelmark.core.model import MarginModel, MarginPrice, MarginPurpose, Trigger
from keelmark.core.naive import distance_of, naive_price
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.order_working import order_working
from keelmark.core.underlying_price import REACH, market_there, moves_together
from keelmark.core.unit import MarginUnit
from keelmark.core.working import (
    POSITION_WORKINGS,
    Working,
    collateral_working,
    group_working,
    initial_working,
    leg_name,
    maintenance_working,
)

FRACTION = "fraction"
_SHOWN = Context(prec=18)  # of numbers in notes
_RECOVERS = "liquidatable now: beyond this price it is healthy again"


@dataclass(frozen=True, slots=True)
class _Scene:
    """What every working reads."""

    unit: MarginUnit
    market: Market
    model: MarginModel
    report: MarginReport

    @property
    def currency(self) -> str:
        """What totals are in: the unit's own asset where a venue margins each by itself."""
        if self.model.single_asset and self.report.assets:
            return self.report.assets[0].asset
        return self.model.valuation


def explain(unit: MarginUnit, market: Market, model: MarginModel, number: str) -> Working:
    """Return the working of one number of a unit's margin.

    Args:
        unit: The margin unit.
        market: The snapshot.
        model: The venue's terms.
        number: One of `explainable`; a bare word such as `maintenance` is understood.

    Raises:
        InvalidInput: No such number; the message names the nearest.
    """
    scene = _Scene(unit, market, model, margin_report(unit, market, model))
    name = named(number)
    with exact():
        if name in TOTALS:
            return TOTALS[name](scene)
        kind, _, rest = name.partition(":")
        rest = _symbol_of(scene, rest) if kind in PRICES else rest
        found = KEYED[kind](scene, rest) if kind in KEYED and rest else None
    if found is None:
        msg = (
            f"no number {number!r} to explain; {nearest(number, explainable(scene.report, model))}"
        )
        raise InvalidInput(msg)
    return found


def _symbol_of(scene: _Scene, key: str) -> str:
    """Return the instrument of a held leg such as `BTCUSDT/long`: both legs share its prices."""
    legs = {leg_name(held): held.position.instrument for held in scene.report.positions}
    return legs.get(key, key)


def named(number: str) -> str:
    """Return the full name of a number: `maintenance:BTCUSDT` is the position's own."""
    name = ALIASES.get(number, number)
    kind, _, symbol = name.partition(":")
    kind = PRICE_ALIASES.get(kind, kind)
    part = PART_ALIASES.get(kind, kind)
    if symbol and kind not in KEYED and part in POSITION_WORKINGS:
        return f"position:{symbol}.{part}"
    return f"{kind}:{symbol}" if symbol else name


def explainable(report: MarginReport, model: MarginModel | None = None) -> tuple[str, ...]:
    """Return every number of a report that can be explained; moves of coins under its model."""
    coins = () if model is None else coins_of(report.unit, model)
    symbols = dict.fromkeys(p.position.instrument for p in report.positions)
    has_options = any(p.option is not None for p in report.positions)
    prices = [kind for kind in PRICES if not (has_options and kind == "naive_price")]
    return (
        *TOTALS,
        *(f"coin_move:{coin.name}" for coin in coins),
        *(f"{kind}:{symbol}" for kind in prices for symbol in symbols),
        *(f"position:{leg_name(p)}.{part}" for p in report.positions for part in POSITION_WORKINGS),
        *(f"asset:{asset.asset}.collateral_value" for asset in report.assets),
    )


def _total(scene: _Scene, name: str, value: Decimal | None, formula: str) -> Working:
    return Working(
        name=name,
        value=value,
        unit=scene.currency,
        formula=formula,
        source=scene.model.name,
    )


def _equity(scene: _Scene, *, initial: bool = False) -> Working:
    report = scene.report
    value = report.equity_initial if initial else report.equity
    parts = tuple(_collateral(scene, asset, initial=initial) for asset in report.assets)
    capped = sum((p.value or ZERO for p in parts), ZERO) - value
    base = _total(
        scene,
        "equity_initial" if initial else "equity",
        value,
        "sum of collateral values - profit beyond the cap",
    )
    note = f"{_SHOWN.plus(capped):f} of positive profit lies beyond the cap" if capped else ""
    inputs = (("profit beyond the cap", capped),)
    return replace(base, parts=parts, note=note, inputs=inputs)


def _collateral(scene: _Scene, asset: AssetMargin, *, initial: bool) -> Working:
    terms = scene.model.asset_in(scene.unit.kind, asset.asset)
    return replace(collateral_working(asset, terms, initial=initial), unit=scene.currency)


def _requirement(scene: _Scene, *, initial: bool) -> Working:
    report = scene.report
    work: Callable[[PositionMargin], Working] = initial_working if initial else maintenance_working
    loans = tuple(_loan_and_orders(scene, initial=initial))
    groups = (group_working(g, scene.model.name, initial=initial) for g in report.groups)
    return replace(
        _total(
            scene,
            "initial_margin" if initial else "maintenance_margin",
            report.initial_margin if initial else report.maintenance_margin,
            "sum over positions, open orders and debts of requirement * price of its asset",
        ),
        inputs=tuple(
            (f"{'price' if asset.ask == ONE else 'ask'} of {asset.asset}", asset.required_price)
            for asset in report.assets
        ),
        note=_order_note(report) if initial else "",
        parts=(*(work(held) for held in report.positions), *groups, *loans),
    )


def _order_note(report: MarginReport) -> str:
    """Say where the venue's own requirements break their order; empty where they keep it."""
    end = report.liquidation_end_margin
    if report.equity_initial - report.initial_margin <= report.equity - end:
        return ""
    return (
        f"the venue's own number, as it stands; a liquidation ends at {_SHOWN.plus(end):f}, "
        "which asks more, so what may be opened and withdrawn is decided by that (INV-05)"
    )


def _loan_and_orders(scene: _Scene, *, initial: bool) -> list[Working]:
    """Return what an asset's requirement holds beyond its positions: orders and loan margin."""
    found: list[Working] = []
    for asset in scene.report.assets:
        held = [p for p in scene.report.positions if p.settle == asset.asset]
        own = [p.initial_margin if initial else p.maintenance_margin for p in held]
        groups = (g for g in scene.report.groups if g.settle == asset.asset)
        own += [g.initial if initial else g.maintenance for g in groups]
        rest = (asset.initial_margin if initial else asset.maintenance_margin) - sum(own, ZERO)
        on_loan = asset.loan_margin_initial if initial else asset.loan_margin
        if on_loan:
            found.append(_loan_margin(scene, asset, initial=initial))
            rest -= on_loan
        for orders in (o for o in scene.report.orders if o.settle == asset.asset):
            terms = scene.model.instrument(orders.orders.instrument)
            work = order_working(orders, scene.report.positions, terms, initial=initial)
            if initial or work.value:
                found.append(work)
                rest -= work.value or ZERO
        if rest:
            base = _total(scene, f"asset:{asset.asset}.debts", rest, "loan rate times debt")
            found.append(replace(base, unit=asset.asset))
    return found


def _loan_margin(scene: _Scene, asset: AssetMargin, *, initial: bool) -> Working:
    """Return how the margin on a gross loan came about, in the asset."""
    terms = scene.model.asset_in(scene.unit.kind, asset.asset)
    purpose = MarginPurpose.INITIAL if initial else MarginPurpose.MAINTENANCE
    name = f"asset:{asset.asset}.loan_margin{'_initial' if initial else ''}"
    value = asset.loan_margin_initial if initial else asset.loan_margin
    return Working(
        name=name,
        value=value,
        unit=asset.asset,
        formula="loan * rate, on all that is borrowed however much is held",
        inputs=(("loan", asset.loan), ("rate", terms.gross_loan_rate_for(purpose))),
        source=terms.source,
    )


def _liquidation_end(scene: _Scene) -> Working:
    base = _total(
        scene,
        "liquidation_end_margin",
        scene.report.liquidation_end_margin,
        "maintenance_margin * liquidation_end",
    )
    inputs = (("liquidation_end", scene.model.liquidation_end),)
    note = "more than the initial margin" if _order_note(scene.report) else ""
    return replace(base, inputs=inputs, note=note, parts=(_requirement(scene, initial=False),))


def _excess(scene: _Scene, purpose: MarginPurpose) -> Working:
    report = scene.report
    value = report.excess(purpose)
    raw = {
        MarginPurpose.INITIAL: report.equity_initial - report.initial_margin,
        MarginPurpose.LIQUIDATION_END: report.equity - report.liquidation_end_margin,
        MarginPurpose.MAINTENANCE: report.equity - report.trigger_level * report.maintenance_margin,
    }[purpose]
    note = _trigger_note(scene.model.trigger) if purpose is MarginPurpose.MAINTENANCE else ""
    if value != raw:
        note = (
            f"the venue's own numbers give {_SHOWN.plus(raw):f}; they break the order initial "
            "<= liquidation end <= maintenance (INV-05), so decisions use the smaller excess"
        )
    initial = purpose is MarginPurpose.INITIAL
    requirement = (
        _liquidation_end(scene)
        if purpose is MarginPurpose.LIQUIDATION_END
        else _requirement(scene, initial=initial)
    )
    name = "excess" if purpose is MarginPurpose.MAINTENANCE else f"excess:{purpose.value}"
    level = ""
    inputs: tuple[tuple[str, Decimal], ...] = ()
    if purpose is MarginPurpose.MAINTENANCE and report.trigger_level != ONE:
        level, inputs = "trigger_level * ", (("trigger_level", report.trigger_level),)
    base = _total(scene, name, value, f"equity - {level}{requirement.name}")
    return replace(
        base, note=note, inputs=inputs, parts=(_equity(scene, initial=initial), requirement)
    )


def _trigger_note(trigger: Trigger) -> str:
    word = "below" if trigger is Trigger.BELOW else "at or below"
    return f"liquidatable when the excess is {word} zero"


def _ratio(scene: _Scene, name: str, ratio: Ratio, formula: str, *parts: Working) -> Working:
    base = _total(scene, name, ratio.value, formula)
    return replace(base, unit=FRACTION, note=ratio.reason or "", parts=parts)


def _margin_ratio(scene: _Scene) -> Working:
    parts = (_requirement(scene, initial=False), _equity(scene))
    ratio = scene.report.margin_ratio
    return _ratio(scene, "margin_ratio", ratio, "maintenance_margin / equity", *parts)


def _health(scene: _Scene) -> Working:
    parts = (_equity(scene), _requirement(scene, initial=False))
    return _ratio(scene, "health", scene.report.health, "equity / maintenance_margin", *parts)


def _utilisation(scene: _Scene) -> Working:
    parts = (_requirement(scene, initial=True), _equity(scene))
    return _ratio(scene, "utilisation", scene.report.utilisation, "initial_margin / equity", *parts)


def _leverage(scene: _Scene) -> Working:
    parts = tuple(POSITION_WORKINGS["notional"](held) for held in scene.report.positions)
    formula = "sum of notional * price of its asset / equity"
    ratio = scene.report.effective_leverage
    return _ratio(scene, "effective_leverage", ratio, formula, *parts, _equity(scene))


def _available(scene: _Scene) -> Working:
    base = _total(scene, "available", scene.report.available, "max(0, excess:initial)")
    part = _excess(scene, MarginPurpose.INITIAL)
    return replace(base, parts=(part,), note=part.note)


def _withdrawable(scene: _Scene) -> Working:
    report = scene.report
    leaves, stays = report.withdraws_profit, report.margin_to_stay
    formula = "min(excess:initial, equity_initial - margin to stay)" if stays else "excess:initial"
    formula += "" if leaves else " - profit"
    base = _total(scene, "withdrawable", report.withdrawable, f"max(0, {formula})")
    part = _excess(scene, MarginPurpose.INITIAL)
    inputs = (("margin to stay", stays),) if stays else ()
    profits = () if leaves else (("profit", report.profit),)
    return replace(base, parts=(part,), inputs=(*inputs, *profits), note=part.note)


def _joint_move(scene: _Scene) -> Working:
    formula = "smallest x with excess(mark * (1 + direction * x)) at the trigger"
    base = replace(_total(scene, "joint_move", None, formula), unit=FRACTION)
    move = nearest_joint_move(joint_moves(scene.unit, scene.market, scene.model))
    if move is None:
        return replace(base, note="the unit holds no position and owes nothing")
    if move.size is None:
        return replace(base, note=move.reason or "")
    prices = tuple((f"price of {s}", p) for s, p in (move.prices or {}).items())
    step = next(iter(move.direction.values()))
    way = "falls" if step < ZERO else "rises"
    note = f"every contract and every coin held or owed {way} by this fraction together"
    there = moved_market(scene.unit, move, scene.market, scene.model)
    return replace(base, value=move.signed, inputs=prices, note=note, parts=(_at(scene, there),))


def _coin_move(scene: _Scene, name: str) -> Working | None:
    """Return the nearer of a coin falling and rising, everything on it and its price together."""
    moves = coin_moves(scene.report, scene.market, scene.model)
    own = [found for found in moves if found.coin.name == name]
    if not own:
        return None
    formula = f"smallest x with excess at the trigger, {own[0].coin.words} moved by x"
    base = replace(_total(scene, f"coin_move:{name}", None, formula), unit=FRACTION)
    known = [found for found in own if found.distance is not None]
    if not known:
        return replace(base, note="; ".join(dict.fromkeys(f.move.reason or "" for f in own)))
    nearest = min(known, key=lambda found: abs(found.distance or ZERO))
    size, prices = nearest.move.size or ZERO, nearest.move.prices or {}
    path = coin_path(scene.unit, nearest.coin, nearest.step, scene.market, scene.model)
    return replace(
        base,
        value=nearest.distance,
        inputs=tuple((f"price of {s}", p) for s, p in prices.items()),
        note="other coins stand still",
        parts=(_at(scene, path.at(size)),),
    )


def _nearest(scene: _Scene) -> Working:
    """Return the nearest liquidating move: the smallest of the joint one, each coin and price."""
    symbols = dict.fromkeys(p.instrument for p in scene.unit.positions)
    alone = tuple(_distance(scene, symbol) for symbol in symbols)
    coins = tuple(_coin_move(scene, coin.name) for coin in coins_of(scene.unit, scene.model))
    together = (*coins, _joint_move(scene))
    parts = tuple(work for work in (*together, *alone) if work is not None)
    known = [part for part in parts if part.value is not None]
    base = replace(_total(scene, "nearest_move", None, ""), unit=FRACTION, parts=parts)
    formula = "the smallest of the joint move, of each coin and of each price alone, by size"
    if scene.report.is_liquidatable:
        return replace(base, value=ZERO, formula=formula, note="the unit is liquidatable now")
    if not known:
        return replace(base, formula=formula, note="no move that was solved liquidates")
    nearest = min(known, key=lambda part: nearness(part.value or ZERO))
    shown = tuple(part if part is nearest else replace(part, parts=()) for part in parts)
    note = f"it is {nearest.name}"
    return replace(base, value=nearest.value, formula=formula, note=note, parts=shown)


def _distance(scene: _Scene, symbol: str) -> Working | None:
    work = _liquidation_price(scene, symbol)
    if work is None:
        return None
    word, now = work.inputs[0]  # the mark, or of an option its underlying
    value = None if scene.report.is_liquidatable else distance_of(work.value, now)
    return replace(
        _total(scene, f"distance:{symbol}", value, ""),
        unit=FRACTION,
        formula=f"liquidation_price / {word} - 1",
        inputs=((word, now),),
        note=work.note,
        parts=(work,),
    )


def _naive_price(scene: _Scene, symbol: str) -> Working | None:
    """Return the price a calculator for one position shows, beside the true one."""
    if not _holds(scene, symbol) or any(p.terms.option for p in scene.report.positions):
        return None
    value = naive_price(scene.report, symbol)
    mark = scene.market.mark(symbol)
    true = _liquidation_price(scene, symbol)
    held = [p for p in scene.report.positions if p.position.instrument == symbol]
    own = sum((p.maintenance_margin for p in held), ZERO)
    inputs = [("mark", mark), ("equity", scene.report.equity), ("own maintenance", own)]
    inputs.append(("maintenance of all", scene.report.maintenance_margin))
    naive, real = distance_of(value, mark), None if true is None else true.value
    inputs += [("naive distance", naive)] if naive is not None else []
    truth = distance_of(real, mark)
    inputs += [("true distance", truth)] if truth is not None else []
    return replace(
        _total(scene, f"naive_price:{symbol}", value, ""),
        unit="quote per base",
        formula=f"price of {symbol} at which equity = the maintenance of {symbol} alone, on the "
        "present row: (equity - size * mark + deduction) / (abs(size) * rate - size)",
        inputs=tuple(inputs),
        note="misleads: the other positions' maintenance must be kept too; no decision reads it",
        parts=() if true is None else (true,),
    )


def _at(scene: _Scene, market: Market) -> Working:
    """Return the excess at other prices: nothing, or the jump across it, at a price solved for."""
    report = margin_report(scene.unit, market, scene.model)
    there = _Scene(scene.unit, market, scene.model, report)
    found = _excess(there, MarginPurpose.MAINTENANCE)
    return replace(found, name="excess there", note=f"at {market.snapshot_id}")


def _with_price(scene: _Scene, symbol: str, price: Decimal) -> Market:
    """Return the market with one mark at another price, and its index in proportion."""
    if moves_together(scene.unit, symbol, scene.model):
        there = market_there(scene.unit, symbol, price, scene.market, scene.model)
        base = scene.model.instrument(symbol).instrument.base
        return replace(there, snapshot_id=f"{base} moved so that {symbol} is at {price:.10g}")
    terms = scene.model.instrument(symbol)
    indices = dict(scene.market.indices)
    if terms.margin_price is MarginPrice.INDEX and terms.instrument.index is not None:
        indices[terms.instrument.index] *= price / scene.market.mark(symbol)
    assets = dict(scene.market.asset_prices)
    is_liquidatable = scene.report.is_liquidatable
    if carries_coin(scene.unit, symbol, scene.market, scene.model) and not is_liquidatable:
        assets[terms.instrument.settle] *= price / scene.market.mark(symbol)
    return replace(
        scene.market,
        asset_prices=assets,
        marks={**scene.market.marks, symbol: price},
        indices=indices,
        snapshot_id=f"{symbol} {price:.10g}",
    )


def _liquidation_price(scene: _Scene, symbol: str) -> Working | None:
    if not _holds(scene, symbol):
        return None
    has_coin = carries_coin(scene.unit, symbol, scene.market, scene.model)
    if has_coin:
        found = prices_with_coin(scene.report, symbol, scene.market, scene.model)
    else:
        found = liquidation_prices(scene.unit, symbol, scene.market, scene.model)
    formula = (
        f"price of {symbol} at which equity = maintenance_margin, all else held; on one row: "
        "(equity - size * mark - other maintenance + deduction) / (abs(size) * rate - size)"
    )
    if has_coin:
        coin = scene.model.instrument(symbol).instrument.settle
        formula = (
            f"price of {symbol} at which equity = maintenance_margin, the price of {coin}, for "
            "which it stands, moving with it, all else held"
        )
    if moves_together(scene.unit, symbol, scene.model):
        formula = _together(scene, symbol, "equity = maintenance_margin")
    work = _price(scene, f"liquidation_price:{symbol}", found, formula)
    if found.value is None:
        return work
    return replace(work, parts=(_at(scene, _with_price(scene, symbol, found.value)),))


def _bankruptcy_price(scene: _Scene, symbol: str) -> Working | None:
    if not _holds(scene, symbol):
        return None
    formula = f"price of {symbol} at which collateral at market plus profit = 0, all else held"
    if carries_coin(scene.unit, symbol, scene.market, scene.model):
        coin = scene.model.instrument(symbol).instrument.settle
        formula = formula.replace("all else held", f"{coin} moving with it, all else held")
    if moves_together(scene.unit, symbol, scene.model):
        formula = _together(scene, symbol, "what the unit is worth = 0")
    found = bankruptcy_prices(scene.report, symbol, scene.market, scene.model)
    work = _price(scene, f"bankruptcy_price:{symbol}", found, formula)
    return replace(work, inputs=(("worth now", scene.report.equity_raw), *work.inputs))


def _together(scene: _Scene, symbol: str, what: str) -> str:
    """Return the formula of a price along an underlying."""
    instrument = scene.model.instrument(symbol).instrument
    name = f"the underlying of {symbol}" if instrument.is_option else symbol
    return (
        f"price of {name} at which {what}, everything on {instrument.base} moving with it, implied "
        f"volatilities and other prices held; searched {REACH}"
    )


def _price(scene: _Scene, name: str, found: LiquidationPrices, formula: str) -> Working:
    symbol = name.partition(":")[2]
    is_option = scene.model.instrument(symbol).instrument.is_option
    mark = found.underlying
    if mark is None:
        mark = scene.market.premium(symbol) if is_option else scene.market.mark(symbol)
    word = "mark" if found.underlying is None else "underlying"
    inputs = [(word, mark), *((f"other price {i}", p) for i, p in enumerate(found.others, 1))]
    recovers = scene.report.is_liquidatable and name.startswith("liquidation_price")
    if found.value is not None:
        inputs.append(("way to it" if recovers else "distance", found.value / mark - ONE))
    return replace(
        _total(scene, name, found.value, formula),
        unit="quote per base",
        inputs=tuple(inputs),
        note=found.reason or (_RECOVERS if recovers else ""),
    )


def _holds(scene: _Scene, symbol: str) -> bool:
    return any(p.instrument == symbol for p in scene.unit.positions)


def _position(scene: _Scene, key: str) -> Working | None:
    leg, _, part = key.rpartition(".")
    part = PART_ALIASES.get(part, part)
    for held in scene.report.positions:
        if leg in {leg_name(held), held.position.instrument} and part in POSITION_WORKINGS:
            return POSITION_WORKINGS[part](held)
    return None


def _asset(scene: _Scene, key: str) -> Working | None:
    name, _, part = key.partition(".")
    for asset in scene.report.assets:
        if asset.asset == name and part == "collateral_value":
            return _collateral(scene, asset, initial=False)
    return None


TOTALS: dict[str, Callable[[_Scene], Working]] = {
    "equity": _equity,
    "initial_margin": lambda scene: _requirement(scene, initial=True),
    "liquidation_end_margin": _liquidation_end,
    "maintenance_margin": lambda scene: _requirement(scene, initial=False),
    "excess": lambda scene: _excess(scene, MarginPurpose.MAINTENANCE),
    "excess:initial": lambda scene: _excess(scene, MarginPurpose.INITIAL),
    "excess:liquidation_end": lambda scene: _excess(scene, MarginPurpose.LIQUIDATION_END),
    "margin_ratio": _margin_ratio,
    "health": _health,
    "utilisation": _utilisation,
    "effective_leverage": _leverage,
    "available": _available,
    "withdrawable": _withdrawable,
    "joint_move": _joint_move,
    "nearest_move": _nearest,
}

PRICES = ("liquidation_price", "bankruptcy_price", "distance", "naive_price")

KEYED: dict[str, Callable[[_Scene, str], Working | None]] = {
    "liquidation_price": _liquidation_price,
    "bankruptcy_price": _bankruptcy_price,
    "distance": _distance,
    "naive_price": _naive_price,
    "coin_move": _coin_move,
    "position": _position,
    "asset": _asset,
}

ALIASES = {
    "maintenance": "maintenance_margin",
    "initial": "initial_margin",
    "liquidation_end": "liquidation_end_margin",
    "excess:maintenance": "excess",
    "leverage": "effective_leverage",
    "distance": "nearest_move",
    "ratio": "margin_ratio",
}

PRICE_ALIASES = {
    "liq": "liquidation_price",
    "liq_price": "liquidation_price",
    "naive": "naive_price",
}

PART_ALIASES = {
    "maintenance_margin": "maintenance",
    "maintenance_rate": "maintenance",
    "maintenance_amount": "maintenance",
    "initial_margin": "initial",
    "upnl": "unrealized_pnl",
    "uPnL": "unrealized_pnl",
    "pnl": "unrealized_pnl",
}
