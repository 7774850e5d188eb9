"""Finding what a backup lacks: its manifest beside those of earlier backups of the instance."""

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from django.conf import settings

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.models import BackupExecution
from backups.models.querysets import BackupQuerySet
from backups.service.drops.episodes import comparable, entry_of, log_drop, named, open_drops
from backups.service.drops.holdings import Drop, Holding, drops_between, holdings_of

Kind, Status = BackupExecution.Kind, BackupExecution.Status


def note_drops(backup: BackupExecution, manifest: Manifest) -> Manifest:
    """Write into the running row what `manifest` lacks; return the manifest with warnings that say so.

    A safety backup holds whatever is there: nothing is expected of it.
    """
    found = [] if backup.kind == Kind.SAFETY else _find(backup, manifest)
    if not found:
        return manifest
    backup.moved(Status.RUNNING, drops=[entry_of(drop) for drop in found])
    return replace(manifest, warnings=manifest.warnings + tuple(f"data dropped: {text}" for text in named(found)))


def judge_adopted(backups: Iterable[BackupExecution]) -> None:
    """Write into the rows of archives that were not made here what each lacks beside those before it, oldest first."""
    dated = [row for row in backups if row.started_at is not None and row.kind != Kind.SAFETY]
    for backup in sorted(dated, key=lambda row: (row.started_at, row.pk)):
        manifest = _manifest(backup.pk)
        if manifest is not None and (found := _find(backup, manifest)):
            backup.moved(Status.COMPLETED, drops=[entry_of(drop) for drop in found])
            log_drop(backup)


def _find(backup: BackupExecution, manifest: Manifest) -> list[Drop]:
    found = drops_between(
        _reference(backup),
        holdings_of(manifest),
        percent=settings.BACKUP_DROP_PERCENT,
        config_is_url=manifest.config_source == "url",
    )
    return [drop for drop in found if not _is_ignored(backup.instance, drop)]


def _is_ignored(instance: str, drop: Drop) -> bool:
    names = [f"{instance}/{drop.component}", f"{instance}/{drop.component}/{drop.table}"]
    return any(fnmatchcase(name, pattern) for pattern in settings.BACKUP_DROP_IGNORE for name in names)


def _reference(backup: BackupExecution) -> dict[str, Holding]:
    """Return what each component held in the newest earlier backup in which it has no open drop."""
    found: dict[str, Holding] = {}
    missing: set[str] | None = None
    rows = _earlier(backup).order_by("-started_at", "-pk")
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


def _earlier(backup: BackupExecution) -> BackupQuerySet:
    others = comparable().of_instance(backup.instance).exclude(pk=backup.pk)
    earlier = others.filter(started_at__lte=backup.started_at)
    # a clock that was set back must not hide all there is to compare with
    return earlier if backup.adopted or earlier.exists() else others


def _manifest(pk: str) -> Manifest | None:
    """Return the manifest of a row; None for one that another program wrote and that cannot be read."""
    data = BackupExecution.objects.values_list("manifest_json", flat=True).get(pk=pk)
    try:
        return Manifest.from_dict(data)
    except ArchiveError:
        return None
