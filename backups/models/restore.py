"""The restore: a run, the archive and components it was given, and what became of each component."""

import os
from typing import ClassVar

from django.db import models
from django.db.models import Q

from backups.models.backup import BackupExecution
from backups.models.columns import ComponentOutcome, Json
from backups.models.run import Run


def _path_of(note: ComponentOutcome) -> str:
    return os.fsdecode(bytes.fromhex(note["path_hex"])) if "path_hex" in note else note["path"]


class RestoreExecution(Run):
    noun = "restore"
    may_expire = True

    class State(models.TextChoices):
        """The state of a component, in `outcome`."""

        APPLYING = "applying"
        RESTORED = "restored"
        UNCHANGED = "unchanged"
        ROLLED_BACK = "rolled back"

    class Stage(models.TextChoices):
        WAITING = "waiting"
        FETCHING = "fetching"
        VERIFYING = "verifying"
        SAFETY = "safety"
        STOPPING = "stopping"
        APPLYING = "applying"
        VERIFYING_DATA = "verifying data"
        FINISHING = "finishing"
        ROLLING_BACK = "rolling back"
        DONE = "done"

    shares: ClassVar = {
        Stage.WAITING: (0, 0),
        Stage.FETCHING: (0, 10),
        Stage.VERIFYING: (10, 35),
        Stage.SAFETY: (35, 60),
        Stage.STOPPING: (60, 62),
        # these two take turns, component by component
        Stage.APPLYING: (62, 97),
        Stage.VERIFYING_DATA: (62, 97),
        Stage.FINISHING: (97, 100),
        Stage.ROLLING_BACK: (62, 99),
        Stage.DONE: (100, 100),
    }

    stage = models.CharField(max_length=16, choices=Stage, default=Stage.WAITING)
    execution = models.ForeignKey(
        BackupExecution, null=True, blank=True, on_delete=models.PROTECT, related_name="restores"
    )
    archive_file = models.CharField(
        max_length=1024, blank=True, help_text="path of an archive file that has no backup here"
    )
    archive_sha256 = models.CharField(max_length=64, help_text="SHA-256 that was confirmed; another archive is refused")
    changes_seen = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        help_text="state of the changes by other restores when it was confirmed",
    )
    archive_instance = models.CharField(max_length=64, blank=True, help_text="the instance that the manifest names")
    components: "Json[list[str]]" = models.JSONField(
        default=list, help_text="the requested components; empty for all in the archive"
    )
    outcome: "Json[dict[str, ComponentOutcome]]" = models.JSONField(
        default=dict, blank=True, help_text="state and rows of each component"
    )
    safety_backup = models.ForeignKey(
        BackupExecution, null=True, blank=True, on_delete=models.PROTECT, related_name="safety_of"
    )
    undo_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by")
    force_invalid_config = models.BooleanField(default=False)
    allow_other_instance = models.BooleanField(default=False)
    accept_unsigned = models.BooleanField(
        default=False, help_text="accepts an archive without a signature, or with that of an unknown key"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)

    class Meta(Run.Meta):
        abstract = False
        db_table = "restore_executions"
        verbose_name = "restore"
        ordering: ClassVar = ["-created_at", "-id"]
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("restore_backup", "Can restore, undo and acknowledge restores"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["instance"], condition=Q(status="running"), name="one_running_restore_per_instance"
            ),
            models.CheckConstraint(
                condition=Q(execution__isnull=False) | ~Q(archive_file=""), name="restore_has_an_archive"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="restore_newest"),
            models.Index(fields=["instance", "status", "-created_at"], name="restore_instance"),
        ]

    # set by the process that runs it, once the hook that stops the service has been started
    service_stopped = False

    @property
    def touched(self) -> dict[str, str]:
        """The components that the restore has changed or may have changed, and their paths, in order of change."""
        states = (self.State.APPLYING, self.State.RESTORED)
        return {note["component"]: _path_of(note) for note in self.outcome.values() if note["state"] in states}

    @property
    def is_verified(self) -> bool:
        """True when all data was applied and verified; only the end of the run, or its record, may be missing."""
        states = {note["state"] for note in self.outcome.values()}
        return self.stage == self.Stage.FINISHING and states == {self.State.RESTORED}

    def __str__(self) -> str:
        return f"restore of {self.instance} {self.status}"
