"""Questions about every unit at once: who falls next, and how far everybody is from it."""
