"""The ways to lose a position: the stages of the waterfall, each in a file of its own."""
