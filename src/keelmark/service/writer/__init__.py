"""The writer: the one process that owns the engine and its journal."""
