"""Is the service well? The invariants, run on what is published, and the state of its parts."""
