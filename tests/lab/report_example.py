"""A made-up replay report of the size and shape of a real one, for tests of the page."""

from dataclasses import replace
from decimal import Decimal

import numpy as np

from keelmark.lab.report.model import (
    Attribution,
    Case,
    CaseCollateral,
    CasePosition,
    CaseStep,
    Counterparty,
    DistanceHistory,
    Fact,
    Feedback,
    FeedbackMove,
    Figure,
    Headline,
    InstrumentRow,
    LiquidationMap,
    Outcome,
    Paragraph,
    Payer,
    PeakRow,
    PriceLine,
    Provenance,
    ReplayReport,
    Residual,
    Run,
    Share,
    StageActivity,
    Timeline,
    WorkingLine,
)
from keelmark.lab.report.series import Float64Array, Int64Array

MINUTE = 60_000
START = 1_760_129_100_000  # 2025-10-10 20:45 UTC
CRASH = 35.0  # minutes after the start
COINS = ("SOL", "XRP", "DOGE", "BNB", "ADA", "LINK", "AVAX", "SUI", "LTC", "DOT", "ATOM", "APT")
ACCOUNTS = 400_000


def cents(value: float) -> Decimal:
    return Decimal(str(round(float(value), 2)))


def uneven_steps() -> Int64Array:
    """One minute a step, ten seconds in the crash, 190 minutes in all."""
    slow = np.arange(0, 25) * MINUTE
    fast = 25 * MINUTE + np.arange(0, 25 * 6) * 10_000
    after = np.arange(50, 190) * MINUTE
    return np.concatenate([slow, fast, after]) + START


def fall(minutes: Float64Array, depth: float, rebound: float) -> Float64Array:
    """A price path that drifts down, drops, and comes part of the way back."""
    drop = 1 / (1 + np.exp(-(minutes - CRASH) / 2.2))
    back = 1 - np.exp(-np.clip(minutes - CRASH - 4, 0, None) / 16)
    return 1 - depth * drop * (1 - rebound * back) - 0.004 * np.clip(minutes / 20, 0, 1)


def timeline(rng: np.random.Generator) -> Timeline:
    times = uneven_steps()
    end = START + 190 * MINUTE
    minutes = (np.append(times[1:], end) - START) / MINUTE
    lengths = np.diff(times, append=end) / MINUTE
    hump = np.exp(-(((minutes - CRASH) / 3.2) ** 2))
    noise = rng.lognormal(0, 0.5, times.size)
    long = np.where(hump > 1e-3, 210e6 * hump * noise * lengths, 0).round(2)
    late = np.exp(-(((minutes - CRASH - 9) / 5) ** 2))
    short = np.where(late > 1e-2, 31e6 * late * rng.lognormal(0, 0.6, times.size) * lengths, 0)
    deleveraged = np.where(hump > 0.55, 11e6 * hump**3 * noise * lengths, 0).round(2)
    paid = np.cumsum(np.where(hump > 0.1, 4.4e6 * hump * noise * lengths, 0))
    fees = np.cumsum((long + short) * 0.0018)
    held = np.cumsum((long * 0.11 - np.cumsum(long) * 0.0009 * lengths).clip(-2e6))
    return Timeline(
        times_ms=times,
        end_ms=end,
        prices=price_lines(minutes, rng),
        liquidated_long=long,
        liquidated_short=short.round(2),
        fund=(62e6 - paid + fees).clip(0).round(2),
        deleveraged=deleveraged,
        backstop=np.clip(held, 0, None).round(2),
        stages=stages(long, deleveraged, rng),
        focus_ms=(START + 25 * MINUTE, START + 50 * MINUTE),
    )


def price_lines(minutes: Float64Array, rng: np.random.Generator) -> tuple[PriceLine, ...]:
    lines = (
        ("market index", "", 100.0, 0.31, 0.55),
        ("BTCUSDT", "USDT", 117_312.4, 0.118, 0.6),
        ("ETHUSDT", "USDT", 4_014.01, 0.158, 0.62),
        ("ATOMUSDT (worst)", "USDT", 4.021, 0.872, 0.71),
    )
    wander = 0.0011 * np.cumsum(rng.normal(0, 1, minutes.size)) / 4
    return tuple(
        PriceLine(
            name=name,
            unit=unit,
            values=first * fall(minutes, depth, rebound) * np.exp(wander * (1 + depth)),
        )
        for name, unit, first, depth, rebound in lines
    )


def stages(
    long: Float64Array, deleveraged: Float64Array, rng: np.random.Generator
) -> tuple[StageActivity, ...]:
    busy = np.ceil(long / 180_000).astype(np.int64)
    deep = np.where(long > 2e6, np.ceil(busy * 0.2), 0).astype(np.int64)
    fund = np.where(long > 6e6, np.ceil(busy * 0.09), 0).astype(np.int64)
    queue = np.where(deleveraged > 0, rng.integers(1, 30, long.size), 0)
    shared = np.where(deleveraged > deleveraged.max() * 0.8, 2, 0)
    rows = (
        ("margin_call", busy * 3),
        ("convert_collateral", busy),
        ("reduce", busy),
        ("takeover", deep),
        ("insurance", fund),
        ("auto_deleverage", queue),
        ("socialise", shared),
    )
    return tuple(StageActivity(stage=name, units=units.astype(np.int64)) for name, units in rows)


def liquidation_map(
    instrument: str, moment: str, price: float, weight: float, rng: np.random.Generator
) -> LiquidationMap:
    """240 bins of half a percent around the present price."""
    moves = np.arange(-0.6, 0.6001, 0.005)
    middle = (moves[1:] + moves[:-1]) / 2
    late = moment != "before the crash"
    noise = rng.lognormal(0, 0.45, middle.size)
    long = np.where(middle < 0, np.exp(-(((middle + 0.11) / 0.09) ** 2)), 0) * noise
    long += np.where(middle < 0, 0.22 * np.exp(-(((middle + 0.42) / 0.12) ** 2)), 0) * noise
    short = np.where(middle > 0, np.exp(-(((middle - 0.16) / 0.1) ** 2)), 0) * noise
    long_notional = (long * weight * (0.18 if late else 1.0)).round()
    short_notional = (short * weight * (0.62 if late else 0.45)).round()
    return LiquidationMap(
        instrument=instrument,
        moment=moment,
        time_ms=START + int(CRASH if late else 0) * MINUTE,
        price=Decimal(str(round(price, 6))),
        edges=price * (1 + moves),
        long_notional=long_notional,
        short_notional=short_notional,
        long_units=np.ceil(long_notional / 91_000).astype(np.int64),
        short_units=np.ceil(short_notional / 120_000).astype(np.int64),
    )


def maps(rng: np.random.Generator, coins: tuple[str, ...]) -> tuple[LiquidationMap, ...]:
    firsts = {"BTC": (117_312.4, 31e6), "ETH": (4_014.01, 24e6)}
    return tuple(
        liquidation_map(
            f"{coin}USDT",
            moment,
            firsts.get(coin, (3.17, 4e6))[0] * (0.86 if moment != "before the crash" else 1.0),
            firsts.get(coin, (3.17, 4e6))[1],
            rng,
        )
        for coin in coins
        for moment in ("before the crash", "at the worst minute")
    )


def distances() -> DistanceHistory:
    minutes = np.arange(0, 191, 2)
    edges = np.arange(0, 0.6001, 0.025)
    middle = (edges[1:] + edges[:-1]) / 2
    level = fall(minutes.astype(np.float64), 0.31, 0.55)
    hit = np.maximum.accumulate(np.clip(1 - level - 0.05, 0, None)) * 0.41
    shift = (1 - level)[:, None]
    shape = np.exp(-(((middle[None, :] + 0.55 * shift - 0.24) / 0.13) ** 2))
    living = 262_000 - hit * ACCOUNTS
    accounts = np.round(shape / shape.sum(axis=1, keepdims=True) * living[:, None])
    liquidated = np.round(hit * ACCOUNTS).astype(np.int64)
    return DistanceHistory(
        times_ms=START + minutes * MINUTE,
        edges=edges,
        accounts=accounts.astype(np.int64),
        notional=(accounts * (9_000 + 40_000 * middle[None, :])).round(),
        unreachable_accounts=np.full(minutes.size, 138_000, dtype=np.int64),
        unreachable_notional=np.full(minutes.size, 1.9e9),
        liquidated_accounts=liquidated,
        liquidated_notional=(liquidated * 41_000.0).astype(np.float64),
    )


def shares(total: Decimal, parts: tuple[Decimal, ...], counts: tuple[int, ...]) -> Attribution:
    """The unit pays what the other payers leave."""
    others = list(Payer)[1:]
    own = total - sum(parts)
    return Attribution(
        asset="USDT",
        total=total,
        shares=(
            Share(payer=Payer.UNIT, amount=own, count=counts[0]),
            *(
                Share(payer=payer, amount=amount, count=count)
                for payer, amount, count in zip(others, parts, counts[1:], strict=True)
            ),
        ),
    )


def whole_attribution() -> Attribution:
    parts = tuple(
        Decimal(text)
        for text in (
            "3118204.55120000",
            "43871122.90114457",
            "6120003.10000001",
            "9407551.44120938",
            "1209440.00000004",
        )
    )
    return shares(Decimal("1184220591.77310442"), parts, (15_211, 15_211, 1, 1, 2_114, 31_877))


def case(rng: np.random.Generator, index: int) -> Case:
    price = Decimal("101240.5") - index
    size = Decimal(int(rng.integers(200, 900))) / 10
    value = size * price
    loss = value * Decimal("0.149")
    attribution = shares(
        loss,
        tuple(loss * Decimal(part) for part in ("0.012", "0.081", "0.004", "0.021", "0")),
        (1, 1, 1, 1, 14, 0),
    )
    equity = -value * Decimal("0.0061")
    positions = (
        CasePosition(
            instrument="BTCUSDT",
            size=size,
            mark_price=price,
            value=value,
            cost=value * Decimal("1.142"),
            maintenance_rate=Decimal("0.025"),
            maintenance_margin=value * Decimal("0.025") - 16_300,
            tier="12,000,000 to 65,000,000: 2.5 % less 16,300",
        ),
        CasePosition(
            instrument="ETHUSDT",
            size=Decimal("-310.52"),
            mark_price=Decimal("3544.1"),
            value=Decimal("-1100513.932"),
            cost=Decimal("-1240117.77"),
            maintenance_rate=Decimal("0.0065"),
            maintenance_margin=Decimal("6253.34"),
            tier="600,000 to 3,000,000: 0.65 % less 900",
        ),
    )
    return Case(
        account=f"account {int(rng.integers(1, ACCOUNTS)):,}",
        unit="cross" if index % 3 else "isolated BTCUSDT",
        time_ms=START + int((CRASH + rng.normal(0, 2)) * MINUTE) // 1000 * 1000,
        notional=value + Decimal("1100513.932"),
        liquidated=value,
        equity=equity,
        maintenance_margin=value * Decimal("0.025") - 16_300 + Decimal("6253.34"),
        attribution=attribution,
        positions=positions,
        collateral=collateral(),
        working=working(equity),
        steps=case_steps(size, price),
        counterparties=tuple(
            Counterparty(
                account=f"account {int(rng.integers(1, ACCOUNTS)):,}",
                instrument="BTCUSDT",
                size=Decimal("-2.5") + n / Decimal(2),
                price=price,
                paid=Decimal("41233.52") / (n + 1),
            )
            for n in range(4)
        ),
        counterparties_more=10,
    )


def collateral() -> tuple[CaseCollateral, ...]:
    return (
        CaseCollateral(
            asset="USDT",
            balance=Decimal("1535443.01"),
            price=Decimal(1),
            value=Decimal("1535443.01"),
        ),
        CaseCollateral(
            asset="ETH",
            balance=Decimal("88.125"),
            price=Decimal("3544.1"),
            value=Decimal("296700.61"),
        ),
    )


def working(equity: Decimal) -> tuple[WorkingLine, ...]:
    return (
        WorkingLine(
            label="collateral",
            formula="sum of balance * price * weight",
            value=Decimal("1832143.62"),
            source="collateral schedule, 2025-06",
        ),
        WorkingLine(
            label="unrealized profit and loss",
            formula="sum of value - cost",
            value=equity - Decimal("1832143.62"),
            source="mark of 21:20:04 UTC",
        ),
        WorkingLine(label="equity", formula="collateral + profit and loss", value=equity),
    )


def case_steps(size: Decimal, price: Decimal) -> tuple[CaseStep, ...]:
    moment = START + int(CRASH) * MINUTE + 4000
    return (
        CaseStep(time_ms=moment, stage="cancel_orders", result="3 orders cancelled"),
        CaseStep(
            time_ms=moment,
            stage="reduce",
            instrument="BTCUSDT",
            size=-size / 4,
            price=price * Decimal("0.994"),
            fee=Decimal("8120.77"),
            result="filled a quarter; the limit was the bankruptcy price",
        ),
        CaseStep(
            time_ms=moment + 1000,
            stage="takeover",
            size=-size * 3 / 4,
            price=price,
            result="the unit ends at zero",
        ),
        CaseStep(time_ms=moment + 1000, stage="insurance", result="the fund paid until its cap"),
    )


def outcome() -> Outcome:
    return Outcome(
        accounts=ACCOUNTS,
        accounts_liquidated=15_211,
        liquidated_long=Decimal("1712334120.44"),
        liquidated_short=Decimal("291440112.05"),
        fund_start=Decimal(62_000_000),
        fund_end=Decimal("21247081.64885543"),
        bad_debt=Decimal("16736994.54120943"),
        deleveraged_notional=Decimal("118204771.2"),
        deleveraged_accounts=2_114,
        socialised=Decimal("1209440.00000004"),
    )


def runs() -> tuple[Run, ...]:
    base = outcome()
    rows = (
        ("queue", "highest profit times leverage first, as most venues do", "1", 2_114, "0.61"),
        ("pro rata", "every profitable account in proportion", "1.04", 88_120, "0.18"),
        ("least cost", "smallest total loss of counterparties", "0.93", 1_402, "0.44"),
        ("fund only", "no deleveraging: what the fund lacks is shared", "0", 0, None),
    )
    return tuple(
        Run(
            name=name,
            note=remark,
            outcome=replace(
                base,
                deleveraged_notional=base.deleveraged_notional * Decimal(factor),
                deleveraged_accounts=people,
                socialised=base.socialised if people else base.bad_debt,
            ),
            figures=(
                Figure(
                    label="profit taken from the worst hit",
                    value=None if worst is None else Decimal(worst),
                    unit="fraction",
                    meaning="Share of its profit that the worst hit tenth gave up.",
                ),
            ),
            is_this_report=name == "queue",
        )
        for name, remark, factor, people, worst in rows
    )


def mark_models() -> tuple[Run, ...]:
    base = outcome()
    last = replace(
        base,
        accounts_liquidated=48_930,
        liquidated_long=Decimal("6420118420.1"),
        fund_end=Decimal(0),
        bad_debt=Decimal("240118420.77"),
    )
    return (
        Run(
            name="ema:150s",
            note="average of the path, 150 s",
            outcome=base,
            is_this_report=True,
        ),
        Run(name="last", note="the last trade, with every wick", outcome=last),
    )


def feedback() -> Feedback:
    base = outcome()
    without = replace(base, accounts_liquidated=11_020, liquidated_long=Decimal(1_100_000_000))
    return Feedback(
        note=(
            "Recorded prices already contain what the real liquidations did to them; the part "
            "added here comes on top and is an upper bound."
        ),
        runs=(
            Run(name="without feedback", note="", outcome=without),
            Run(name="with feedback", note="", outcome=base, is_this_report=True),
        ),
        moves=tuple(
            FeedbackMove(
                instrument=f"{coin}USDT",
                exogenous=Decimal(-30 - n) / 100,
                endogenous=Decimal(-4 - n) / 200,
            )
            for n, coin in enumerate(COINS[:6])
        ),
    )


def instrument_rows(rng: np.random.Generator, coins: tuple[str, ...]) -> tuple[InstrumentRow, ...]:
    return tuple(
        InstrumentRow(
            instrument=f"{coin}USDT",
            move=Decimal(-int(rng.integers(10, 80))) / 100,
            move_ms=START + int(rng.integers(33, 38)) * MINUTE,
            accounts=int(rng.integers(100, 6000)),
            liquidated_long=cents(rng.lognormal(17, 1)),
            liquidated_short=cents(rng.lognormal(14, 1)),
            deleveraged=cents(rng.lognormal(12, 2)),
            fund_paid=cents(rng.lognormal(12, 1)),
        )
        for coin in coins
    )


def peak_rows(rng: np.random.Generator) -> tuple[PeakRow, ...]:
    return tuple(
        PeakRow(
            time_ms=START + (30 + n) * MINUTE,
            move=Decimal(-int(rng.integers(5, 60))) / 1000,
            accounts=int(rng.integers(100, 2000)),
            liquidated_long=cents(rng.lognormal(18, 0.5)),
            liquidated_short=cents(rng.lognormal(13, 1)),
            deleveraged=cents(rng.lognormal(14, 1)),
            fund_paid=cents(rng.lognormal(14, 1)),
        )
        for n in range(10)
    )


def headline() -> Headline:
    return Headline(
        title="The crash of 10 October 2025",
        scenario="oct10",
        currency="USDT",
        start_ms=START,
        end_ms=START + 190 * MINUTE,
        outcome=outcome(),
        residuals=(
            Residual(asset="USDT", quanta=0),
            Residual(asset="BTC", quanta=0),
            Residual(asset="ETH", quanta=0),
        ),
        provenance=Provenance(
            data=(
                "Made-up prices in the shape of the day, 60 perpetuals of one venue; 400,000 "
                "accounts drawn from a stated population."
            ),
            recorded=False,
            mark_model="ema:150s",
            rulebook="generic",
            policies=(
                Fact(label="deleverage", value="queue"),
                Fact(label="socialise", value="profit"),
            ),
            seed=7,
            digest="9f2c1e07c4b5a3d8e6f1029384756abcdeffedcba0123456789abcdef0123456",
            versions=(Fact(label="keelmark", value="0.1.0"),),
            facts=(
                Fact(label="marks", value="6,010 instants, 60 instruments"),
                Fact(label="exact decisions", value="182,114"),
                Fact(label="events", value="411,902"),
            ),
        ),
    )


def example(seed: int = 7, coins: tuple[str, ...] = ("BTC", "ETH", *COINS)) -> ReplayReport:
    """Return a full report."""
    rng = np.random.default_rng(seed)
    return ReplayReport(
        headline=headline(),
        timeline=timeline(rng),
        maps=maps(rng, coins),
        distances=distances(),
        attributions=(whole_attribution(),),
        cases=tuple(case(rng, index) for index in range(25)),
        policies=runs(),
        mark_models=mark_models(),
        feedback=feedback(),
        instruments=instrument_rows(rng, coins),
        peaks=peak_rows(rng),
        method=(
            Paragraph(
                title="Marks",
                text="Marks are an average over 150 seconds of the path inside each bar.",
            ),
            Paragraph(
                title="Accounts",
                text="Drawn from a population whose open interest and leverage are stated.",
            ),
            Paragraph(
                title="Decisions",
                text="Every liquidation was decided with exact decimals; no account was skipped.",
            ),
        ),
        limits=(
            Paragraph(
                title="Not the real accounts",
                text="Nobody outside the venue knows who held what. The population is a model.",
            ),
            Paragraph(
                title="Prices held apart",
                text="Without feedback, liquidations do not move the recorded prices.",
            ),
        ),
    )


def quiet(seed: int = 7) -> ReplayReport:
    """Return a report of a day on which nothing happened, one instrument, nothing compared."""
    rng = np.random.default_rng(seed)
    times = START + np.arange(30) * MINUTE
    zero = np.zeros(30)
    calm = Outcome(
        accounts=120,
        accounts_liquidated=0,
        liquidated_long=Decimal(0),
        liquidated_short=Decimal(0),
        fund_start=Decimal(1_000_000),
        fund_end=Decimal(1_000_000),
        bad_debt=Decimal(0),
        deleveraged_notional=Decimal(0),
        deleveraged_accounts=0,
        socialised=Decimal(0),
    )
    flat = Timeline(
        times_ms=times,
        end_ms=START + 30 * MINUTE,
        prices=(PriceLine(name="BTCUSDT", unit="USDT", values=100_000 + rng.normal(0, 9, 30)),),
        liquidated_long=zero,
        liquidated_short=zero,
        fund=zero + 1_000_000,
        deleveraged=zero,
        backstop=zero,
        stages=(StageActivity(stage="reduce", units=np.zeros(30, dtype=np.int64)),),
    )
    return ReplayReport(
        headline=replace(headline(), title="A calm half hour", outcome=calm, end_ms=flat.end_ms),
        timeline=flat,
        maps=(liquidation_map("BTCUSDT", "before the crash", 100_000.0, 1e5, rng),),
    )
