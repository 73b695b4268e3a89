"""Simulation of the whole engine: workloads, faults and checks from one file and one seed."""
