"""Auto-deleveraging: who on the winning side gives up lots, how much, and how fair it was."""

from keelmark.engine.adl.candidates import Candidates
from keelmark.engine.adl.lazy import lazy_open_interest
from keelmark.engine.adl.policies import DELEVERAGE, DeleveragePolicy

__all__ = ["DELEVERAGE", "Candidates", "DeleveragePolicy", "lazy_open_interest"]
