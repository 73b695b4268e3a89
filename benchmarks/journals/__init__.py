"""Measure journals by themselves: one client, over loopback, on the same cores as the server."""
