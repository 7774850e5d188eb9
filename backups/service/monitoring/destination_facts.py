"""What is known of a destination from the rows: archives, space, health. The destination is not asked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Sum
from django.utils import timezone

from backups.models import BackupCopy, RetentionPass
from destinations.models import BackupDestination, DestinationTest


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

    @property
    def archives(self) -> int:
        return sum(held.archives for held in self.held)

    @property
    def size_bytes(self) -> int:
        return sum(held.size_bytes for held in self.held)

    @property
    def oldest(self) -> datetime | None:
        return min((held.oldest for held in self.held), default=None)

    @property
    def newest(self) -> datetime | None:
        return max((held.newest for held in self.held), default=None)


def facts_of(destination: BackupDestination) -> DestinationFacts:
    """Return what is known of `destination`, with its instances by the space they use."""
    stored = BackupCopy.objects.stored().filter(destination=destination, execution__status="completed").order_by()
    rows = (
        stored.filter(missing_at=None)
        .values_list("execution__instance")
        .annotate(Count("pk"), Sum("size_bytes"), Min("execution__created_at"), Max("execution__created_at"))
    )
    held = [Held(name, archives, size or 0, oldest, newest) for name, archives, size, oldest, newest in rows]
    missing = stored.filter(missing_at__isnull=False).count()
    locked = stored.filter(missing_at=None, locked_until__gt=timezone.now())
    counts = locked.aggregate(count=Count("pk"), until=Max("locked_until"))
    last_pass = RetentionPass.objects.filter(destination=destination).first()
    held.sort(key=lambda each: (-each.size_bytes, each.instance))
    return DestinationFacts(
        destination, held, missing, counts["count"], counts["until"], last_pass, destination.tests.first()
    )


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
