"""The last sound copy of a backup is not deleted where its own rule lets it go, while the rule elsewhere keeps it."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from django.db.models import BooleanField, ExpressionWrapper, Q

from backups.errors import BackupError
from backups.models import BackupCopy, BackupExecution
from backups.models.querysets import SOUND_COPY
from backups.service.retention.archived import DAMAGED, Planned, as_backups, decisions, invalid_rules_refused
from backups.service.retention.stored import with_backups
from destinations.models import BackupDestination


def with_last_copies_kept(destination: BackupDestination, entries: list[Planned], now: datetime) -> list[Planned]:
    """Keep those of `entries` that are the last sound copy of a backup which the rule of another destination keeps.

    The copy there is missing, damaged or still to be made. One that goes because another copy is sound has that noted
    with its entry: before it is deleted, the other destination is asked.
    """
    going = {entry.copy.execution_id for entry in entries if not entry.keep}
    if not going:
        return entries
    # one that never arrived and is not tried again is not expected any more, and none is tried at a disabled
    # destination; what is stored there is, until a person gives it up
    expected = Q(state=BackupCopy.State.STORED) | Q(next_try_at__isnull=False, destination__enabled=True)
    others = BackupCopy.objects.filter(expected, execution__copies__destination=destination)
    wanted, sound = defaultdict[str, set[str]](set), set[str]()
    found = others.exclude(destination=destination).order_by("destination__position", "destination__name")
    is_sound = ExpressionWrapper(SOUND_COPY, BooleanField())
    for pk, where, whole in found.annotate(whole=is_sound).values_list("execution", "destination", "whole"):
        if pk in going:
            wanted[where].add(pk)
            if whole:
                sound.add(pk)
    kept: dict[str, str] = {}
    for other in BackupDestination.objects.in_bulk(list(wanted)).values():
        for pk, because in kept_at(other, wanted[other.pk], now).items():
            kept.setdefault(pk, f"kept because it is the last sound copy, and the rule of {other} keeps it: {because}")
    planned = []
    for entry in entries:
        pk = entry.copy.execution_id
        if not entry.keep and pk in kept:
            planned.append(
                replace(entry, elsewhere=True) if pk in sound else replace(entry, keep=True, reason=kept[pk])
            )
        else:
            planned.append(entry)
    return planned


def not_kept(destination: BackupDestination, backup: BackupExecution, now: datetime) -> str:
    """Return why the rule of `destination` would delete a copy of `backup` as soon as it is there; empty if not."""
    try:
        if backup.pk in kept_at(destination, [backup.pk], now):
            return ""
    except BackupError:
        # an invalid rule deletes nothing
        return ""
    return f"the rule of {destination}, {destination.rule()}, lets it go at once"


def kept_at(destination: BackupDestination, ids: Collection[str], now: datetime) -> dict[str, str]:
    """Return which of the backups `ids` the rule of `destination` keeps, as if their copies were there, and why.

    Raises BackupError for an invalid rule.
    """
    expected = BackupCopy.objects.filter(destination=destination, execution__in=ids)
    instances = set(BackupExecution.objects.filter(pk__in=ids).order_by().values_list("instance", flat=True))
    stored = BackupCopy.State.STORED
    copies = list(with_backups(BackupCopy.objects.filter(
        Q(state=stored, missing_at=None) | Q(pk__in=expected.values("pk")),
        destination=destination, execution__instance__in=instances, execution__status="completed",
        execution__deleted_at=None,
    )))  # fmt: skip
    unknown = set(ids) - {copy.execution_id for copy in copies}
    # one that never had a copy there: with the values of any other
    elsewhere = with_backups(BackupCopy.objects.stored().filter(execution__in=unknown)) if unknown else ()
    copies += {copy.execution_id: copy for copy in elsewhere}.values()
    backups = [
        replace(backup, flaw="") if backup.id in ids and backup.flaw == DAMAGED else backup
        for backup in as_backups(copies, {})
    ]
    found: dict[str, str] = {}
    with invalid_rules_refused(destination):
        rules = [destination.rule()]
        if not destination.append_only:  # there the rule says what the store keeps, and no other is confirmed
            rules.append(destination.last_confirmed_rule())
        for rule in rules:
            for decision in decisions(rule, backups, now, destination):
                if decision.keep and decision.backup.id in ids:
                    found.setdefault(decision.backup.id, decision.reason.partition(" because ")[2])
    return found
