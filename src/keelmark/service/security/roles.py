"""Three roles, each allowed what the one before it is."""

from enum import StrEnum


class Role(StrEnum):
    """What the holder of a key may do."""

    VIEWER = "viewer"
    """Read, and ask what would happen."""
    OPERATOR = "operator"
    """Send commands, marks and executions; pause, resume, hold, release."""
    RISK_ADMIN = "risk_admin"
    """Change the rules, close accounts, take positions over, give and revoke keys, read audits."""

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what `needed` may."""
        return _RANK[self] >= _RANK[needed]


_RANK = {role: rank for rank, role in enumerate(Role)}
