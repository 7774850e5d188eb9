"""System checks: a mistake in a setting or in instances.toml is found before the night."""

from backups.checks import (
    archives,
    cadences,
    database,
    drops,
    encryption,
    instances,
    log_file,
    own_places,
    queue,
    restores,
    retention,
    sealing,
    workers,
)
from backups.checks.instances import check_instances_file, check_sources

__all__ = [
    "archives",
    "cadences",
    "check_instances_file",
    "check_sources",
    "database",
    "drops",
    "encryption",
    "instances",
    "log_file",
    "own_places",
    "queue",
    "restores",
    "retention",
    "sealing",
    "workers",
]
