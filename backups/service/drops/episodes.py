"""Drops: data that a backup lacks and an earlier one had, or that is off its trend. Each is open until it is confirmed.

While the newest backup of an instance has an open drop, retention deletes no backup from before the drop.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution
from backups.models.columns import DropEntry
from backups.models.querysets import BackupQuerySet
from backups.runs.claim import lock_instance
from backups.runs.recovery.heartbeats import CLOCK_SKEW
from backups.service.drops.entries import confirmed, drop_in, is_confirmed
from backups.service.drops.holdings import Drop
from backups.signals import data_dropped

Status = BackupExecution.Status
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Episode:
    """The newest backup of an instance has an open drop; `since` is the date of the first one in an unbroken row."""

    newest: BackupExecution
    since: datetime

    @property
    def drops(self) -> list[Drop]:
        return open_drops(self.newest)

    @property
    def lost(self) -> list[Drop]:
        """What is gone since the backup before."""
        return [drop for drop in self.drops if not drop.is_off_trend]

    @property
    def off_trend(self) -> list[Drop]:
        return [drop for drop in self.drops if drop.is_off_trend]

    @property
    def label(self) -> str:
        return label_of(self.newest)

    @property
    def headline(self) -> str:
        return headline_of(self.drops)

    @property
    def described(self) -> str:
        """What it is, with the first drop: the end of "it is from before ..."."""
        drops = self.drops
        what = "a growth" if drops and all(drop.is_growth for drop in drops) else "a drop"
        more = f", and {len(drops) - 1} more" if len(drops) > 1 else ""
        return f"{what} of data that is not confirmed{''.join(f': {drop}{more}' for drop in drops[:1])}"


def drops_of(backup: BackupExecution) -> list[tuple[Drop, str]]:
    """Return each drop of `backup` and who confirmed it ("" for an open one); none of a failed backup."""
    if backup.status != Status.COMPLETED:
        return []
    return [(drop_in(entry), entry["confirmed_by"] if is_confirmed(entry) else "") for entry in backup.drops or []]


def open_drops(backup: BackupExecution) -> list[Drop]:
    return [drop_in(entry) for entry in backup.drops or [] if not is_confirmed(entry)]


def headline_of(drops: Sequence[Drop]) -> str:
    """Return what a backup with these drops does, as the end of a sentence."""
    if all(drop.is_growth for drop in drops):
        return "holds far more data than before"
    return "lacks data that was there before"


def label_of(backup: BackupExecution) -> str:
    """Return the state of a backup with an open drop in two or three words; empty without one."""
    if not backup.open_drop:
        return ""
    return "far more data" if all(drop.is_growth for drop in open_drops(backup)) else "data dropped"


def summary(backup: BackupExecution) -> str:
    """Return the open drops in one line, empty without any."""
    return "; ".join(named(open_drops(backup)))


def open_episodes(instances: Collection[str] | None = None) -> dict[str, Episode]:
    """Return the open episodes of `instances`, or of all, by the name of the instance."""
    rows = _dated() if instances is None else _dated().filter(instance__in=instances)
    by_instance: dict[str, list[tuple[datetime, str]]] = {}
    # in no order, SQLite would read all completed backups
    dropped = rows.with_open_drop().order_by("started_at", "pk")
    for name, started_at, pk in dropped.values_list("instance", "started_at", "pk"):
        if started_at is not None:
            by_instance.setdefault(name, []).append((started_at, pk))
    if not by_instance:
        return {}
    # without a drop, or with confirmed ones only: that backup ends the row of those before it
    whole = rows.filter(instance__in=by_instance).without_open_drop().order_by()
    last_whole = dict(whole.values_list("instance").annotate(Max("started_at")))
    ends: dict[str, tuple[datetime, str]] = {}
    for name, own in by_instance.items():
        if after := [one for one in own if name not in last_whole or one[0] > last_whole[name]]:
            ends[name] = min(after)[0], max(after)[1]
    newest = BackupExecution.objects.without_manifest().in_bulk([pk for _, pk in ends.values()])
    return {name: Episode(newest[pk], since) for name, (since, pk) in ends.items() if pk in newest}


def is_before(backup: BackupExecution, episode: Episode | None) -> bool:
    """True for a backup from before the drop, which may have the data that the newest one lacks."""
    if episode is None or backup.open_drop:
        return False
    # the date of an adopted archive may be unknown: it is kept
    return backup.started_at is None or backup.started_at < episode.since


def last_before(episode: Episode) -> BackupExecution | None:
    """Return the newest good backup from before the drop."""
    good = _dated().good().without_open_drop().of_instance(episode.newest.instance)
    before = good.filter(started_at__lt=episode.since).select_related("destination").without_manifest()
    return before.order_by("-started_at").first()


def confirm_drop(
    backup: BackupExecution, *, by: audit.Actor, components: Collection[str] = ()
) -> list[BackupExecution]:
    """Confirm the open drops of `backup`, or those in `components`; later backups are compared with what is left.

    The same drops in other backups of the instance are confirmed too, unless a later one is further off. Returns the
    rows that changed, the newest first. Raises BackupError when there is nothing to confirm.
    """
    now, name = timezone.now(), audit.name_of(by)
    with transaction.atomic():
        # two confirmations at once would each write the drops as they were before the other one
        lock_instance(backup.instance)
        backup.refresh_from_db(fields=["status", "drops", "drop_confirmed_at", "drop_confirmed_by"])
        if not backup.open_drop:
            raise BackupError(f"{backup} has no drop to confirm.", hint="`listbackups` shows which backups have one.")
        accepted = [drop for drop in open_drops(backup) if not components or drop.component in components]
        unknown = [component for component in components if component not in {drop.component for drop in accepted}]
        if unknown:
            there = sorted({drop.component for drop in open_drops(backup)})
            hint = f"Its drops are in: {', '.join(there)}."
            raise BackupError(f"{backup} has no open drop in {', '.join(unknown)}.", hint=hint)
        # what was accepted is a loss down to this, or a growth up to it; a later backup may be beyond it
        left = {drop.key: drop.after for drop in accepted}
        rows = _dated().of_instance(backup.instance).with_open_drop().without_manifest()
        changed = [
            row
            for row in rows.order_by("-started_at", "-pk")
            if _confirm(row, left, earlier=_after(backup, row.started_at) or row.pk == backup.pk, by=name, at=now)
        ]
    backup.refresh_from_db(fields=["drops", "drop_confirmed_at", "drop_confirmed_by"])
    what = "; ".join(named(accepted))
    audit.log("backup.drop-confirmed", backup=backup.pk, instance=backup.instance, by=name, drops=what)
    purpose = "is far more" if all(drop.is_growth for drop in accepted) else "is gone"
    audit.note(by, backup, f"Confirmed that data {purpose} on purpose: {what}")
    return changed


def _confirm(row: BackupExecution, left: Mapping[Any, int], *, earlier: bool, by: str, at: datetime) -> bool:
    entries: list[DropEntry] = []
    for entry in row.drops or []:
        drop = drop_in(entry)
        accepted = drop.key in left and (earlier or not drop.is_beyond(left[drop.key]))
        entries.append(confirmed(entry, by=by, at=at) if accepted and not is_confirmed(entry) else entry)
    if entries == row.drops:
        return False
    # the drops of other components stay open, and so does the row
    closed = all(map(is_confirmed, entries))
    record = {"drop_confirmed_at": at, "drop_confirmed_by": by} if closed else {}
    return row.transition(Status.COMPLETED, drops=entries, **record)


def comparable() -> BackupQuerySet:
    """Return the completed backups that drops are found in; a safety backup is of a state that is being replaced."""
    return BackupExecution.objects.completed().filter(started_at__isnull=False).without_safety()


def _dated() -> BackupQuerySet:
    """Return comparable backups, without those dated in the future by a clock that was ahead."""
    return comparable().filter(started_at__lte=timezone.now() + CLOCK_SKEW)


def _after(row: BackupExecution, moment: datetime | None) -> bool:
    return moment is None or (row.started_at is not None and row.started_at > moment)


def named(drops: list[Drop]) -> list[str]:
    """Return the first few drops in words."""
    more = len(drops) - MOST_NAMED
    return [*map(str, drops[:MOST_NAMED]), *([f"and {more} more drops like these"] if more > 0 else [])]


def report_drop(backup: BackupExecution) -> None:
    """Log and signal the open drops of `backup`."""
    if backup.open_drop:
        log_drop(backup)
        message = f"{backup} of {backup.instance} {headline_of(open_drops(backup))}: {summary(backup)}"
        data_dropped.send_robust(sender=BackupExecution, backup=backup, message=message, execution=backup)


def log_drop(backup: BackupExecution) -> None:
    audit.log(
        "backup.dropped", logging.WARNING, backup=backup.pk, instance=backup.instance,
        drops=summary(backup),
    )  # fmt: skip
