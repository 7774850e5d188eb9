"""Finding drops: what a backup holds is compared with what earlier backups of the instance held."""

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from django.conf import settings
from django.utils import timezone

from backups.archive.manifest.document import Manifest
from backups.models import BackupExecution
from backups.models.columns import DropEntry
from backups.service.drops.entries import RECURRING, amounts_of, confirmed, entry_of, is_confirmed
from backups.service.drops.episodes import log_drop, named, open_drops
from backups.service.drops.holdings import Holding, holdings_of
from backups.service.drops.past import PastBackups, manifest_of
from backups.service.drops.trend import Thresholds, deviations, recurs
from destinations.lib.operator_error import sentences

Kind, Status = BackupExecution.Kind, BackupExecution.Status


def record_drops(backup: BackupExecution, manifest: Manifest) -> Manifest:
    """Record in the running row what `manifest` holds and what it lacks; return it with a warning for each drop."""
    backup.transition(Status.RUNNING, **_columns(backup, manifest, PastBackups()))
    found = open_drops(backup)
    gone = named([drop for drop in found if not drop.is_off_trend])
    off_trend = named([drop for drop in found if drop.is_off_trend])
    warnings = [f"Data dropped: {text}" for text in gone] + [f"Amount of data: {text}" for text in off_trend]
    return replace(manifest, warnings=manifest.warnings + tuple(map(sentences, warnings)))


def record_drops_of_adopted(backups: Iterable[BackupExecution]) -> None:
    """Record in the rows of adopted archives what they hold and what they lack, the oldest of each instance first."""
    past = PastBackups()
    dated = [row for row in backups if row.started_at is not None]
    # one instance after the other: the manifests in memory are those of its last backups
    for backup in sorted(dated, key=lambda row: (row.instance, row.started_at, row.pk)):
        manifest = manifest_of(backup.pk)
        if manifest is not None:
            backup.transition(Status.COMPLETED, **_columns(backup, manifest, past))
            if backup.open_drop:
                log_drop(backup)


def _columns(backup: BackupExecution, manifest: Manifest, past: PastBackups) -> dict[str, Any]:
    now = timezone.now()
    held = holdings_of(manifest)
    columns: dict[str, Any] = {"amounts": amounts_of(held)}
    # A safety backup is of whatever state a restore replaces. One that is imported again keeps what was confirmed.
    if backup.kind == Kind.SAFETY or backup.drops:
        return columns
    held = {name: _compared(backup.instance, name, holding) for name, holding in held.items()}
    states = past.states_before(backup)
    for name, own in states.items():
        states[name] = [
            replace(state, holding=_compared(backup.instance, name, state.holding)) if state.holding else state
            for state in own
        ]
    thresholds = Thresholds(settings.BACKUP_DROP_PERCENT, settings.BACKUP_GROWTH_FACTOR)
    entries: list[DropEntry] = []
    for drop in deviations(states, held, thresholds, config_is_url=manifest.config_source == "url"):
        if _is_ignored(backup.instance, drop.component) or _is_ignored(backup.instance, drop.component, drop.table):
            continue
        entry = entry_of(drop)
        if recurs(drop, states[drop.component]):
            entry = confirmed(entry, by=RECURRING, at=now)
        entries.append(entry)
    if entries:
        columns["drops"] = entries
    if entries and all(map(is_confirmed, entries)):
        columns |= {"drop_confirmed_at": now, "drop_confirmed_by": RECURRING}
    return columns


def _compared(instance: str, component: str, holding: Holding) -> Holding:
    """Return `holding` without the tables that the setting leaves out, also in the rows of the component."""
    ignored = {table for table in holding.tables if _is_ignored(instance, component, table)}
    if not ignored:
        return holding
    tables = {table: rows for table, rows in holding.tables.items() if table not in ignored}
    return replace(holding, tables=tables, rows=holding.rows - sum(holding.tables[table] for table in ignored))


def _is_ignored(*names: str) -> bool:
    return any(fnmatchcase("/".join(names), pattern) for pattern in settings.BACKUP_DROP_IGNORE)
