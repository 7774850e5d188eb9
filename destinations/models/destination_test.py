"""How a test of a destination went: its health history."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.utils import timezone

from destinations.backends import TestStep
from destinations.exceptions import DestinationError
from destinations.providers import report_failed_test

if TYPE_CHECKING:
    from destinations.models.destination import BackupDestination  # noqa: F401  # the target of the foreign key

# of each destination; older ones are deleted
KEPT = 100


class DestinationTest(models.Model):
    """The steps that were taken, in order; one that failed is not among them, but in `error`."""

    destination = models.ForeignKey(
        "destinations.BackupDestination", on_delete=models.CASCADE, related_name="tests", db_index=False
    )
    tested_at = models.DateTimeField(default=timezone.now)
    tested_by = models.CharField(max_length=150, blank=True)
    steps = models.JSONField(default=list, help_text="name, detail and seconds of each step that was taken")
    error = models.TextField(blank=True, help_text="why it failed; empty when it passed")
    hint = models.TextField(blank=True)

    # the error itself, for the process that tested
    failure: DestinationError | None = None
    # what it found to be free, for the row of the destination
    free_bytes: int | None = None
    __test__ = False  # not a test class, whatever pytest reads into the name

    class Meta:
        db_table = "backup_destination_tests"
        ordering: ClassVar = ["-tested_at", "-id"]
        # written by tests of a destination only
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["destination", "-tested_at", "-id"], name="destination_test_newest")]

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'failed'} {self.tested_at:%Y-%m-%d %H:%M} UTC"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        self.destination.record_free_space(self.free_bytes)
        of_it = DestinationTest.objects.filter(destination=self.destination_id)
        of_it.filter(pk__in=of_it.values_list("pk", flat=True)[KEPT : 2 * KEPT]).delete()
        if self.failure is not None:
            report_failed_test(self.destination, self.failure)

    @property
    def passed(self) -> bool:
        return not self.error

    @property
    def seconds(self) -> float:
        return float(sum(step["seconds"] for step in self.steps))

    def add(self, step: TestStep) -> None:
        self.steps.append({"name": step.name, "detail": step.detail, "seconds": round(step.seconds, 4)})

    def fail(self, error: DestinationError) -> None:
        self.failure, self.error, self.hint = error, error.message, error.hint
