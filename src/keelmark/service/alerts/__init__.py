"""Wake people before a venue acts: levels with hysteresis, no flapping, escalation, delivery."""
