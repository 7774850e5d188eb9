"""System checks: a mistake in a setting or in instances.toml is found before the night."""

from backups.checks import cadences, database, drops, instances, log_file, queue, restores, retention, workers
from backups.checks import compression as archives
from backups.checks import encryption_policy as sealing
from backups.checks import keys as encryption
from backups.checks import site_paths as own_places
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
