"""Where prices come from: a venue's own streams, and what turns them into marks."""
