"""Auto-deleveraging: who on the winning side gives up lots, how much, and how fair it was."""
