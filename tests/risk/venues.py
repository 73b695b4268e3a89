"""Small rulebooks whose naming, settle asset and tables differ from the generic one."""

PERPS = """
name = "perps"
date = "2025-06"
source = "made up for tests"
valuation = "USDC"
symbols = { linear_perpetual = '(?P<base>[A-Za-z0-9]+)' }

[defaults]
table = "flat"

[assets.USDC]
quantum = "0.000001"

[instruments.BTC]
kind = "linear_perpetual"
base = "BTC"
settle = "USDC"

[instruments.ETH]
kind = "linear_perpetual"
base = "ETH"
settle = "USDC"

[instruments.kPEPE]
kind = "linear_perpetual"
base = "kPEPE"
settle = "USDC"

[tables.flat]
rows = [{ floor = "0", rate = "0.02", leverage = "25" }]

[liquidation]
taker_fee = "0.001"
"""
"""Hyperliquid's way: coins as symbols, one dollar, bundles of a thousand."""

CONTRACTS = """
name = "contracts"
date = "2025-06"
source = "made up for tests"
valuation = "USD"

[defaults]
table = "flat"
contract_size = "0.01"

[default_asset]
weights = [{ floor = "0", weight = "0.5" }]

[assets.USDT]
quantum = "0.000001"

[symbols]
linear_perpetual = '(?P<base>[A-Z]+)-(?P<settle>USDT)-SWAP'

[tables.flat]
rows = [{ floor = "0", rate = "0.004", leverage = "100" }]
"""
"""OKX's way: contracts of a hundredth of a coin, names with dashes, totals in dollars."""
