"""How many bytes were read from a destination on one day, and whether its daily budget has room for more."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import F
from django.utils import timezone

if TYPE_CHECKING:
    from destinations.models.destination import BackupDestination

# a history for whoever compares it with a bill; older days are deleted
KEPT = timedelta(days=100)


class DestinationReading(models.Model):
    destination = models.ForeignKey(
        "destinations.BackupDestination", on_delete=models.CASCADE, related_name="readings", db_index=False
    )
    day = models.DateField(help_text="in the time zone of the site")
    bytes = models.BigIntegerField(default=0)

    class Meta:
        db_table = "backup_destination_readings"
        # written by what reads archives only
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["destination", "day"], name="one_reading_per_destination_and_day")
        ]

    def __str__(self) -> str:
        return f"{self.bytes} bytes on {self.day}"


def today() -> date:
    """Return the day that counts now: that of the site, whatever time zone a person chose for pages."""
    return timezone.localdate(timezone=timezone.get_default_timezone())


def read_today(destination: "BackupDestination") -> int:
    """Return the bytes that were read from `destination` today, with what is reserved for reading now."""
    return read_today_of([destination]).get(destination.pk, 0)


def read_today_of(destinations: "Iterable[BackupDestination]") -> dict[str, int]:
    """Return the same for each of `destinations` that was read at all, by its id."""
    rows = DestinationReading.objects.filter(destination__in=destinations, day=today())
    return dict(rows.values_list("destination", "bytes"))


@dataclass(slots=True)
class Reading:
    """Bytes that are about to be read: `reserved` ones are counted already. It belongs to the day on which it began."""

    destination: "BackupDestination"
    day: date
    reserved: int = 0

    @classmethod
    def unlimited(cls, destination: "BackupDestination") -> Self:
        """Return one that is counted and never refused."""
        return cls(destination, today())

    @classmethod
    def within_budget(cls, destination: "BackupDestination", size: int) -> "Self | None":
        """Reserve `size` bytes; None when the daily budget of `destination` has no room for them."""
        reading = cls.unlimited(destination)
        budget = destination.daily_read_bytes
        if budget is None:
            return reading
        if size > budget:
            return None
        row = reading._row()
        # of several hosts, each takes what is left or nothing
        if not row.filter(bytes__lte=budget - size).update(bytes=F("bytes") + size):
            return None
        reading.reserved = size
        return reading

    def settle(self, read: int) -> None:
        """Count the bytes that were `read`, in place of those that were reserved. Call it once."""
        if difference := read - self.reserved:
            self._row().update(bytes=F("bytes") + difference)

    def _row(self) -> "models.QuerySet[DestinationReading]":
        rows = DestinationReading.objects.filter(destination=self.destination)
        _, created = rows.get_or_create(destination=self.destination, day=self.day)
        if created:
            rows.filter(day__lt=self.day - KEPT).delete()
        return rows.filter(day=self.day)
