"""Questions about one account: what if, how far, where from here, and at which venue.

Names load when they are first used: asking what if imports no arrays and no pictures.
"""

from typing import TYPE_CHECKING

from keelmark._lazy import lazy_names

if TYPE_CHECKING:
    from keelmark.risk.backtests import Backtest as Backtest
    from keelmark.risk.backtests import backtest as backtest
    from keelmark.risk.beta_move import BetaMove as BetaMove
    from keelmark.risk.beta_move import find_beta_move as find_beta_move
    from keelmark.risk.comparison import Comparison as Comparison
    from keelmark.risk.comparison import compare_modes as compare_modes
    from keelmark.risk.comparison import compare_venues as compare_venues
    from keelmark.risk.edit_text import parse_edit as parse_edit
    from keelmark.risk.edits import Add as Add
    from keelmark.risk.edits import Close as Close
    from keelmark.risk.edits import Deposit as Deposit
    from keelmark.risk.edits import MovePrice as MovePrice
    from keelmark.risk.edits import Resize as Resize
    from keelmark.risk.edits import SetLeverage as SetLeverage
    from keelmark.risk.edits import SetMarginMode as SetMarginMode
    from keelmark.risk.edits import SetVenue as SetVenue
    from keelmark.risk.edits import Transfer as Transfer
    from keelmark.risk.edits import Withdraw as Withdraw
    from keelmark.risk.fleet import BookStress as BookStress
    from keelmark.risk.fleet import VenueBook as VenueBook
    from keelmark.risk.fleet import book_concentration as book_concentration
    from keelmark.risk.fleet import book_stress as book_stress
    from keelmark.risk.fleet import made_for_book as made_for_book
    from keelmark.risk.ladders import Ladder as Ladder
    from keelmark.risk.ladders import ladder as ladder
    from keelmark.risk.liquidation import LiquidationProbability as LiquidationProbability
    from keelmark.risk.liquidation import ProbabilityOptions as ProbabilityOptions
    from keelmark.risk.liquidation import liquidation_probability as liquidation_probability
    from keelmark.risk.portfolio import Portfolio as Portfolio
    from keelmark.risk.portfolio import portfolio_of as portfolio_of
    from keelmark.risk.portfolio import portfolios_of as portfolios_of
    from keelmark.risk.rescues import Action as Action
    from keelmark.risk.rescues import Hedge as Hedge
    from keelmark.risk.rescues import Impact as Impact
    from keelmark.risk.rescues import Money as Money
    from keelmark.risk.rescues import Rescue as Rescue
    from keelmark.risk.rescues import RescueOptions as RescueOptions
    from keelmark.risk.rescues import Target as Target
    from keelmark.risk.rescues import rescue as rescue
    from keelmark.risk.returns import read_returns as read_returns
    from keelmark.risk.revaluation import UnitValuer as UnitValuer
    from keelmark.risk.revaluation import value_account as value_account
    from keelmark.risk.reverse import ReverseStress as ReverseStress
    from keelmark.risk.reverse import ShockCovariance as ShockCovariance
    from keelmark.risk.reverse import find_reverse_stress as find_reverse_stress
    from keelmark.risk.scenarios import Scenarios as Scenarios
    from keelmark.risk.scenarios import Shocks as Shocks
    from keelmark.risk.sizing.account_size import AccountSize as AccountSize
    from keelmark.risk.sizing.account_size import SizeWish as SizeWish
    from keelmark.risk.sizing.account_size import account_size as account_size
    from keelmark.risk.stress import StressResult as StressResult
    from keelmark.risk.stress import StressScenario as StressScenario
    from keelmark.risk.stress import read_scenarios as read_scenarios
    from keelmark.risk.stress import stress_account as stress_account
    from keelmark.risk.stress import stress_library as stress_library
    from keelmark.risk.surfaces import Surface as Surface
    from keelmark.risk.surfaces import surface as surface
    from keelmark.risk.tail import AccountRisk as AccountRisk
    from keelmark.risk.tail import Liquidity as Liquidity
    from keelmark.risk.tail import RiskOptions as RiskOptions
    from keelmark.risk.tail import TailRisk as TailRisk
    from keelmark.risk.tail import risk_of as risk_of
    from keelmark.risk.tail import tail_risk as tail_risk
    from keelmark.risk.what_if import WhatIf as WhatIf
    from keelmark.risk.what_if import whatif as whatif

_HOMES = {
    "AccountRisk": "keelmark.risk.tail",
    "AccountSize": "keelmark.risk.sizing.account_size",
    "Action": "keelmark.risk.rescues",
    "Add": "keelmark.risk.edits",
    "Backtest": "keelmark.risk.backtests",
    "BetaMove": "keelmark.risk.beta_move",
    "BookStress": "keelmark.risk.fleet",
    "Close": "keelmark.risk.edits",
    "Comparison": "keelmark.risk.comparison",
    "Deposit": "keelmark.risk.edits",
    "Hedge": "keelmark.risk.rescues",
    "Impact": "keelmark.risk.rescues",
    "Ladder": "keelmark.risk.ladders",
    "LiquidationProbability": "keelmark.risk.liquidation",
    "Liquidity": "keelmark.risk.tail",
    "Money": "keelmark.risk.rescues",
    "MovePrice": "keelmark.risk.edits",
    "Portfolio": "keelmark.risk.portfolio",
    "ProbabilityOptions": "keelmark.risk.liquidation",
    "Rescue": "keelmark.risk.rescues",
    "RescueOptions": "keelmark.risk.rescues",
    "Resize": "keelmark.risk.edits",
    "ReverseStress": "keelmark.risk.reverse",
    "RiskOptions": "keelmark.risk.tail",
    "Scenarios": "keelmark.risk.scenarios",
    "SetLeverage": "keelmark.risk.edits",
    "SetMarginMode": "keelmark.risk.edits",
    "SetVenue": "keelmark.risk.edits",
    "ShockCovariance": "keelmark.risk.reverse",
    "Shocks": "keelmark.risk.scenarios",
    "SizeWish": "keelmark.risk.sizing.account_size",
    "StressResult": "keelmark.risk.stress",
    "StressScenario": "keelmark.risk.stress",
    "Surface": "keelmark.risk.surfaces",
    "TailRisk": "keelmark.risk.tail",
    "Target": "keelmark.risk.rescues",
    "Transfer": "keelmark.risk.edits",
    "UnitValuer": "keelmark.risk.revaluation",
    "VenueBook": "keelmark.risk.fleet",
    "WhatIf": "keelmark.risk.what_if",
    "Withdraw": "keelmark.risk.edits",
    "account_size": "keelmark.risk.sizing.account_size",
    "backtest": "keelmark.risk.backtests",
    "book_concentration": "keelmark.risk.fleet",
    "book_stress": "keelmark.risk.fleet",
    "compare_modes": "keelmark.risk.comparison",
    "compare_venues": "keelmark.risk.comparison",
    "find_beta_move": "keelmark.risk.beta_move",
    "find_reverse_stress": "keelmark.risk.reverse",
    "ladder": "keelmark.risk.ladders",
    "liquidation_probability": "keelmark.risk.liquidation",
    "made_for_book": "keelmark.risk.fleet",
    "parse_edit": "keelmark.risk.edit_text",
    "portfolio_of": "keelmark.risk.portfolio",
    "portfolios_of": "keelmark.risk.portfolio",
    "read_returns": "keelmark.risk.returns",
    "read_scenarios": "keelmark.risk.stress",
    "rescue": "keelmark.risk.rescues",
    "risk_of": "keelmark.risk.tail",
    "stress_account": "keelmark.risk.stress",
    "stress_library": "keelmark.risk.stress",
    "surface": "keelmark.risk.surfaces",
    "tail_risk": "keelmark.risk.tail",
    "value_account": "keelmark.risk.revaluation",
    "whatif": "keelmark.risk.what_if",
}
"""Where each public name lives."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of the names above
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
