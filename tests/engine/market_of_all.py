"""A universe with one of everything, for random sequences of commands."""

from tests.engine.venue import Spec, merged

EVERYTHING: Spec = {
    "name": "everything",
    "date": "2025-10",
    "read": "2025-10-10",
    "source": "tests: one of everything",
    "valuation": "USDT",
    "liquidation_end": "1.1",
    "assets": {
        "USDT": {"quantum": "0.000001", "loan_rate": "0.02"},
        "USDC": {
            "quantum": "0.000001",
            "weights": [{"floor": "0", "weight": "0.99"}, {"floor": "50000", "weight": "0.95"}],
            "conversion_haircut": "0.001",
        },
        "BTC": {
            "quantum": "0.00000001",
            "weights": [{"floor": "0", "weight": "0.95"}, {"floor": "2", "weight": "0.8"}],
            "initial_weights": [{"floor": "0", "weight": "0.9"}, {"floor": "2", "weight": "0.7"}],
            "conversion_haircut": "0.005",
            "loan_rate": "0.03",
        },
    },
    "defaults": {"lot": "0.001", "price_unit": "0.1", "table": "tiered"},
    "tables": {
        "tiered": {
            "rows": [
                {"floor": "0", "rate": "0.01", "leverage": "50"},
                {"floor": "100000", "rate": "0.02", "leverage": "25"},
                {"floor": "1000000", "rate": "0.05", "leverage": "10"},
            ],
        },
        "whole": {
            "rule": "whole_notional",
            "rows": [
                {"floor": "0", "rate": "0.01"},
                {"floor": "50000", "rate": "0.02"},
                {"floor": "200000", "rate": "0.05"},
            ],
        },
        "sized": {
            "rule": "size_tiers",
            "rows": [
                {"floor": "0", "rate": "0.01"},
                {"floor": "5", "rate": "0.03"},
                {"floor": "20", "rate": "0.06"},
            ],
        },
        "scaled": {
            "rule": "size_scaled",
            "rows": [{"floor": "0", "rate": "0.01"}],
            "slope": "0.00001",
        },
    },
    "instruments": {
        "BTCUSDT": {"kind": "linear_perpetual", "base": "BTC", "settle": "USDT"},
        "ETHUSDT": {
            "kind": "linear_perpetual",
            "base": "ETH",
            "settle": "USDT",
            "lot": "0.01",
            "price_unit": "0.01",
            "table": "whole",
            "margin_price": "index",
            "index": "ETH",
        },
        "BTCUSD": {
            "kind": "inverse_perpetual",
            "base": "BTC",
            "settle": "BTC",
            "contract_size": "100",
            "lot": "1",
            "price_unit": "0.5",
            "table": "scaled",
        },
        "BTCUSDC": {
            "kind": "linear_perpetual",
            "base": "BTC",
            "settle": "USDC",
            "table": "sized",
            "close_fee": {"rate": "0.0005"},
        },
        "BTCDEC": {
            "kind": "linear_future",
            "base": "BTC",
            "settle": "USDT",
            "expiry": "2025-12-26T08:00:00Z",
        },
    },
    "liquidation": {
        "taker_fee": "0.0005",
        "clearance_fee": "0.001",
        "warn": {"levels": ["0.5", "0.8"], "hysteresis": "0.05", "recheck_s": 60},
        "margin_call": {"usage": "0.9", "grace_s": 0},
        "reduce": {"buffer": "0.1", "attempts": 3},
        "takeover": {"dispose_share": "0.3", "dispose_interval_s": 30},
        "insurance": {"window_share": "0.5", "surplus_share": "0.5"},
        "guards": {"band": "0.6"},
    },
}

PROCESSES: tuple[Spec, ...] = (
    {},
    {
        "liquidation": {
            "unit_order": "largest_notional",
            "margin_call": {"usage": "0.9", "grace_s": 5},
            "reduce": {
                "sizing": "tier_drop",
                "order": "worst_pnl",
                "price_limit": "zero_loss",
                "interval_s": 2,
            },
            "takeover": {"inventory_max": "200000", "deleverage_below": "0"},
            "deleverage": "pro_rata_profit",
            "socialise": "withdrawal_haircut",
        },
    },
    {
        "liquidation": {
            "unit_order": "highest_excess",
            "reduce": {
                "sizing": "fraction_then_cooldown",
                "sizing_settings": {"threshold": "50000"},
                "order": "hedged_first",
                "price_limit": "bounded_slippage",
            },
            "takeover": {"loss_max": "20000", "loss_window_s": 60},
            "insurance": {"window_share": "0.1", "window_s": 30},
            "deleverage": "queue_full_closure",
            "socialise": "per_open_interest",
            "guards": {"notional_max": "400000", "window_s": 10, "stale_s": 60},
        },
    },
    {
        "trigger": "at_or_below",
        "edge_owner": "lower",
        "liquidation_end": "1",
        "liquidation": {
            "unit_order": "account_id",
            "stages": ["reduce", "insurance", "auto_deleverage", "socialise"],
            "reduce": {"sizing": "least_cost", "price_limit": "no_limit", "buffer": "0"},
            "deleverage": "leverage_drain",
        },
    },
    {
        "assets": {"USDC": {"haircut_base": "balance"}, "BTC": {"haircut_base": "balance"}},
        "profit": {"maintenance": {"weight": "0.9"}, "initial": {"weight": "0"}},
        "liquidation": {
            "stages": ["convert_collateral", "insurance", "auto_deleverage", "socialise"],
            "deleverage": "equity_min_max",
        },
    },
    {
        "instruments": {"BTCUSDC": {"close_fee": {"rate": "0.0005", "basis": "bankruptcy"}}},
        "profit": {"maintenance": {"weight": "1", "cap": "5000"}},
        "liquidation": {"reduce": {"sizing": "whole", "price_limit": "fillable"}},
    },
)
"""What the engine is run with: the stages and their policies, differently each time."""

DEARER: Spec = {
    "tables": {
        "tiered": {
            "rows": [
                {"floor": "0", "rate": "0.015", "leverage": "30"},
                {"floor": "80000", "rate": "0.03", "leverage": "15"},
            ],
        },
    },
    "assets": {"USDC": {"weights": [{"floor": "0", "weight": "0.97"}]}},
}
"""Parameters that a rulebook may change to while positions are open."""


def everything(process: int) -> Spec:
    """Return the universe under one of the processes."""
    return merged(EVERYTHING, PROCESSES[process])
