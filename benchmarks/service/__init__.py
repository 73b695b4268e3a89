"""Measure the running service: loads over loopback, on the same two cores as what is measured."""
