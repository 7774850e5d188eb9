"""Checks of keys: those that are configured, what destinations demand of them, and what lies at the destinations."""

from backups.checks.keys import configured, policy, use

__all__ = ["configured", "policy", "use"]
