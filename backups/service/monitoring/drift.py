"""Configuration drift: how the live configuration differs from the last backup of it."""

from dataclasses import dataclass

from backups.instances import Instance
from backups.models import BackupExecution
from backups.service.restore.preview.archived import kept_side
from backups.service.restore.preview.configuration import ConfigurationChange, ConfigurationComparison


@dataclass(frozen=True, slots=True)
class Drift:
    """The `changes` since the backup `since`, secrets masked, or the `reason` why the two cannot be compared."""

    since: BackupExecution | None
    changes: tuple[ConfigurationChange, ...] = ()
    reason: str = ""


def drift_of(instance: Instance) -> Drift | None:
    """Compare the live configuration with the one in the row of the last backup; no archive is fetched.

    Return None for an instance without a configuration. Nothing is raised: an error becomes the `reason`.
    """
    if not instance.service.layers:
        return None
    last = BackupExecution.objects.last_made_here(instance.name)
    if last is None:
        return Drift(None, reason="there is no backup to compare with")
    if (kept := kept_side(last, instance.service)) is None:
        return Drift(last, reason="the record of the last backup keeps no configuration")
    comparison = ConfigurationComparison(instance, kept)
    return Drift(last, comparison.difference(), comparison.problem)
