"""Masking what earlier versions stored in plain: secrets in the configurations that records of backups keep."""

from dataclasses import dataclass

from backups.errors import InstanceError
from backups.instances import inventory
from backups.instances.kinds import KINDS
from backups.instances.masking import masked
from backups.lib import audit
from backups.models import BackupExecution
from destinations.lib.operator_error import sentences

# each may have a configuration of some hundred kB
BATCH = 100


@dataclass(frozen=True, slots=True)
class Masked:
    """How many records keep a configuration, and how many of these had secrets in plain."""

    checked: int
    masked: int


def mask_kept_configurations(*, by: audit.Actor, dry_run: bool = False) -> Masked:
    """Mask every secret, by the present list of names, in the configurations that records of backups keep.

    Idempotent. Raises InstanceError while instances.toml has errors.
    """
    if problems := inventory().problems:
        # the names of secrets in the table with the error are not known
        raise InstanceError(sentences(f"The configurations are not masked: {problems[0]}"), hint=problems[0].hint)
    rows = BackupExecution.objects.filter(config_json__isnull=False).order_by("pk").values_list("pk", "config_json")
    checked = changed = 0
    last = ""
    # no cursor stays open: SQLite would not write
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        last = batch[-1][0]
        checked += len(batch)
        for pk, kept in batch:
            hidden = {name: masked(layer, _is_secret) for name, layer in (kept or {}).items()}
            if hidden == (kept or {}):
                continue
            changed += 1
            if not dry_run:
                BackupExecution.objects.filter(pk=pk).update(config_json=hidden)
    if changed and not dry_run:
        audit.log("configurations.masked", backups=changed, by=audit.name_of(by))
    return Masked(checked, changed)


def _is_secret(section: str, key: str) -> bool:
    # of any kind of service: a record without a manifest does not name its own
    return any(kind.is_secret(section, key) for kind in KINDS.values())
