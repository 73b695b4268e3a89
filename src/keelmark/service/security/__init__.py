"""Who may do what: keys, sessions, roles, limits, the audit trail. No network, no framework."""
