"""System checks of settings, instances.toml and the state of the site. Importing a module registers its checks."""

from backups.checks import (
    cadences,
    compression,
    copies,
    database,
    drops,
    instances,
    keys,
    log_file,
    monitoring,
    notifications,
    queue,
    restores,
    retention,
    workers,
)
from backups.checks.instances.described import check_instances_file, check_sources

__all__ = [
    "cadences",
    "check_instances_file",
    "check_sources",
    "compression",
    "copies",
    "database",
    "drops",
    "instances",
    "keys",
    "log_file",
    "monitoring",
    "notifications",
    "queue",
    "restores",
    "retention",
    "workers",
]
