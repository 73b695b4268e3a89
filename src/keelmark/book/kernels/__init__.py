"""Numba kernels over the columns; each names its plain definition."""
