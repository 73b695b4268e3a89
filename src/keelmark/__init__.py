"""Keelmark: the open cross-margin liquidation engine for crypto derivatives."""
