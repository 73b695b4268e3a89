"""Bars, intrabar paths, marks, depth, impact, datasets and importers.

Nothing is imported here: `from keelmark.market.bars import read_bars`.
"""
