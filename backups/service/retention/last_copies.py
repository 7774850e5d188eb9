"""The last sound copy of a backup is not deleted where its own rule lets it go, while the rule elsewhere keeps it."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from django.db.models import Q

from backups.models import BackupCopy
from backups.models.querysets import SOUND_COPY
from backups.service.retention.archived import Planned, as_backups, decisions, invalid_rules_refused
from backups.service.retention.stored import with_backups
from destinations.models import BackupDestination


def with_last_copies_kept(destination: BackupDestination, entries: list[Planned], now: datetime) -> list[Planned]:
    """Keep those of `entries` that are the last sound copy of a backup which the rule of another destination keeps.

    The copy there is missing, damaged or still to be made; a sound one elsewhere is noted with the entry.
    """
    if all(entry.keep for entry in entries):
        return entries
    others = BackupCopy.objects.filter(execution__copies__destination=destination).exclude(destination=destination)
    sound = set(others.sound().values_list("execution", flat=True))
    entries = [replace(entry, elsewhere=entry.copy.execution_id in sound) for entry in entries]
    last = {entry.copy.execution_id for entry in entries if not entry.keep and not entry.elsewhere}
    if not last:
        return entries
    # a copy that is not tried again is not expected any more
    expected = Q(state=BackupCopy.State.STORED) | Q(next_try_at__isnull=False, destination__enabled=True)
    unsound = others.filter(expected).exclude(SOUND_COPY).select_related("destination")
    wanted: dict[BackupDestination, set[str]] = {}
    for copy in unsound.defer("upload_state"):
        if copy.execution_id in last:
            wanted.setdefault(copy.destination, set()).add(copy.execution_id)
    kept: dict[str, str] = {}
    for other, ids in wanted.items():
        for pk, because in _kept_at(other, ids, now).items():
            kept.setdefault(pk, f"kept because it is the last sound copy, and the rule of {other} keeps it: {because}")
    return [
        replace(entry, keep=True, reason=kept[entry.copy.execution_id])
        if not entry.keep and entry.copy.execution_id in kept
        else entry
        for entry in entries
    ]


def _kept_at(destination: BackupDestination, ids: Collection[str], now: datetime) -> dict[str, str]:
    """Return which of the backups `ids` the rule of `destination` keeps, as if their copies were there, and why."""
    expected = BackupCopy.objects.filter(destination=destination, execution__in=ids)
    instances = set(expected.values_list("execution__instance", flat=True))
    stored = BackupCopy.State.STORED
    copies = list(with_backups(BackupCopy.objects.filter(
        Q(state=stored, missing_at=None) | Q(pk__in=expected.values("pk")),
        destination=destination, execution__instance__in=instances, execution__status="completed",
        execution__deleted_at=None,
    )))  # fmt: skip
    backups = [replace(backup, flaw="") if backup.id in ids else backup for backup in as_backups(copies, {})]
    found: dict[str, str] = {}
    with invalid_rules_refused(destination):
        for rule in (destination.rule(), destination.last_confirmed_rule()):
            for decision in decisions(rule, backups, now, destination):
                if decision.keep and decision.backup.id in ids:
                    found.setdefault(decision.backup.id, decision.reason.partition(" because ")[2])
    return found
