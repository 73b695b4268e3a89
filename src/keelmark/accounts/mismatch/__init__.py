"""Why a venue's own figure differs from ours: hypotheses, recomputed exactly and ranked."""
