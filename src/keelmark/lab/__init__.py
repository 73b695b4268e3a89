"""Populations, replay, cascades, the ADL laboratory, fleet stress and sweeps."""
