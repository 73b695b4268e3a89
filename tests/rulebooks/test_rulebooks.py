"""Rulebooks: found by name and date, read strictly, turned into exact terms."""

from decimal import Decimal

import pytest

from keelmark.core.errors import (
    InvalidDocument,
    InvalidInput,
    UnknownAsset,
    UnknownInstrument,
    UnknownRulebook,
)
from keelmark.core.instrument import InstrumentKind
from keelmark.core.model import (
    CloseFeeBasis,
    HaircutBase,
    MarginPrice,
    MarginPurpose,
    OpenInterestInitial,
    RuleInitial,
    Trigger,
)
from keelmark.core.process import Stage
from keelmark.core.rules import SizeScaledRule, SizeTierRule, TieredRule, WholeNotionalRule
from keelmark.rulebooks import load_rulebook, rulebook_names
from keelmark.rulebooks.load import read_rulebook

HEAD = 'name = "own"\ndate = "2026-01"\nread = "2026-01-02"\nsource = "a page"\n'
TABLE = '[tables.all]\nrows = [{ floor = "0", rate = "0.01" }, { floor = "1000", rate = "0.02" }]\n'
XUSDT = (
    '[instruments.XUSDT]\nkind = "linear_perpetual"\nbase = "X"\nsettle = "USDT"\ntable = "all"\n'
)


def book(text: str) -> object:
    return read_rulebook(HEAD + text, title="test")


def test_every_built_in_rulebook_is_read_and_names_its_source() -> None:
    for name in rulebook_names():
        found = load_rulebook(name)
        assert found.name == name
        assert found.document.source
        assert found.document.read or found.document.source.startswith("Keelmark")


@pytest.mark.parametrize("reference", ["generic", "generic@2025-10", "generic@2026-03"])
def test_the_newest_table_at_or_before_a_date_is_chosen(reference: str) -> None:
    assert load_rulebook(reference).name == "generic@2025-10"


@pytest.mark.parametrize(
    "date",
    [
        "2025-6",
        "latest",
        "2024-13",
        "2024-00",
        "",
        " ",
        "2025",
        "2025-06-31",
        "2025-06-1",
        "٢٠٢٥-٠٦",
    ],
)
def test_a_date_that_is_no_month_is_refused_with_the_dates_that_are_known(date: str) -> None:
    known = "binance-usdm@2023-08, binance-usdm@2025-06"
    with pytest.raises(UnknownRulebook, match=rf"(?s)YYYY-MM.*{known}"):
        load_rulebook(f"binance-usdm@{date}")


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("binance-usdm@2025-06-01", "binance-usdm@2025-06"),
        ("binance-usdm@2025-11-30", "binance-usdm@2025-06"),
        ("okx-multi@2022-12-31", "okx-multi@2022-12"),
        ("bybit-uta@2024-12-31", "bybit-uta@2024-01"),
    ],
)
def test_a_full_date_is_read_as_its_month(reference: str, name: str) -> None:
    assert load_rulebook(reference).name == name


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("genric", "did you mean 'generic'"),
        ("generic@2001-01", "the oldest is generic@2025-10"),
        ("nowhere.toml", "no rulebook file"),
    ],
)
def test_an_unknown_rulebook_is_refused_with_a_way_out(reference: str, hint: str) -> None:
    with pytest.raises(UnknownRulebook, match=hint):
        load_rulebook(reference)


def test_deductions_that_are_left_out_make_the_table_continuous() -> None:
    rule = read_rulebook(HEAD + TABLE + XUSDT, title="test").model.instrument("XUSDT").maintenance
    assert isinstance(rule, TieredRule)
    assert [tier.deduction for tier in rule.tiers] == [Decimal(0), Decimal("10.00")]


def test_an_amount_that_breaks_the_table_is_refused() -> None:
    broken = TABLE.replace('rate = "0.02"', 'rate = "0.02", amount = "11"')
    with pytest.raises(InvalidInput, match="expected amount 10"):
        book(broken + XUSDT)


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("whole_notional", WholeNotionalRule),
        ("size_tiers", SizeTierRule),
        ("size_scaled", SizeScaledRule),
    ],
)
def test_tables_select_their_formula_by_name(rule: str, kind: type) -> None:
    table = TABLE.replace("[tables.all]", f'[tables.all]\nrule = "{rule}"\nslope = "0.00005"')
    model = read_rulebook(HEAD + table + XUSDT, title="test").model
    assert isinstance(model.instrument("XUSDT").maintenance, kind)


def test_every_term_of_an_instrument_and_an_asset_is_carried_over() -> None:
    text = (
        'trigger = "at_or_below"\nedge_owner = "upper"\nliquidation_end = "1.2"\n'
        '[assets.BTC]\nquantum = "0.0001"\nweights = [{ floor = "0", weight = "0.9" }]\n'
        'initial_weights = [{ floor = "0", weight = "0.8" }]\nloan_rate = "0.03"\n'
        'haircut_base = "balance"\nconversion_haircut = "0.02"\naccrual_rate = "0.0000001"\n'
        'gross_loan_rate = "0.1"\ngross_loan_rate_initial = "0.25"\n'
        + TABLE
        + XUSDT
        + 'index = "X"\nmargin_price = "index"\n'
        'close_fee = { rate = "0.0006", basis = "bankruptcy" }\n'
        'initial = { rule = "table", table = "all" }\n'
        '[profit.initial]\nweight = "0.5"\ncap = "100"\n'
    )
    model = read_rulebook(HEAD + text, title="test").model
    terms, asset = model.instrument("XUSDT"), model.asset("BTC")
    assert model.trigger is Trigger.AT_OR_BELOW
    assert model.liquidation_end == Decimal("1.2")
    assert terms.margin_price is MarginPrice.INDEX
    assert terms.close_fee is not None
    assert terms.close_fee.basis is CloseFeeBasis.BANKRUPTCY
    assert isinstance(terms.initial, RuleInitial)
    assert terms.maintenance.parameters().edge_upper
    assert asset.haircut_base is HaircutBase.BALANCE
    assert asset.accrual_rate == Decimal("0.0000001")
    assert asset.schedule.loan_rate == Decimal("0.03")
    assert asset.gross_loan_rate_for(MarginPurpose.MAINTENANCE) == Decimal("0.1")
    assert asset.gross_loan_rate_for(MarginPurpose.INITIAL) == Decimal("0.25")
    assert asset.schedule_for(MarginPurpose.INITIAL).value(Decimal(1)) == Decimal("0.8")
    assert model.profit_terms(MarginPurpose.INITIAL).cap == Decimal(100)


def test_initial_margin_by_open_interest_is_read() -> None:
    text = TABLE + XUSDT + 'initial = { rule = "open_interest", base = "0.02", upper = "10" }\n'
    initial = read_rulebook(HEAD + text, title="test").model.instrument("XUSDT").initial
    assert initial == OpenInterestInitial(base=Decimal("0.02"), upper=Decimal(10))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("nam = 1\n", "nam"),
        ('[assets.USDT]\nquantum = "many"\n', r"assets"),
        (TABLE + XUSDT.replace('"all"', '"al"'), "did you mean 'all'"),
        (TABLE.replace("rows", "rule = 'tierd'\nrows") + XUSDT, "did you mean 'tiered'"),
        ("[tables.all]\n" + XUSDT, "rows: empty"),
        (TABLE + XUSDT + 'initial = { rule = "levrage" }\n', "did you mean 'leverage'"),
        ('edge_owner = "uper"\n', "did you mean 'upper'"),
        ('[liquidation]\nstages = ["reduce", "rescue"]\n', "stages"),
    ],
)
def test_a_document_with_a_mistake_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(InvalidDocument, match=place):
        book(text)


def test_a_document_that_is_not_toml_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidDocument, match="line 1"):
        read_rulebook("name = \nx = 1\n", title="test")


def test_stages_out_of_order_are_refused() -> None:
    with pytest.raises(InvalidInput, match="must follow"):
        book('[liquidation]\nstages = ["takeover", "reduce"]\n')


def test_warning_levels_that_do_not_rise_are_refused() -> None:
    with pytest.raises(InvalidInput, match="must rise"):
        book('[liquidation.warn]\nlevels = ["0.8", "0.5"]\n')


def test_stages_that_are_left_out_are_not_run() -> None:
    rules = read_rulebook(
        HEAD + '[liquidation]\nstages = ["reduce", "insurance"]\n',
        title="test",
    ).liquidation
    assert rules.runs(Stage.INSURANCE)
    assert not rules.runs(Stage.AUTO_DELEVERAGE)


@pytest.mark.parametrize(
    ("symbol", "kind", "settle"),
    [
        ("SOLUSDT", InstrumentKind.LINEAR_PERPETUAL, "USDT"),
        ("1000PEPEUSDT", InstrumentKind.LINEAR_PERPETUAL, "USDT"),
        ("BTC-USDC", InstrumentKind.LINEAR_PERPETUAL, "USDC"),
        ("BTCUSD_PERP", InstrumentKind.INVERSE_PERPETUAL, "BTC"),
    ],
)
def test_a_naming_pattern_gives_unlisted_symbols_their_contract(
    symbol: str, kind: InstrumentKind, settle: str
) -> None:
    instrument = load_rulebook("generic").terms_for(symbol).instrument
    assert (instrument.kind, instrument.settle) == (kind, settle)


def test_a_symbol_that_fits_no_pattern_is_refused() -> None:
    with pytest.raises(UnknownInstrument, match="naming patterns"):
        load_rulebook("generic").terms_for("???")


def test_further_instruments_bring_their_settle_asset_on_default_terms() -> None:
    generic = load_rulebook("generic")
    extended = generic.with_terms(generic.terms_for("SOLUSD_PERP"))
    assert extended.model.asset("SOL").schedule.value(Decimal(10)) == Decimal("9.0")
    with pytest.raises(UnknownAsset, match="SOL"):
        generic.model.asset("SOL")
