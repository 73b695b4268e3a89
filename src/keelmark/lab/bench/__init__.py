"""Measure this machine: every bar of the project, with the comparison it is held against.

`benchmarks/README.md` says what is measured and how to read it.
"""
