"""Configuration drift: how the live configuration differs from the last backup of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import OuterRef, Subquery, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import NullIf

from backups.instances import Instance
from backups.models import BackupExecution, InstanceState
from backups.service.restore.preview.archived import kept_side
from backups.service.restore.preview.configuration import ConfigurationChange, ConfigurationComparison

# SQLite returns the text "null" for a JSON null
CONFIG_HASH = NullIf(KT("manifest_json__config_info__config_hash"), Value("null", TextField()))


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


def drifted(backups: Iterable[BackupExecution]) -> set[str]:
    """Return the instances whose configuration is another one than in these, a backup of each; in one query."""
    # not beside an adopted archive: other software may compute that hash differently
    own = [backup.pk for backup in backups if not backup.adopted]
    # as the watch saw each configuration last: no page reads the files of 200 instances
    seen = InstanceState.objects.filter(instance=OuterRef("instance")).values("config_hash")[:1]
    rows = BackupExecution.objects.filter(pk__in=own).order_by()
    found = rows.values_list("instance", CONFIG_HASH, Subquery(seen))
    return {name for name, backed_up, now in found if backed_up and now and backed_up != now}
