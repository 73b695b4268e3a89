"""Replay a crash: a population, a market's marks, the engine, and what came of it."""
