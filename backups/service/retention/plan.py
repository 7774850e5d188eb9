"""The retention plan of a destination: every backup there, whether it is kept, and why."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import F

from backups.errors import BackupError
from backups.models import BackupCopy, BackupExecution, RestoreExecution
from backups.service.archives.leases import used_backups
from backups.service.archives.names import time_in
from backups.service.archives.records.copies import seen_at
from backups.service.drops.episodes import is_before, open_episodes
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

    @property
    def because(self) -> str:
        """The clause that follows "kept because" or "goes because"."""
        return self.reason.partition(" because ")[2]


@dataclass(frozen=True, slots=True)
class Plan:
    """`rule` is None where everything is kept. `entries` are by instance, the newest first.

    `waiting` are those that would also be deleted if `rule` were confirmed: until then nothing is deleted that
    `confirmed`, the rule before, keeps.
    """

    destination: BackupDestination
    rule: Rule | None
    entries: list[Planned]
    confirmed: Rule | None = None
    waiting: list[Planned] = field(default_factory=list)

    @property
    def to_delete(self) -> list[Planned]:
        return [entry for entry in self.entries if not entry.keep]

    @property
    def reclaimed_bytes(self) -> int:
        return size_of(self.to_delete)

    @property
    def min_keep(self) -> int:
        return max((rule.min_keep for rule in (self.rule, self.confirmed if self.waiting else None) if rule), default=0)


def size_of(entries: Iterable[Planned]) -> int:
    return sum(entry.execution.compressed_size_bytes or 0 for entry in entries)


def plan_prune(
    destination: BackupDestination,
    now: datetime,
    *,
    instance: str | None = None,
    flaws: Mapping[str, str] | None = None,
) -> Plan:
    """Decide about every archive that is at `destination` by the database; nothing is changed.

    `flaws` says by id which archives were found not to be good, and why. Raises BackupError for an invalid rule.
    """
    rows = _archives(destination, instance)
    backups = _as_backups(rows, flaws or {})
    with invalid_rules_refused(destination):
        rule, confirmed = destination.rule(), destination.last_confirmed_rule()
        entries = _planned(rows, _decide(rule, backups, now, destination))
        # as long as the rule waits for its confirmation, a backup goes only where both rules let it go
        waiting = more_deletions(destination, confirmed, rule, now)
        if waiting:
            before = _planned(rows, _decide(confirmed, backups, now, destination))
            for number, (new, old) in enumerate(zip(entries, before, strict=True)):
                if old.keep and not new.keep:
                    why = f"kept because the rule {rule} is not confirmed, and by the one before {old.because}"
                    entries[number] = replace(new, keep=True, reason=why)
    return Plan(destination, rule, entries, confirmed, waiting)


def more_deletions(
    destination: BackupDestination, before: Rule | None, after: Rule | None, now: datetime
) -> list[Planned]:
    """Return what the rule `after` would delete at `destination` and the rule `before` would not: now, or else with
    the next backup of each instance.

    Temporary protections are left out of account.
    """
    if before == after:
        return []
    rows = _archives(destination, None)
    # what a temporary protection keeps now, for example while a backup is overdue, is deleted later without a question
    backups = [backup.without_temporary_protection() for backup in _as_backups(rows, {})]
    # a rule may delete nothing now and a lot as soon as the next backup is there
    coming = [
        Backup(id=f"the next of {name}", instance=name, taken_at=now, completed=True)
        for name in sorted({backup.instance for backup in backups})
    ]
    for together in (backups, [*backups, *coming]):
        old, new = (_decide(rule, together, now, None)[: len(rows)] for rule in (before, after))
        pairs = zip(_planned(rows, old), _planned(rows, new), strict=True)
        if more := [later for earlier, later in pairs if earlier.keep and not later.keep]:
            return more
    return []


def _planned(copies: Iterable[BackupCopy], decisions: Iterable[Decision]) -> list[Planned]:
    return [
        Planned(copy, copy.execution, decision.backup.taken_at, decision.keep, decision.reason)
        for copy, decision in zip(copies, decisions, strict=True)
    ]


@contextmanager
def invalid_rules_refused(destination: BackupDestination) -> Iterator[None]:
    """Raise BackupError for a RetentionError."""
    try:
        yield
    except RetentionError as error:
        raise BackupError(
            sentences(f"The retention of {destination.name} cannot work: {error.message}"), hint=error.hint
        ) from error


def _archives(destination: BackupDestination, instance: str | None) -> list[BackupCopy]:
    """Return the copies that are there, with their backups as they are here."""
    copies = copies_at(destination).filter(missing_at=None)
    if instance is not None:
        copies = copies.filter(execution__instance=instance)
    newest_first = ("execution__instance", F("execution__started_at").desc(nulls_last=True), "-execution__pk")
    found = list(copies.order_by(*newest_first))
    for copy in found:
        seen_at(copy)
    return found


def _as_backups(copies: Iterable[BackupCopy], flaws: Mapping[str, str]) -> list[Backup]:
    copies = list(copies)
    rows = [copy.execution for copy in copies]
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
            kind=row.kind,
            safety_of_unacknowledged_restore=row.pk in unacknowledged,
            adopted=row.adopted,
            flaw=flaws.get(row.pk) or (DAMAGED if row.pk in damaged else row.flaw),
            dropped=row.open_drop,
            before_drop=is_before(row, episodes.get(row.instance)),
            size_bytes=row.compressed_size_bytes or 0,
        )
        for row in rows
    ]


def taken_at(backup: BackupExecution, claim_of_manifest: str | None) -> datetime | None:
    """Return the date on which the row, its manifest and the name of its archive agree; None when they do not."""
    try:
        in_manifest = datetime.fromisoformat(str(claim_of_manifest)) if claim_of_manifest else None
    except ValueError:
        return None
    # a date that was changed in one of the three must not move a backup in or out of a rule
    return agreed_date([backup.started_at, in_manifest, time_in(backup.backup_filename)])


def _decide(
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
