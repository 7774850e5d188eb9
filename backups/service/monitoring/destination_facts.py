"""What is known of a destination from the rows: archives, space, health. The destination is not asked."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, OuterRef, Q, Subquery, Sum
from django.utils import timezone

from backups.models import BackupCopy, RetentionPass
from destinations.models import BackupDestination, DestinationTest, read_today_of


@dataclass(frozen=True, slots=True)
class Held:
    """The archives of one instance at a destination: their number and bytes, and when they were made."""

    instance: str
    archives: int
    size_bytes: int
    oldest: datetime
    newest: datetime


@dataclass(frozen=True, slots=True)
class DestinationFacts:
    destination: BackupDestination
    held: list[Held]
    missing: int
    # how many the store does not delete before a moment, and when the last of these locks ends
    locked: int
    locked_until: datetime | None
    last_pass: RetentionPass | None
    last_test: DestinationTest | None
    read_today: int

    @property
    def archives(self) -> int:
        return sum(held.archives for held in self.held)

    @property
    def size_bytes(self) -> int:
        return sum(held.size_bytes for held in self.held)

    @property
    def free_space(self) -> str:
        """What the last test said of the free space; empty when it did not come to that."""
        steps = self.last_test.steps if self.last_test else []
        return next((step["detail"] for step in steps if step["name"] == "free space"), "")

    @property
    def oldest(self) -> datetime | None:
        return min((held.oldest for held in self.held), default=None)

    @property
    def newest(self) -> datetime | None:
        return max((held.newest for held in self.held), default=None)


def facts_of(destination: BackupDestination) -> DestinationFacts:
    """Return what is known of `destination`, with its instances by the space they use."""
    return facts_of_each([destination])[0]


def facts_of_each(destinations: Sequence[BackupDestination]) -> list[DestinationFacts]:
    """Return the facts of each of `destinations`, in four queries for all of them."""
    stored = BackupCopy.objects.stored().filter(destination__in=destinations, execution__status="completed").order_by()
    there = Q(missing_at=None)
    locked = there & Q(locked_until__gt=timezone.now())
    rows = stored.values_list("destination", "execution__instance").annotate(
        archives=Count("pk", filter=there),
        held_bytes=Sum("size_bytes", filter=there),
        oldest=Min("execution__created_at", filter=there),
        newest=Max("execution__created_at", filter=there),
        lost=Count("pk", filter=~there),
        locked=Count("pk", filter=locked),
        until=Max("locked_until", filter=locked),
    )
    held: dict[str, list[Held]] = defaultdict(list)
    missing: Counter[str] = Counter()
    locks: Counter[str] = Counter()
    last_lock: dict[str, datetime] = {}
    for pk, name, archives, size, oldest, newest, lost, count, until in rows:
        missing[pk] += lost
        locks[pk] += count
        if until is not None:
            last_lock[pk] = max(until, last_lock.get(pk, until))
        if archives:
            held[pk].append(Held(name, archives, size or 0, oldest, newest))
    newest_test = DestinationTest.objects.filter(destination=OuterRef("pk")).values("pk")[:1]
    ids = [destination.pk for destination in destinations]
    newest = BackupDestination.objects.filter(pk__in=ids).values(test=Subquery(newest_test))
    tests = {test.destination_id: test for test in DestinationTest.objects.filter(pk__in=newest)}
    passes = {one.destination_id: one for one in RetentionPass.objects.filter(destination__in=destinations)}
    read = read_today_of(destinations)
    return [
        DestinationFacts(
            destination,
            sorted(held[destination.pk], key=lambda each: (-each.size_bytes, each.instance)),
            missing[destination.pk],
            locks[destination.pk],
            last_lock.get(destination.pk),
            passes.get(destination.pk),
            tests.get(destination.pk),
            read.get(destination.pk, 0),
        )
        for destination in destinations
    ]


def describe_destination(facts: DestinationFacts) -> dict[str, Any]:
    """Return the facts as `--json` prints them; times in ISO 8601."""
    destination, test, last_pass = facts.destination, facts.last_test, facts.last_pass

    def iso(moment: datetime | None) -> str | None:
        return moment.isoformat() if moment else None

    return {
        "id": destination.pk,
        "name": destination.name,
        "type": destination.type,
        "enabled": destination.enabled,
        "location": destination.location_text,
        "encryption": destination.policy,
        "position": destination.position,
        "daily_read_mb": destination.daily_read_mb,
        "read_today_bytes": facts.read_today,
        "free_space": facts.free_space,
        "free_bytes": destination.free_bytes,
        "free_bytes_at": iso(destination.free_bytes_at),
        "retention": destination.rule_text,
        "append_only": destination.append_only,
        "managed_by": destination.managed_by,
        "archives": facts.archives,
        "size_bytes": facts.size_bytes,
        "missing": facts.missing,
        "locked": facts.locked,
        "locked_until": iso(facts.locked_until),
        "retention_pass": last_pass
        and {
            "at": iso(last_pass.done_at),
            "next_at": iso(last_pass.next_at),
            "outcome": last_pass.outcome,
            "problem": last_pass.problem,
        },
        "oldest": iso(facts.oldest),
        "newest": iso(facts.newest),
        "last_backup_at": iso(destination.last_backup_at),
        "last_backup_status": destination.last_backup_status,
        "last_test": test
        and {
            "at": iso(test.tested_at),
            "by": test.tested_by,
            "passed": test.passed,
            "steps": test.steps,
            "error": test.error,
            "hint": test.hint,
        },
        "instances": [
            {
                "instance": held.instance,
                "archives": held.archives,
                "size_bytes": held.size_bytes,
                "oldest": iso(held.oldest),
                "newest": iso(held.newest),
            }
            for held in facts.held
        ],
    }
