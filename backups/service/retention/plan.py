"""The retention plan of a destination: every backup there, whether it is kept, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from backups.models import BackupCopy
from backups.service.retention.archived import Planned, archives_of, as_backups, decisions, invalid_rules_refused
from backups.service.retention.last_copies import with_last_copies_kept
from backups.service.retention.rules import Backup, Decision, Rule
from destinations.models import BackupDestination


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
    heed_locks: bool = True,
) -> Plan:
    """Decide about every archive that is at `destination` by the database; nothing is changed.

    `flaws` says by id which archives were found not to be good, and why; without `heed_locks` none counts as locked.
    Raises BackupError for an invalid rule.
    """
    rows = archives_of(destination, instance)
    backups = as_backups(rows, flaws or {})
    if not heed_locks:
        backups = [replace(backup, locked_until=None) for backup in backups]
    with invalid_rules_refused(destination):
        rule, confirmed = destination.rule(), destination.last_confirmed_rule()
        entries = _planned(rows, decisions(rule, backups, now, destination))
        # as long as the rule waits for its confirmation, a backup goes only where both rules let it go
        waiting = more_deletions(destination, confirmed, rule, now)
        if waiting:
            before = _planned(rows, decisions(confirmed, backups, now, destination))
            for number, (new, old) in enumerate(zip(entries, before, strict=True)):
                if old.keep and not new.keep:
                    why = f"kept because the rule {rule} is not confirmed, and by the one before {old.because}"
                    entries[number] = replace(new, keep=True, reason=why)
    entries = with_last_copies_kept(destination, entries, now)
    if destination.append_only:
        entries = [entry if entry.keep else _left_to_store(entry) for entry in entries]
    return Plan(destination, rule, entries, confirmed, waiting)


def more_deletions(
    destination: BackupDestination, before: Rule | None, after: Rule | None, now: datetime
) -> list[Planned]:
    """Return what the rule `after` would delete at `destination` and the rule `before` would not: now, or else with
    the next backup of each instance.

    Temporary protections are left out of account.
    """
    # where only the store deletes, no rule deletes more
    if before == after or destination.append_only:
        return []
    rows = archives_of(destination, None)
    # what a temporary protection keeps now, for example while a backup is overdue, is deleted later without a question
    backups = [backup.without_temporary_protection() for backup in as_backups(rows, {})]
    # a rule may delete nothing now and a lot as soon as the next backup is there
    coming = [
        Backup(id=f"the next of {name}", instance=name, taken_at=now, completed=True)
        for name in sorted({backup.instance for backup in backups})
    ]
    for together in (backups, [*backups, *coming]):
        old, new = (decisions(rule, together, now, None)[: len(rows)] for rule in (before, after))
        pairs = zip(_planned(rows, old), _planned(rows, new), strict=True)
        if more := [later for earlier, later in pairs if earlier.keep and not later.keep]:
            return more
    return []


def _left_to_store(entry: Planned) -> Planned:
    why = f"kept because the destination is append-only and its store deletes; by the rule it {entry.reason}"
    return replace(entry, keep=True, left_to_store=True, reason=why)


def _planned(copies: Iterable[BackupCopy], decisions: Iterable[Decision]) -> list[Planned]:
    return [
        Planned(copy, copy.execution, decision.backup.taken_at, decision.keep, decision.reason)
        for copy, decision in zip(copies, decisions, strict=True)
    ]
