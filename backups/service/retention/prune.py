"""Pruning: what a rule no longer keeps is deleted at its destination, and recorded afterwards."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from backups.errors import NotDeletable
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution
from backups.service.archives.asking import OpenedDestinations
from backups.service.archives.records.copies import change_copy, copies_of
from backups.service.archives.records.delete import delete_from
from backups.service.archives.records.missing import mark_changed, mark_missing
from backups.service.archives.untrusted import report_untrusted
from backups.service.drops.episodes import is_before, open_episodes
from backups.service.retention.archived import Planned
from backups.service.retention.other_copies import require_another
from backups.service.retention.plan import Plan, plan_prune
from backups.service.retention.rule_change import settle_rule
from destinations.backends import Destination
from destinations.exceptions import DestinationError, Locked, NotFound
from destinations.lib.formats import human_size
from destinations.lib.operator_error import OperatorError, sentences
from destinations.models import BackupDestination

Status = BackupExecution.Status
# after these the destination is taken for broken: each further attempt may last until a timeout
MOST_FAILURES_IN_A_ROW = 3
MOST_WARNINGS = 5
# a worker has other backups to make; the rest is pruned after the next one
LONGEST_AFTER_A_BACKUP = timedelta(minutes=10)


@dataclass(slots=True)
class Pruned:
    """The outcome for each backup that was to be deleted.

    `spared` ones became protected meanwhile, `waiting` ones were not tried for lack of time. `unsound` copies are not
    at the destination as recorded, with the bytes that are there, None where there is no such file; `warnings` say so.
    """

    plan: Plan
    deleted: list[Planned] = field(default_factory=list)
    spared: list[tuple[Planned, str]] = field(default_factory=list)
    failed: list[tuple[Planned, str]] = field(default_factory=list)
    waiting: list[Planned] = field(default_factory=list)
    unsound: list[tuple[BackupCopy, int | None]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def reclaimed_bytes(self) -> int:
        return sum(entry.execution.compressed_size_bytes or 0 for entry in self.deleted)

    @property
    def problem(self) -> str:
        """One sentence when a deletion failed, else empty."""
        if not self.failed:
            return ""
        entry, reason = self.failed[0]
        others = f", and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
        return sentences(f"{entry.execution}{others} could not be deleted at {self.plan.destination.name}: {reason}")


def prune(
    destination: BackupDestination,
    *,
    by: audit.Actor,
    now: datetime | None = None,
    instance: str | None = None,
    until: datetime | None = None,
) -> Pruned:
    """Apply the rule of `destination` to its backups, or to those of one `instance`. `until` is when to stop deleting.

    A backup that cannot be deleted is in `failed`, the others go on. Raises BackupError for an invalid rule,
    DestinationError when the destination does not answer; nothing was deleted then.
    """
    now = now or timezone.now()
    # the row of a backup that took hours has the rule of when it began
    destination.refresh_from_db()
    settle_rule(destination, now=now)
    if instance is not None and destination.rule() is None and destination.last_confirmed_rule() is None:
        # after every backup: the archives need not be looked at where all of them stay
        return Pruned(Plan(destination, None, []))
    pruned = Pruned(plan_prune(destination, now, instance=instance))
    if pruned.plan.to_delete:
        with destination.open() as opened, OpenedDestinations() as others:
            _replan_without_flawed(opened, pruned, now, instance)
            _delete_all(opened, others, pruned, by, until)
        for copy, size in pruned.unsound:
            # it is made again from a sound one, or shown as missing or damaged
            if size is None:
                mark_missing(copy, now)
            else:
                mark_changed(copy, now, size)
    for warning in pruned.warnings:
        audit.log("retention.warning", logging.ERROR, destination=destination.name, warning=warning)
    for entry, reason in pruned.spared:
        audit.log("retention.spared", destination=destination.name, backup=entry.execution.pk, reason=reason)
    for entry, reason in pruned.failed:
        audit.log(
            "retention.failed", logging.ERROR, destination=destination.name, backup=entry.execution.pk, error=reason
        )
    if pruned.plan.to_delete:
        audit.log(
            "retention.pruned", destination=destination.name, by=audit.name_of(by), deleted=len(pruned.deleted),
            spared=len(pruned.spared), failed=len(pruned.failed), bytes=pruned.reclaimed_bytes,
        )  # fmt: skip
    return pruned


def preview_prune(destination: BackupDestination) -> Pruned:
    """Return the plan and warnings of `prune` as a dry run.

    A destination that does not answer is a warning too; the plan is by the database then. Raises BackupError for an
    invalid rule.
    """
    now = timezone.now()
    pruned = Pruned(plan_prune(destination, now))
    if pruned.plan.to_delete:
        try:
            with destination.open() as opened:
                _replan_without_flawed(opened, pruned, now, None)
        except DestinationError as error:
            text = f"{destination.name} does not answer, so this plan is by the database only: {error.message}"
            pruned.warnings.append(sentences(text))
    return pruned


def prune_after(backup: BackupExecution) -> None:
    """Apply the rule after `backup` completed; errors become warnings in its row."""
    # retention never runs within a restore, which may need an older backup
    if backup.kind == BackupExecution.Kind.SAFETY:
        return
    # a destination that did not get this backup keeps what it has
    prune_at(backup, *(copy.destination for copy in copies_of(backup) if copy.is_stored))


def prune_at(backup: BackupExecution, *destinations: BackupDestination) -> None:
    """Apply the rules of `destinations`, which got a copy of `backup`, to its instance; errors become warnings."""
    until = timezone.now() + LONGEST_AFTER_A_BACKUP
    warnings: list[str] = []
    for destination in destinations:
        try:
            pruned = prune(destination, by="retention", instance=backup.instance, until=until)
            warnings += [*pruned.warnings, *([pruned.problem] if pruned.problem else [])]
        except OperatorError as error:
            audit.log("retention.failed", logging.ERROR, destination=destination.name, error=error.message)
            warnings.append(sentences(f"Old backups were not pruned: {error.message}"))
            report_untrusted(destination, error)
    if len(warnings) > MOST_WARNINGS:
        warnings = [*warnings[:MOST_WARNINGS], f"There are {len(warnings) - MOST_WARNINGS} more like these in the log."]
    if warnings:
        backup.transition(Status.COMPLETED, warnings=[*backup.warnings, *warnings])


def _replan_without_flawed(opened: Destination, pruned: Pruned, now: datetime, instance: str | None) -> None:
    """Plan again until no archive that is not at the destination as recorded counts as a kept backup."""
    instances = sorted({entry.execution.instance for entry in pruned.plan.to_delete})
    sizes = {file.path: file.size_bytes for name in instances for file in opened.list(name)}
    flaws: dict[str, str] = {}
    while found := _flaws(opened, pruned, instances, sizes, known=flaws):
        flaws |= found
        pruned.plan = plan_prune(pruned.plan.destination, now, instance=instance, flaws=flaws)
    pruned.warnings = list(flaws.values())


def _flaws(
    opened: Destination, pruned: Pruned, instances: Sequence[str], sizes: Mapping[str, int], *, known: Collection[str]
) -> dict[str, str]:
    """Return the flaws of archives that the plan keeps and that are not in `known`, by id."""
    flaws, plan = {}, pruned.plan
    for entry in plan.entries:
        backup = entry.execution
        if entry.keep and backup.pk not in known and backup.instance in instances:
            name = plan.destination.name
            size = sizes.get(backup.backup_path)
            if not size:
                # the listing may have begun before the archive was there, and others are in other folders
                try:
                    size = opened.stat(backup.backup_path).size_bytes
                except NotFound:
                    flaws[backup.pk] = f"{backup} is recorded, but {name} does not have it: run importbackups {name}."
                    pruned.unsound.append((entry.copy, None))
                    continue
            if size != backup.compressed_size_bytes:
                expected = human_size(backup.compressed_size_bytes)
                flaws[backup.pk] = f"{backup} has {human_size(size)} at {name}, where {expected} were uploaded."
                pruned.unsound.append((entry.copy, size))
    return flaws


def _delete_all(
    opened: Destination, others: OpenedDestinations, pruned: Pruned, by: audit.Actor, until: datetime | None
) -> None:
    in_a_row = 0
    # the oldest first: when it is cut short, the newer ones are still there
    for entry in reversed(pruned.plan.to_delete):
        if until is not None and timezone.now() >= until:
            pruned.waiting.append(entry)
        elif in_a_row == MOST_FAILURES_IN_A_ROW:
            pruned.failed.append((entry, "It was not tried after so many failures."))
        else:
            # rows may have changed since the plan: the protections are checked again for each
            try:
                here = BackupCopy.objects.sound().filter(destination=entry.copy.destination_id)
                rest = BackupExecution.objects.good().exclude(pk=entry.execution.pk)
                rest = rest.filter(pk__in=here.values("execution"), instance=entry.execution.instance)
                if not entry.execution.open_drop:
                    rest = rest.without_open_drop()
                if entry.elsewhere:
                    require_another(entry.copy, others)
                if rest.count() < (least := pruned.plan.min_keep):
                    raise NotDeletable(f"Fewer than {least} good backups of {entry.execution.instance} would remain.")
                episode = open_episodes([entry.execution.instance]).get(entry.execution.instance)
                if episode is not None and is_before(entry.execution, episode):
                    raise NotDeletable(sentences(f"{entry.execution} is from before {episode.described}"))
                delete_from(opened, entry.copy, by=by, reason=f"{entry.reason} ({pruned.plan.rule})")
            except NotDeletable as error:
                in_a_row = 0
                pruned.spared.append((entry, error.message))
            except Locked as error:
                in_a_row = 0
                # by a rule of the store, or somebody who locked it there
                if error.until is not None:
                    change_copy(entry.copy, locked_until=error.until)
                pruned.spared.append((entry, error.message))
            except DestinationError as error:
                in_a_row += 1
                pruned.failed.append((entry, error.message))
                report_untrusted(entry.copy, error)
            else:
                in_a_row = 0
                pruned.deleted.append(entry)
