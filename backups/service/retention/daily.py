"""The daily pass at a destination: its rule is applied without a new backup, and locks and access tiers are kept up."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from backups.lib import audit
from backups.models import BackupCopy, BackupExecution, RetentionPass
from backups.runs.queue.queues import of_queue
from backups.service.archives.due import claim_due, is_due
from backups.service.archives.names import signature_of
from backups.service.archives.records.copies import change_copy
from backups.service.archives.records.missing import mark_missing, record_expired
from backups.service.archives.untrusted import report_untrusted
from backups.service.retention.other_hosts import is_of_another_host
from backups.service.retention.plan import plan_prune
from backups.service.retention.prune import MOST_FAILURES_IN_A_ROW, Pruned, prune
from backups.service.retention.rules.backup import WITHOUT_END
from destinations.backends import Destination
from destinations.exceptions import ConnectionLost, DestinationError, NotFound, PeerNotTrusted
from destinations.lib.operator_error import OperatorError, sentences
from destinations.models import BackupDestination

EVERY = timedelta(days=1)
# after something failed, or time was up
RETRY_AFTER = timedelta(hours=1)
LONGEST = timedelta(minutes=10)
# a lock is renewed when so much of it is over: each renewal is a request that costs something
RENEWED_AFTER = 0.1
MOST_FAILURES_LISTED = 10
BY = "retention"


@dataclass(slots=True)
class Tended:
    """What was done to the archives that stay, and what was found out about them.

    For `absent` ones the store said so: `missing` are those that are not there any more, and `expired` those of them
    that the rule leaves to the store. `failed` has the first that could not be tended, `more_failed` how many are left.
    """

    renewed: list[BackupCopy] = field(default_factory=list)
    released: list[BackupCopy] = field(default_factory=list)
    cooled: list[BackupCopy] = field(default_factory=list)
    missing: list[BackupCopy] = field(default_factory=list)
    expired: list[BackupCopy] = field(default_factory=list)
    absent: list[tuple[BackupCopy, NotFound]] = field(default_factory=list)
    failed: list[tuple[BackupCopy, str]] = field(default_factory=list)
    more_failed: int = 0
    is_cut_short: bool = False

    def add_failure(self, copy: BackupCopy, error: DestinationError) -> None:
        report_untrusted(copy, error)
        if len(self.failed) < MOST_FAILURES_LISTED:
            self.failed.append((copy, error.message))
        else:
            self.more_failed += 1

    @property
    def problem(self) -> str:
        """One sentence when something failed, else empty."""
        if not self.failed:
            return ""
        copy, reason = self.failed[0]
        more = len(self.failed) - 1 + self.more_failed
        others = f", and {more} more" if more else ""
        return sentences(f"{copy.path}{others}: {reason}")


def run_due(queue: str) -> list[BackupDestination]:
    """Run the pass of the destination that is due, of those with archives of `queue`; return it, or nothing."""
    ours = of_queue(BackupExecution.objects.all(), queue)
    due = Q(retention_pass=None) | is_due("retention_pass__next_at", timezone.now())
    held = BackupCopy.objects.stored().filter(destination=OuterRef("pk"), execution__in=ours.values("pk"))
    for destination in BackupDestination.objects.enabled().filter(due, Exists(held)):
        now = timezone.now()
        # until the pass has succeeded it is due again soon
        if not is_of_another_host(destination, queue) and claim_due(
            RetentionPass, destination, now, again_at=now + RETRY_AFTER
        ):
            run_pass(destination)
            return [destination]
    return []


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
        report_untrusted(destination, error)
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
        "deleted by the store": len(tended.expired),
        "missing": len(tended.missing),
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
        _record_gone(opened, destination, done, now)
    return done


def _each(
    done: Tended, copies: Iterable[BackupCopy], until: datetime | None, work: Callable[[BackupCopy], None]
) -> None:
    lost_in_a_row = 0
    for copy in copies:
        if until is not None and timezone.now() >= until:
            done.is_cut_short = True
            return
        try:
            work(copy)
            lost_in_a_row = 0
        except NotFound as error:
            lost_in_a_row = 0
            done.absent.append((copy, error))
        except DestinationError as error:
            done.add_failure(copy, error)
            # what is refused for one archive may be done for the next, and the order is the same in each pass
            lost_in_a_row = lost_in_a_row + 1 if isinstance(error, ConnectionLost | PeerNotTrusted) else 0
            if lost_in_a_row == MOST_FAILURES_IN_A_ROW:
                return


def _record_gone(opened: Destination, destination: BackupDestination, done: Tended, now: datetime) -> None:
    """Mark absent copies as missing that are not there; record as deleted what the rule leaves to the store."""
    entries = plan_prune(destination, now, heed_locks=False).entries if done.absent else []
    left = {entry.copy.pk for entry in entries if entry.left_to_store}
    for copy, said in done.absent:
        try:
            opened.stat(copy.path)
        except NotFound:
            # a hold may have been lifted; the end of a lock is known
            is_locked = copy.locked_until is not None and now < copy.locked_until < WITHOUT_END
            if copy.pk in left and not is_locked:
                done.expired += [copy] if record_expired(copy, now) else []
            else:
                done.missing += [copy] if mark_missing(copy, now) else []
        except (ConnectionLost, PeerNotTrusted) as error:
            # each further one may last until a timeout; the next pass meets the rest
            done.add_failure(copy, error)
            return
        except DestinationError as error:
            done.add_failure(copy, error)
        else:
            # something else was not found, such as the setting of the store for locks
            done.add_failure(copy, said)


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
