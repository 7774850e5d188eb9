"""Retention at work: what a rule no longer needs is deleted at the destination, checked, and only then recorded."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from backups.errors import NotDeletable
from backups.lib import audit
from backups.models import BackupExecution
from backups.service.archives.delete import delete_from
from backups.service.drops.episodes import is_before, open_episodes
from backups.service.retention.plan import Plan, Planned, plan_prune
from backups.service.retention.rule_change import settle_rule
from destinations.backends import Destination
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.formats import human_size
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination

Status = BackupExecution.Status
# then the destination is broken, and each further attempt may last until a timeout
MOST_FAILURES_IN_A_ROW = 3
MOST_WARNINGS = 5
# a worker has other backups to make; what is left goes after the next one
LONGEST_AFTER_A_BACKUP = timedelta(minutes=10)


@dataclass(slots=True)
class Pruned:
    """What happened to each backup that was to go.

    `spared` ones turned out to be protected, `waiting` ones were not tried for lack of time. `warnings` are about
    archives that are not as recorded.
    """

    plan: Plan
    deleted: list[Planned] = field(default_factory=list)
    spared: list[tuple[Planned, str]] = field(default_factory=list)
    failed: list[tuple[Planned, str]] = field(default_factory=list)
    waiting: list[Planned] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def reclaimed_bytes(self) -> int:
        return sum(entry.execution.compressed_size_bytes or 0 for entry in self.deleted)

    @property
    def problem(self) -> str:
        """One sentence when something that was to go is still there, else empty."""
        if not self.failed:
            return ""
        entry, reason = self.failed[0]
        others = f", and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
        return f"{entry.execution}{others} could not be deleted at {self.plan.destination.name}: {reason}"


def prune(
    destination: BackupDestination,
    *,
    by: audit.Actor,
    now: datetime | None = None,
    instance: str | None = None,
    until: datetime | None = None,
) -> Pruned:
    """Apply the rule of `destination` to its backups, or to those of one `instance`. `until` is when to stop deleting.

    A backup that cannot be deleted is in `failed`, the others go on. Raises BackupError for a rule that cannot be
    meant, DestinationError when the destination does not answer; nothing was deleted then.
    """
    now = now or timezone.now()
    # a backup that took hours has the rule of when it began
    destination.refresh_from_db()
    settle_rule(destination, now=now)
    pruned = Pruned(plan_prune(destination, now, instance=instance))
    if pruned.plan.goes:
        with destination.open() as opened:
            _replan_on_what_is_there(opened, pruned, now, instance)
            _delete_all(opened, pruned, by, until)
    _report(pruned, by)
    return pruned


def foresee(destination: BackupDestination) -> Pruned:
    """Return what `prune` would do now, with nothing done: its plan and its warnings.

    A destination that does not answer is a warning too; the plan then goes by the records. Raises BackupError for a
    rule that cannot be meant.
    """
    now = timezone.now()
    pruned = Pruned(plan_prune(destination, now))
    if pruned.plan.goes:
        try:
            with destination.open() as opened:
                _replan_on_what_is_there(opened, pruned, now, None)
        except DestinationError as error:
            pruned.warnings.append(f"nobody could look at {destination.name}, this is by the records: {error.message}")
    return pruned


def prune_after(execution: BackupExecution) -> None:
    """Apply the rule after `execution` completed. What goes wrong is a warning in its row: the backup stays good.

    A safety backup is followed by nothing: retention never runs inside a restore.
    """
    if execution.kind == BackupExecution.Kind.SAFETY:
        return
    destination = execution.destination
    try:
        until = timezone.now() + LONGEST_AFTER_A_BACKUP
        pruned = prune(destination, by="retention", instance=execution.instance, until=until)
        warnings = [*pruned.warnings, *([pruned.problem] if pruned.problem else [])]
    except OperatorError as error:
        audit.log("retention.failed", logging.ERROR, destination=destination.name, error=error.message)
        warnings = [f"old backups were not pruned: {error.message}"]
    if len(warnings) > MOST_WARNINGS:
        warnings = [*warnings[:MOST_WARNINGS], f"and {len(warnings) - MOST_WARNINGS} more like these, see the log"]
    if warnings:
        execution.moved(Status.COMPLETED, warnings=[*execution.warnings, *warnings])


def _replan_on_what_is_there(opened: Destination, pruned: Pruned, now: datetime, instance: str | None) -> None:
    """Plan again without archives that the destination does not hold as recorded: nothing goes on their account."""
    instances = sorted({entry.execution.instance for entry in pruned.plan.goes})
    sizes = {file.path: file.size_bytes for name in instances for file in opened.list(name)}
    flaws: dict[str, str] = {}
    while found := _flaws(opened, pruned.plan, instances, sizes, known=flaws):
        flaws |= found
        pruned.plan = plan_prune(pruned.plan.destination, now, instance=instance, flaws=flaws)
    pruned.warnings = list(flaws.values())


def _flaws(
    opened: Destination, plan: Plan, instances: Sequence[str], sizes: Mapping[str, int], *, known: Collection[str]
) -> dict[str, str]:
    """Return what is wrong with archives that stay."""
    flaws = {}
    for entry in plan.entries:
        execution = entry.execution
        if entry.keep and execution.pk not in known and execution.instance in instances:
            size = sizes.get(execution.backup_path) or _size_of(opened, execution.backup_path)
            if size != execution.compressed_size_bytes:
                flaws[execution.pk] = _flaw(execution, size, plan.destination)
    return flaws


def _size_of(opened: Destination, path: str) -> int | None:
    """Ask again by name: the listing may have begun before the archive was there, and others lie in other folders."""
    try:
        return opened.stat(path).size_bytes
    except NotFound:
        return None


def _flaw(execution: BackupExecution, size: int | None, destination: BackupDestination) -> str:
    if size is None:
        return f"{execution} is recorded, but {destination.name} does not have it: run importbackups {destination.name}"
    expected = human_size(execution.compressed_size_bytes)
    return f"{execution} has {human_size(size)} at {destination.name}, where {expected} were uploaded"


def _delete_all(opened: Destination, pruned: Pruned, by: audit.Actor, until: datetime | None) -> None:
    in_a_row = 0
    for entry in reversed(pruned.plan.goes):
        if until is not None and timezone.now() >= until:
            pruned.waiting.append(entry)
        elif in_a_row == MOST_FAILURES_IN_A_ROW:
            pruned.failed.append((entry, "not tried after so many failures"))
        else:
            in_a_row = 0 if _delete(opened, pruned, entry, by) else in_a_row + 1


def _delete(opened: Destination, pruned: Pruned, entry: Planned, by: audit.Actor) -> bool:
    """Delete one, unless it turned out to be protected; False when the destination did not let it go."""
    try:
        _require_others(entry.execution, pruned.plan.min_keep)
        _require_no_drop_since(entry.execution)
        delete_from(opened, entry.execution, by=by, reason=f"{entry.reason} ({pruned.plan.rule})")
    except NotDeletable as error:
        pruned.spared.append((entry, error.message))
    except DestinationError as error:
        pruned.failed.append((entry, error.message))
        return False
    else:
        pruned.deleted.append(entry)
    return True


def _require_others(execution: BackupExecution, least: int) -> None:
    """Whatever was planned, and whatever others deleted since: so many backups of the instance stay at this place."""
    others = BackupExecution.objects.good().filter(destination=execution.destination_id, instance=execution.instance)
    others = others.exclude(pk=execution.pk)
    if not execution.open_drop:
        others = others.without_open_drop()
    if others.count() < least:
        raise NotDeletable(f"fewer than {least} good backups of {execution.instance} would remain")


def _require_no_drop_since(execution: BackupExecution) -> None:
    """Whatever was planned: a backup may have found since that data is gone."""
    episode = open_episodes([execution.instance]).get(execution.instance)
    if episode is not None and is_before(execution, episode):
        raise NotDeletable(f"{execution} is from before a drop of data that no person has confirmed")


def _report(pruned: Pruned, by: audit.Actor) -> None:
    name = pruned.plan.destination.name
    for warning in pruned.warnings:
        audit.log("retention.warning", logging.ERROR, destination=name, warning=warning)
    for entry, reason in pruned.failed:
        audit.log("retention.failed", logging.ERROR, destination=name, execution=entry.execution.pk, error=reason)
    if pruned.plan.goes:
        audit.log(
            "retention.pruned", destination=name, by=audit.name_of(by), deleted=len(pruned.deleted),
            spared=len(pruned.spared), failed=len(pruned.failed), bytes=pruned.reclaimed_bytes,
        )  # fmt: skip
