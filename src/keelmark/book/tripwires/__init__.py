"""The tripwire index: which units could be liquidatable, without reading the fleet."""
