"""The archives at a destination as the values that the rules decide about, and the decision about each."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from backups.errors import BackupError
from backups.models import BackupCopy, BackupExecution, RestoreExecution
from backups.service.archives.leases import used_backups
from backups.service.archives.names import time_in
from backups.service.archives.records.copies import seen_at
from backups.service.drops.episodes import Episode, is_before, open_episodes
from backups.service.retention.rules import Backup, Decision, RetentionError, Rule, agreed_date, decide
from backups.service.retention.stored import copies_at
from backups.service.schedules.freshness import freshness_by_instance, max_ages
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination

DAMAGED = "it is damaged here"


@dataclass(frozen=True, slots=True)
class Planned:
    """The decision about one copy; `execution` is its backup, with the path and size that it has here."""

    copy: BackupCopy
    execution: BackupExecution
    taken_at: datetime | None
    keep: bool
    reason: str
    # whether it goes although the rule of another destination keeps the backup, because a copy elsewhere is sound
    elsewhere: bool = False
    # whether the rule lets it go at a destination where only the store deletes
    left_to_store: bool = False

    @property
    def is_locked(self) -> bool:
        """Whether it stays only because the store would refuse to delete it."""
        return self.keep and self.because.startswith("locked ")

    @property
    def because(self) -> str:
        """The clause that follows "kept because" or "goes because"."""
        return self.reason.partition(" because ")[2]


@contextmanager
def invalid_rules_refused(destination: BackupDestination) -> Iterator[None]:
    """Raise BackupError for a RetentionError."""
    try:
        yield
    except RetentionError as error:
        raise BackupError(
            sentences(f"The retention of {destination.name} cannot work: {error.message}"), hint=error.hint
        ) from error


def archives_of(destination: BackupDestination, instance: str | None) -> list[BackupCopy]:
    """Return the copies that are there, with their backups as they are here."""
    copies = copies_at(destination).filter(missing_at=None)
    if instance is not None:
        copies = copies.filter(execution__instance=instance)
    newest_first = ("execution__instance", F("execution__started_at").desc(nulls_last=True), "-execution__pk")
    found = list(copies.order_by(*newest_first))
    for copy in found:
        seen_at(copy)
    return found


def as_backups(copies: Iterable[BackupCopy], flaws: Mapping[str, str]) -> list[Backup]:
    copies = list(copies)
    rows = [copy.execution for copy in copies]
    locks = {copy.execution_id: copy.locked_until for copy in copies}
    damaged = {copy.execution_id for copy in copies if copy.damaged_at is not None}
    used = used_backups()
    episodes = open_episodes({row.instance for row in rows})
    # the state before such a restore may still be needed
    unacknowledged = set(RestoreExecution.objects.filter(acknowledged_at=None).values_list("safety_backup", flat=True))
    return [
        Backup(
            id=row.pk,
            instance=row.instance,
            taken_at=taken_at(row, row.manifest_date),
            completed=True,
            proven=row.verified_at is not None,
            pinned=row.pinned,
            pin_reason=row.pin_reason,
            in_use=row.pk in used,
            locked_until=locks.get(row.pk),
            kind=row.kind,
            safety_of_unacknowledged_restore=row.pk in unacknowledged,
            adopted=row.adopted,
            flaw=flaws.get(row.pk) or (DAMAGED if row.pk in damaged else row.flaw),
            dropped=row.open_drop,
            before_drop=_before_drop(row, episodes.get(row.instance)),
            size_bytes=row.compressed_size_bytes or 0,
        )
        for row in rows
    ]


def _before_drop(row: BackupExecution, episode: Episode | None) -> str:
    return episode.described if episode is not None and is_before(row, episode) else ""


def taken_at(backup: BackupExecution, claim_of_manifest: str | None) -> datetime | None:
    """Return the date on which the row, its manifest and the name of its archive agree; None when they do not."""
    try:
        in_manifest = datetime.fromisoformat(str(claim_of_manifest)) if claim_of_manifest else None
    except ValueError:
        return None
    # a date that was changed in one of the three must not move a backup in or out of a rule
    return agreed_date([backup.started_at, in_manifest, time_in(backup.backup_filename)])


def decisions(
    rule: Rule | None, backups: list[Backup], now: datetime, scheduled_at: BackupDestination | None
) -> list[Decision]:
    """Decide, with the ages that the schedules at the destination `scheduled_at` allow; None leaves them out."""
    if rule is None:
        return [Decision(backup, True, "kept because this destination keeps everything") for backup in backups]
    newest: dict[str, datetime | None] = dict.fromkeys(backup.instance for backup in backups)
    if scheduled_at is None:
        return decide(rule, backups, now, dict.fromkeys(newest))
    for backup in backups:
        if backup.counts_for_freshness and (date := backup.good_date(now)) is not None:
            newest[backup.instance] = max(date, newest[backup.instance] or date)
    overdue_from = {
        name: found.overdue_from
        for name, found in freshness_by_instance(newest, scheduled_at).items()
        if found.overdue_from is not None
    }
    return decide(rule, backups, now, dict.fromkeys(newest) | max_ages(newest, scheduled_at), overdue_from)
