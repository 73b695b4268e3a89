"""Copies of a service's folder, and the proof that a folder gives what it should."""
