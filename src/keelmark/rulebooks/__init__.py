"""Venue rules as dated data, and the formulas they select by name."""

from keelmark.rulebooks.load import Rulebook, load_rulebook, rulebook_names

__all__ = ["Rulebook", "load_rulebook", "rulebook_names"]
