"""Checks of instances: what instances.toml says of them, the places of this site among their data, and the site."""

from backups.checks.instances import described, site_paths, this_site

__all__ = ["described", "site_paths", "this_site"]
