"""The copies of a backup: one archive at one destination each."""

from collections.abc import Collection
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from backups.models.backup import BackupExecution
from backups.models.columns import Json
from backups.models.querysets import STORED_COPY, CopyQuerySet
from backups.models.run import new_id, row_of
from destinations.models import BackupDestination


class BackupCopy(models.Model):
    """One copy of a backup. The row of the backup repeats what is said here of its first copy.

    `stored` says that the archive was stored; `missing_at` and `damaged_at` that it was found gone or changed there
    later, until it is sound again. One that `failed` has an error, and counts as missing until it is made up for.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        UPLOADING = "uploading"
        STORED = "stored"
        FAILED = "failed"
        DELETED = "deleted"

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    # both begin an index of their own
    execution = models.ForeignKey(BackupExecution, on_delete=models.CASCADE, related_name="copies", db_index=False)
    destination = models.ForeignKey(BackupDestination, on_delete=models.PROTECT, related_name="copies", db_index=False)
    position = models.PositiveSmallIntegerField(default=0, help_text="order in which the destinations were named")
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    path = models.CharField(max_length=512, blank=True, help_text="path within the destination")
    planned_path = models.CharField(
        max_length=512, blank=True, help_text="path of the upload in progress; recovery looks there"
    )
    size_bytes = models.BigIntegerField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    blake2b = models.CharField(max_length=128, blank=True, help_text="digest that the signature covers")
    encryption = models.CharField(max_length=32, blank=True)
    recipients: "Json[list[str]]" = models.JSONField(
        default=list, blank=True, help_text="fingerprints of the keys that open the archive"
    )
    verified_at = models.DateTimeField(null=True, blank=True)
    verified_by = models.CharField(
        max_length=32, blank=True, help_text="what verified it last: upload, copy, import, verification or drill"
    )
    missing_at = models.DateTimeField(null=True, blank=True, help_text="when the destination no longer had the archive")
    damaged_at = models.DateTimeField(null=True, blank=True, help_text="when the archive was found to be changed there")
    locked_until = models.DateTimeField(null=True, blank=True, help_text="until then the store refuses to delete it")
    cooled_at = models.DateTimeField(
        null=True, blank=True, help_text="when it was moved to a cooler access tier of the store"
    )
    error = models.TextField(blank=True)
    error_hint = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    look_again_at = models.DateTimeField(
        null=True, blank=True, help_text="when the planned path of an upload that ended is looked at again"
    )
    upload_state: "Json[dict[str, object] | None]" = models.JSONField(
        null=True, blank=True, help_text="what an upload needs to go on where it broke off"
    )
    created_at = models.DateTimeField(default=timezone.now)
    stored_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    deleted_by = models.CharField(max_length=150, blank=True)
    deleted_reason = models.CharField(max_length=255, blank=True)

    objects = CopyQuerySet.as_manager()

    class Meta:
        db_table = "backup_copies"
        verbose_name = "copy"
        verbose_name_plural = "copies"
        ordering: ClassVar = ["position", "created_at", "pk"]
        # the permission to view a backup includes its copies
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["execution", "destination"], name="one_copy_per_destination"),
            models.UniqueConstraint(
                fields=["destination", "path"],
                condition=~Q(path="") & ~Q(state="deleted"),
                name="one_copy_per_path",
            ),
            # an archive counts once at a destination, however often it is found, imported or copied there
            models.UniqueConstraint(
                fields=["destination", "sha256"], condition=STORED_COPY, name="one_copy_per_archive"
            ),
            models.CheckConstraint(
                condition=~Q(state="stored") | (~Q(path="") & ~Q(sha256="")), name="stored_copy_is_recorded"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["destination", "state"], name="copy_at_destination"),
            # holds all that the usage of a destination is made of
            models.Index(
                fields=["destination", "state", "missing_at", "damaged_at", "size_bytes", "locked_until"],
                condition=~Q(state="deleted"),
                name="copy_usage",
            ),
            # what came to each destination in a month, and what went: read from these alone
            models.Index(fields=["stored_at", "destination", "size_bytes"], name="copy_stored"),
            models.Index(
                fields=["deleted_at", "destination", "size_bytes"],
                condition=Q(deleted_at__isnull=False),
                name="copy_deleted",
            ),
            # whether a backup has an archive that is encrypted, and one that is not
            models.Index(fields=["execution", "encryption"], condition=~Q(path=""), name="copy_encryption"),
            models.Index(fields=["next_try_at"], condition=Q(next_try_at__isnull=False), name="copy_due"),
            models.Index(fields=["look_again_at"], condition=~Q(planned_path=""), name="copy_unsettled"),
        ]

    def __str__(self) -> str:
        return f"{self.execution} at {self.destination}"

    @classmethod
    def from_db(  # type: ignore[override]  # the stubs are of a later Django
        cls, db: str | None, field_names: Collection[str], values: Collection[Any]
    ) -> Self:
        return row_of(cls, db, field_names, values)

    @property
    def is_stored(self) -> bool:
        return self.state == self.State.STORED

    @property
    def is_sound(self) -> bool:
        """True where the archive is there as it was uploaded, as far as is known."""
        return self.is_stored and self.missing_at is None and self.damaged_at is None

    @property
    def condition(self) -> str:
        """Its state in one word: that of a stored one which was found missing or damaged is that."""
        if self.is_stored and self.missing_at is not None:
            return "missing"
        return "damaged" if self.is_stored and self.damaged_at is not None else self.state
