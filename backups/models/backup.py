"""The backup: a run, and the archive that it made."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KT

from backups.models.backup_indexes import INDEXES
from backups.models.columns import ComponentAmount, DrillResult, DropEntry, Json, KeptConfiguration
from backups.models.querysets import BackupQuerySet
from backups.models.run import Run
from backups.models.schedule import BackupSchedule
from destinations.models import BackupDestination

PASSED = "passed"


class BackupExecution(Run):
    noun = "backup"

    class Kind(models.TextChoices):
        MANUAL = "manual"
        SCHEDULED = "scheduled"
        SAFETY = "safety"
        CONFIG_CHANGE = "config_change"
        STARTUP = "startup"

    class Stage(models.TextChoices):
        WAITING = "waiting"
        PREPARING = "preparing"
        EXPORTING = "exporting"
        CHECKING = "checking"
        PACKING = "packing"
        UPLOADING = "uploading"
        RECORDING = "recording"
        DONE = "done"

    class CopiesState(models.TextChoices):
        """Whether every destination that the backup was made for has a sound copy of it."""

        NONE = "", "No copies"
        ALL = "all", "All copies"
        MISSING = "missing", "A copy is missing"

    shares: ClassVar = {
        Stage.WAITING: (0, 0),
        Stage.PREPARING: (0, 1),
        Stage.EXPORTING: (1, 35),
        Stage.CHECKING: (35, 45),
        Stage.PACKING: (45, 85),
        Stage.UPLOADING: (85, 99),
        Stage.RECORDING: (99, 100),
        Stage.DONE: (100, 100),
    }

    stage = models.CharField(max_length=16, choices=Stage, default=Stage.WAITING)
    # Destination, path and what is said of the archive repeat the first copy that is stored: `BackupCopy` has all of
    # them. Both begin an index of their own.
    destination = models.ForeignKey(
        BackupDestination, on_delete=models.PROTECT, related_name="executions", db_index=False
    )
    kind = models.CharField(max_length=32, choices=Kind, default=Kind.MANUAL)
    schedule = models.ForeignKey(
        BackupSchedule, null=True, blank=True, on_delete=models.SET_NULL, related_name="executions", db_index=False
    )
    scheduled_for = models.DateTimeField(null=True, blank=True, help_text="the slot of the schedule that it is for")
    attempt = models.PositiveSmallIntegerField(default=1, help_text="2 and more: a retry after a failure")
    backup_filename = models.CharField(max_length=128, blank=True)
    backup_path = models.CharField(max_length=512, blank=True, help_text="path within the destination")
    planned_path = models.CharField(
        max_length=512, blank=True, help_text="path of the upload in progress; recovery looks there"
    )
    archive_sha256 = models.CharField(max_length=64, blank=True)
    archive_blake2b = models.CharField(
        max_length=128, blank=True, help_text="BLAKE2b digest of the archive, which its signature covers"
    )
    compression = models.CharField(max_length=16, blank=True)
    encryption = models.CharField(max_length=32, blank=True)
    recipients: "Json[list[str]]" = models.JSONField(
        default=list, blank=True, help_text="fingerprints of the keys that open the archive"
    )
    size_bytes = models.BigIntegerField(null=True, blank=True, help_text="sum of the exported files")
    compressed_size_bytes = models.BigIntegerField(null=True, blank=True, help_text="size of the archive")
    files_included = models.PositiveIntegerField(null=True, blank=True)
    manifest_json = models.JSONField(null=True, blank=True)
    # a column of its own: retention reads it of thousands of rows, and a manifest may have megabytes
    manifest_date = models.GeneratedField(
        expression=KT("manifest_json__backup_metadata__timestamp_utc"), output_field=models.TextField(), db_persist=True
    )
    config_json: "Json[KeptConfiguration | None]" = models.JSONField(
        null=True,
        blank=True,
        help_text="environment, file and overrides with secrets masked: previews compare with them",
    )

    verified_at = models.DateTimeField(null=True, blank=True)
    pinned = models.BooleanField(default=False)
    pin_reason = models.CharField(max_length=255, blank=True)
    adopted = models.BooleanField(default=False, help_text="found at the destination or imported, not made here")
    missing_at = models.DateTimeField(null=True, blank=True, help_text="when the destination no longer had the archive")
    damaged_at = models.DateTimeField(
        null=True, blank=True, help_text="when the archive was found to be changed, while no other copy is sound"
    )
    copies_state = models.CharField(
        max_length=8,
        choices=CopiesState,
        blank=True,
        default=CopiesState.NONE,
        db_default="",
        help_text="all: every destination has a sound copy; missing: at least one has none",
    )
    drill: "Json[DrillResult | None]" = models.JSONField(
        null=True, blank=True, help_text="verdict, seconds, bytes and time of the last drill"
    )
    verification: "Json[DrillResult | None]" = models.JSONField(
        null=True, blank=True, help_text="the same for the last verification, unless a later drill passed"
    )
    drops: "Json[list[DropEntry] | None]" = models.JSONField(
        null=True,
        blank=True,
        help_text="data that the backup before had and this one lacks, or that is off its trend, by component",
    )
    amounts: "Json[list[ComponentAmount] | None]" = models.JSONField(
        null=True, blank=True, help_text="rows, files and bytes of each component, without the manifest"
    )
    drop_confirmed_at = models.DateTimeField(null=True, blank=True, help_text="when the last drop was confirmed")
    drop_confirmed_by = models.CharField(max_length=150, blank=True)
    deleting_at = models.DateTimeField(null=True, blank=True, help_text="when a deletion locked the archive")
    deleted_at = models.DateTimeField(null=True, blank=True)
    deleted_by = models.CharField(
        max_length=150, blank=True, db_default="", help_text="who deleted the archive; retention for a rule"
    )
    deleted_reason = models.CharField(max_length=255, blank=True)

    objects = BackupQuerySet.as_manager()  # type: ignore[misc]  # the plugin makes that of Run a class variable

    class Meta(Run.Meta):
        abstract = False
        db_table = "backup_executions"
        verbose_name = "backup"
        ordering: ClassVar = ["-created_at", "-id"]
        get_latest_by = "created_at"
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("run_backup", "Can run and cancel backups"),
            ("download_backup", "Can download archives"),
            ("delete_backup", "Can delete archives"),
            ("pin_backup", "Can pin and unpin backups"),
            ("import_backup", "Can import and adopt archives"),
            ("confirm_drop", "Can confirm that data is gone on purpose"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["instance"], condition=Q(status="running"), name="one_running_execution_per_instance"
            ),
            models.UniqueConstraint(
                fields=["destination", "backup_path"],
                condition=~Q(backup_path="") & Q(deleted_at=None),
                name="one_execution_per_archive",
            ),
            # an archive counts once for retention and protection, however often it is found, imported or copied there
            models.UniqueConstraint(
                fields=["destination", "archive_sha256"],
                condition=~Q(archive_sha256="") & Q(deleted_at=None, status__in=["queued", "running", "completed"]),
                name="one_backup_per_archive",
            ),
            # idempotent: two clusters, a restart or the hour that exists twice start one run for a due time
            models.UniqueConstraint(
                fields=["schedule", "scheduled_for", "attempt"], name="one_execution_per_slot_and_attempt"
            ),
            # a second request gets the run that waits already: its backup will hold the same data
            models.UniqueConstraint(
                fields=["instance", "destination"],
                condition=Q(status="queued", kind="manual", owner="queue"),
                name="one_waiting_manual_backup",
            ),
            models.CheckConstraint(
                condition=~Q(status="completed")
                | (
                    Q(completed_at__isnull=False)
                    & ~Q(backup_path="")
                    & ~Q(archive_sha256="")
                    & Q(manifest_json__isnull=False)
                ),
                name="completed_means_recorded",
            ),
        ]
        indexes: ClassVar = INDEXES

    def __str__(self) -> str:
        return self.backup_filename or f"{self.instance} {self.kind} {self.status}"

    @property
    def is_part_of_another(self) -> bool:
        return self.kind == self.Kind.SAFETY

    @property
    def drill_failed(self) -> bool:
        return self.drill is not None and self.drill.get("verdict") != PASSED

    @property
    def verification_failed(self) -> bool:
        return self.verification is not None and self.verification.get("verdict") != PASSED

    @property
    def flaw(self) -> str:
        """Why the archive is known to be bad; empty when it is not damaged and no drill or verification failed."""
        if self.drill_failed:
            return "its drill failed"
        if self.verification_failed:
            return "its verification failed"
        return "its archive is damaged" if self.damaged_at is not None else ""

    @property
    def open_drop(self) -> bool:
        """True while this backup lacks data that the one before it had, and the drop is not confirmed."""
        return self.status == self.Status.COMPLETED and bool(self.drops) and self.drop_confirmed_at is None

    @property
    def is_missing(self) -> bool:
        return self.status == self.Status.COMPLETED and self.deleted_at is None and self.missing_at is not None

    @property
    def is_damaged(self) -> bool:
        """True while no copy is sound, and one that was changed is still there."""
        return self.has_archive and self.damaged_at is not None

    @property
    def lacks_a_copy(self) -> bool:
        """True while one of its destinations has no sound copy, and another one has."""
        return self.has_archive and not self.is_damaged and self.copies_state == self.CopiesState.MISSING

    @property
    def has_archive(self) -> bool:
        return self.status == self.Status.COMPLETED and self.deleted_at is None and self.missing_at is None
