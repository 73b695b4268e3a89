"""Formulas of venues that are not the margin of a unit: one module a venue, pure functions.

Amounts are exact decimals or whole numbers; floats appear only where a formula needs a power, a
logarithm or a distribution. What a venue decides by number is an argument: it is dated data.
"""
