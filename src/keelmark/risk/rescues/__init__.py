"""Rescue: the cheapest plan that brings an account to a target, and the proof that it is."""

from keelmark.risk.rescues.options import Action, Hedge, Impact, Money, RescueOptions
from keelmark.risk.rescues.rescue import rescue
from keelmark.risk.rescues.result import Plan, Rescue, RescueStatus, Single, Step, Way
from keelmark.risk.rescues.standing import Standing
from keelmark.risk.rescues.target import Target, TargetKind

__all__ = [
    "Action",
    "Hedge",
    "Impact",
    "Money",
    "Plan",
    "Rescue",
    "RescueOptions",
    "RescueStatus",
    "Single",
    "Standing",
    "Step",
    "Target",
    "TargetKind",
    "Way",
    "rescue",
]
