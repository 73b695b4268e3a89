"""The reduce stage: which leg first, how many lots, and at what worst price."""
