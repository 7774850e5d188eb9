"""The daily pass at a destination: its rule is applied without a new backup, and locks and access tiers are kept up."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from backups.lib import audit
from backups.models import BackupCopy, BackupExecution, RetentionPass
from backups.runs.queue.queues import of_queue
from backups.service.archives.names import signature_of
from backups.service.archives.records.copies import change_copy
from backups.service.retention.plan import plan_prune
from backups.service.retention.prune import MOST_FAILURES_IN_A_ROW, Pruned, prune
from backups.service.retention.rules.backup import WITHOUT_END
from destinations.backends import Destination
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import OperatorError, sentences
from destinations.models import BackupDestination

EVERY = timedelta(days=1)
# after something failed, or time was up
RETRY_AFTER = timedelta(hours=1)
LONGEST = timedelta(minutes=10)
# a lock is renewed when so much of it is over: each renewal is a request that costs something
RENEWED_AFTER = 0.1
BY = "retention"


@dataclass(slots=True)
class Tended:
    """What was done to the archives that stay. `failed` has the path of each that was not, and why."""

    renewed: list[BackupCopy] = field(default_factory=list)
    released: list[BackupCopy] = field(default_factory=list)
    cooled: list[BackupCopy] = field(default_factory=list)
    failed: list[tuple[BackupCopy, str]] = field(default_factory=list)
    is_cut_short: bool = False

    @property
    def problem(self) -> str:
        """One sentence when something failed, else empty."""
        if not self.failed:
            return ""
        copy, reason = self.failed[0]
        others = f", and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
        return sentences(f"{copy.path}{others}: {reason}")


def run_due(queue: str) -> list[BackupDestination]:
    """Run the pass of the destination that is due, of those with archives of `queue`; return it, or nothing."""
    ours = of_queue(BackupExecution.objects.all(), queue)
    not_due = Q(retention_pass__next_at__gt=timezone.now())
    # a folder of another host is looked after there
    held = BackupCopy.objects.stored().filter(destination=OuterRef("pk"), execution__in=ours.values("pk"))
    for destination in BackupDestination.objects.enabled().exclude(not_due).filter(Exists(held))[:1]:
        if _claim(destination, timezone.now()):
            run_pass(destination)
            return [destination]
    return []


def _claim(destination: BackupDestination, now: datetime) -> bool:
    """Reserve the pass of `destination` for this host; return False when another host has it."""
    # until the pass has succeeded it is due again soon
    soon = now + RETRY_AFTER
    if RetentionPass.objects.filter(destination=destination, next_at__lte=now).update(next_at=soon):
        return True
    try:
        _, created = RetentionPass.objects.get_or_create(destination=destination, defaults={"next_at": soon})
    except IntegrityError:
        return False
    return created


def run_pass(destination: BackupDestination) -> RetentionPass:
    """Tend what stays, apply the rule, and record what was done; errors are recorded too."""
    until = timezone.now() + LONGEST
    outcome, problems, is_done = "", [], False
    try:
        # first: it frees what a legal hold had kept
        tended = tend(destination, until=until)
        pruned = prune(destination, by=BY, until=until)
        outcome = _outcome(pruned, tended)
        problems = [each for each in (pruned.problem, tended.problem) if each]
        is_done = not (problems or pruned.waiting or tended.is_cut_short)
    except OperatorError as error:
        problems = [error.message]
    now = timezone.now()
    found, _ = RetentionPass.objects.update_or_create(
        destination=destination,
        defaults={
            "next_at": now + (EVERY if is_done else RETRY_AFTER),
            "problem": sentences(*problems) if problems else "",
        }
        | ({"done_at": now, "outcome": outcome} if outcome else {}),
    )
    audit.log(
        "retention.pass", logging.WARNING if problems else logging.INFO, destination=destination.name,
        outcome=outcome, problem=found.problem,
    )  # fmt: skip
    return found


def _outcome(pruned: Pruned, tended: Tended) -> str:
    counts = {
        "deleted": len(pruned.deleted),
        "kept while locked": sum(entry.is_locked for entry in pruned.plan.entries),
        "left to the store": sum(entry.left_to_store for entry in pruned.plan.entries),
        "spared": len(pruned.spared),
        "holds lifted": len(tended.released),
        "locks renewed": len(tended.renewed),
        "moved to a cooler tier": len(tended.cooled),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing to do"


def tend(destination: BackupDestination, *, until: datetime | None = None, now: datetime | None = None) -> Tended:
    """Renew the locks of archives that retention keeps, and move old ones to a cooler access tier.

    What the database says decides: a destination without locks and tiers is not asked. Raises DestinationError when
    it does not answer.
    """
    now, done = now or timezone.now(), Tended()
    with destination.open() as opened:
        held = BackupCopy.objects.sound().filter(destination=destination, locked_until__gte=WITHOUT_END)
        _each(done, held, until, lambda copy: _look_again(opened, copy, done))
        if (time := opened.renewed_for) is not None:
            least = now + time * (1 - RENEWED_AFTER)
            kept = plan_prune(destination, now, heed_locks=False)
            by_rule = [entry for entry in kept.entries if entry.keep and not entry.left_to_store]
            copies = [entry.copy for entry in by_rule if entry.copy.is_sound]
            due = [copy for copy in copies if copy.locked_until is None or copy.locked_until < least]
            _each(done, due, until, lambda copy: _renew(opened, copy, now + time, done))
        if (age := opened.cools_after) is not None:
            warm = BackupCopy.objects.sound().filter(
                destination=destination, cooled_at=None, stored_at__lte=now - age, execution__deleting_at=None
            )
            _each(done, warm, until, lambda copy: _cool(opened, copy, now, done))
    return done


def _each(
    done: Tended, copies: Iterable[BackupCopy], until: datetime | None, work: Callable[[BackupCopy], None]
) -> None:
    in_a_row = 0
    for copy in copies:
        if until is not None and timezone.now() >= until:
            done.is_cut_short = True
            return
        try:
            work(copy)
            in_a_row = 0
        except NotFound:
            # the catalogue finds out that it is missing
            continue
        except DestinationError as error:
            done.failed.append((copy, error.message))
            in_a_row += 1
            if in_a_row == MOST_FAILURES_IN_A_ROW:
                return


def _look_again(opened: Destination, copy: BackupCopy, done: Tended) -> None:
    """A legal hold has no end: only the store knows when it was lifted."""
    if (until := opened.stat(copy.path).locked_until) != copy.locked_until:
        change_copy(copy, locked_until=until)
        done.released.append(copy)


def _renew(opened: Destination, copy: BackupCopy, until: datetime, done: Tended) -> None:
    stored = opened.lock(copy.path, until)
    # without it the archive counts as one of a stranger
    with suppress(NotFound):
        opened.lock(signature_of(copy.path), until)
    change_copy(copy, locked_until=stored.locked_until)
    done.renewed.append(copy)


def _cool(opened: Destination, copy: BackupCopy, now: datetime, done: Tended) -> None:
    opened.cool(copy.path)
    change_copy(copy, cooled_at=now)
    done.cooled.append(copy)
