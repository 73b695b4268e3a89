"""What the laboratory's tests share."""

from pathlib import Path

import pytest

from keelmark.lab.population import Population, generate, load_spec
from keelmark.lab.scenarios import Opening, Scenario, load_scenario
from keelmark.market.datasets import find_data


@pytest.fixture(scope="session")
def data_folder() -> Path:
    folder = find_data()
    if folder is None:
        pytest.skip("no recorded market data here; set KEELMARK_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def crash() -> Scenario:
    return load_scenario("oct10", seed=3)


@pytest.fixture(scope="session")
def opening(crash: Scenario) -> Opening:
    return crash.opening()


@pytest.fixture(scope="session")
def fleet(opening: Opening) -> Population:
    return generate(load_spec().with_accounts(20_000), opening, seed=11)
