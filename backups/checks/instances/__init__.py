"""Checks of instances: what instances.toml says of them, and the places of this site among their data."""

from backups.checks.instances import described, site_paths

__all__ = ["described", "site_paths"]
