"""What things are and what the rules say: plain Python, `Decimal` and `int`, no I/O, no clock."""
