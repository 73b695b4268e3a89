"""Specifications that cannot be are refused, every problem at once."""

from pathlib import Path

import pytest

from keelmark.core.errors import InvalidDocument
from keelmark.lab.population import generate, load_spec
from keelmark.lab.scenarios import Opening


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def problems_of(name: str) -> str:
    with pytest.raises(InvalidDocument) as refused:
        load_spec(name)
    return "\n".join(refused.value.problems)


@pytest.mark.parametrize("name", ["default", "whale", "delta_neutral"])
def test_built_in_specifications_are_valid(name: str) -> None:
    assert load_spec(name).name == name


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(InvalidDocument, match="did you mean 'whale'"):
        load_spec("whales")


def test_every_problem_of_a_document_is_listed_at_once(tmp_path: Path) -> None:
    problems = problems_of(
        written(
            tmp_path,
            """
            extends = "default"
            accounts = 0
            [kinds]
            directional = 0.5
            [size]
            median = 1
            tail_index = -1
            [leverage]
            median = 300
            settings = [10, 5]
            [positions]
            count_shares = [0.5, 0.6]
            [direction]
            long_shar = 0.5
            [[whale]]
            instrument = "BTCUSDT"
            side = "up"
            open_interest_share = 0.1
            leverage = 5
            """,
        ),
    )
    assert "accounts: Input should be greater than 0" in problems
    assert "kinds: shares sum to 0.63, not to 1" in problems
    assert "size.tail_index" in problems
    assert "leverage.median: 300.0 must lie between smallest and largest" in problems
    assert "leverage.settings: must rise" in problems
    assert "leverage.largest: 125.0 is above the highest setting 5.0" in problems
    assert "positions.count_shares: shares sum to 1.1, not to 1" in problems
    assert "direction.long_shar: unknown key; did you mean 'long_share'?" in problems
    assert "whale[0].side" in problems


def test_collateral_shares_must_sum_to_one(tmp_path: Path) -> None:
    text = 'extends = "default"\n[[collateral]]\nasset = "USDT"\nshare = 0.9\n'
    assert "collateral: shares sum to 0.9, not to 1" in problems_of(written(tmp_path, text))


def test_what_this_market_cannot_hold_is_listed_at_once(tmp_path: Path, opening: Opening) -> None:
    name = written(
        tmp_path,
        """
        extends = "default"
        [leverage]
        largest = 400
        settings = [1, 10, 400]
        [[collateral]]
        asset = "USDC"
        share = 0.5
        [[collateral]]
        asset = "USDT"
        share = 0.25
        [[collateral]]
        asset = "USDT"
        share = 0.25
        [[whale]]
        instrument = "BTCUSD"
        side = "long"
        open_interest_share = 0.1
        leverage = 5
        [[whale]]
        instrument = "SOLUSDT"
        side = "long"
        open_interest_share = 0.05
        leverage = 20
        [[whale]]
        instrument = "XRPUSDT"
        side = "short"
        open_interest_share = 0.9
        leverage = 1
        """,
    )
    with pytest.raises(InvalidDocument) as refused:
        generate(load_spec(name), opening, seed=0)
    problems = "\n".join(refused.value.problems)
    assert len(refused.value.problems) == 7
    assert "collateral[0]: no asset 'USDC'" in problems
    assert "collateral[2]: 'USDT' is listed twice" in problems
    assert "kinds.delta_neutral: no collateral asset has an instrument" in problems
    assert "leverage.largest: 400 is above the tier maximum of every instrument, 125" in problems
    assert "whale[0]: no instrument 'BTCUSD'; did you mean 'BTCUSDT'?" in problems
    assert "whale[1]: leverage 20 is above the tier maximum 4 of SOLUSDT" in problems
    assert "whale[2]: 474,0" in problems
    assert "lies beyond the bracket table of XRPUSDT, 100,000,000" in problems


def test_more_instruments_than_there_are_is_impossible(tmp_path: Path, opening: Opening) -> None:
    shares = ["0.0"] * 61
    shares[-1] = "1.0"
    text = f'extends = "default"\n[positions]\ncount_shares = [{", ".join(shares)}]\n'
    with pytest.raises(InvalidDocument, match="61 instruments wanted, the scenario has 60"):
        generate(load_spec(written(tmp_path, text)), opening, seed=0)


def test_an_open_interest_too_large_for_the_accounts_is_impossible(opening: Opening) -> None:
    with pytest.raises(InvalidDocument, match=r"size.largest_share lets these accounts hold"):
        generate(load_spec().with_accounts(20), opening, seed=0)


def test_an_open_interest_below_the_smallest_positions_is_impossible(opening: Opening) -> None:
    spec = load_spec().with_accounts(2_000)
    table = spec.open_interest.model_copy(update={"daily_volume_share": 1e-6})
    with pytest.raises(InvalidDocument, match="the smallest positions and the whales alone"):
        generate(spec.model_copy(update={"open_interest": table}), opening, seed=0)


def test_too_few_makers_for_the_bracket_tables_is_impossible(opening: Opening) -> None:
    spec = load_spec().with_accounts(4_000)
    interest = spec.open_interest.model_copy(update={"whole_venue_accounts": 4_000})
    makers = spec.market_makers.model_copy(update={"count": 1})
    sizes = spec.size.model_copy(update={"largest": 1e12, "largest_share": 1.0})
    tables = {"market_makers": makers, "open_interest": interest, "size": sizes}
    with pytest.raises(InvalidDocument, match="its bracket table ends at"):
        generate(spec.model_copy(update=tables), opening, seed=0)


def test_a_document_cannot_extend_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop.toml").write_text('extends = "loop.toml"\n')
    with pytest.raises(InvalidDocument, match="extends itself"):
        load_spec("loop.toml")
