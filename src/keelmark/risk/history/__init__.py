"""Past prices as joint changes: one clock, one row a period, and every repair named."""
