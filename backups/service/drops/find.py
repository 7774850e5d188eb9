"""Finding drops: the manifest of a backup is compared with those of earlier backups of the instance."""

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from django.conf import settings

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.models import BackupExecution
from backups.service.drops.episodes import comparable, entry_of, log_drop, named, open_drops
from backups.service.drops.holdings import Drop, Holding, drops_between, holdings_of
from destinations.lib.operator_error import sentences

Kind, Status = BackupExecution.Kind, BackupExecution.Status


def record_drops(backup: BackupExecution, manifest: Manifest) -> Manifest:
    """Record in the running row what `manifest` lacks; return the manifest with a warning for each drop."""
    # a safety backup is of whatever state a restore replaces
    found = [] if backup.kind == Kind.SAFETY else _find(backup, manifest)
    if not found:
        return manifest
    backup.transition(Status.RUNNING, drops=[entry_of(drop) for drop in found])
    return replace(
        manifest, warnings=manifest.warnings + tuple(sentences(f"Data dropped: {text}") for text in named(found))
    )


def record_drops_of_adopted(backups: Iterable[BackupExecution]) -> None:
    """Record the drops in the rows of adopted archives, oldest first."""
    dated = [row for row in backups if row.started_at is not None and row.kind != Kind.SAFETY]
    for backup in sorted(dated, key=lambda row: (row.started_at, row.pk)):
        manifest = _manifest(backup.pk)
        if manifest is not None and (found := _find(backup, manifest)):
            backup.transition(Status.COMPLETED, drops=[entry_of(drop) for drop in found])
            log_drop(backup)


def _find(backup: BackupExecution, manifest: Manifest) -> list[Drop]:
    found = drops_between(
        _reference(backup),
        holdings_of(manifest),
        percent=settings.BACKUP_DROP_PERCENT,
        config_is_url=manifest.config_source == "url",
    )
    kept = []
    for drop in found:
        names = [f"{backup.instance}/{drop.component}", f"{backup.instance}/{drop.component}/{drop.table}"]
        if not any(fnmatchcase(name, pattern) for pattern in settings.BACKUP_DROP_IGNORE for name in names):
            kept.append(drop)
    return kept


def _reference(backup: BackupExecution) -> dict[str, Holding]:
    """Return the holding of each component in the newest earlier backup in which it has no open drop."""
    found: dict[str, Holding] = {}
    missing: set[str] | None = None
    others = comparable().of_instance(backup.instance).exclude(pk=backup.pk)
    earlier = others.filter(started_at__lte=backup.started_at)
    # after the clock was set back all other backups may be later ones: they are compared with then
    rows = (earlier if backup.adopted or earlier.exists() else others).order_by("-started_at", "-pk")
    for row in rows.only("pk", "drops", "drop_confirmed_at").iterator():
        dropped = {drop.component for drop in open_drops(row)}
        if missing is not None and missing <= dropped:
            continue
        if (manifest := _manifest(row.pk)) is None:
            continue
        held = holdings_of(manifest)
        wanted = held.keys() if missing is None else sorted(missing)
        found |= {component: held[component] for component in wanted if component in held and component not in dropped}
        missing = dropped if missing is None else missing & dropped
        if not missing:
            break
    return found


def _manifest(pk: str) -> Manifest | None:
    """Return the manifest of a row; None for an adopted one that cannot be read."""
    data = BackupExecution.objects.values_list("manifest_json", flat=True).get(pk=pk)
    try:
        return Manifest.from_dict(data)
    except ArchiveError:
        return None
