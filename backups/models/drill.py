"""Drills and verifications of archives."""

from typing import ClassVar

from django.db import models

from backups.models.backup import BackupExecution
from backups.models.columns import Counts, Json
from backups.models.copy import BackupCopy
from backups.models.run import Run


class DrillExecution(Run):
    """One drill or verification. `verdict` is about the archive, `status` about the run.

    A failed run without a verdict (the destination did not answer, for example) proves nothing about the archive.
    """

    noun = "drill"
    # it works on a copy of the archive: backups and restores of the instance go on
    needs_instance = False

    # the one copy that is to be read; None for the nearest
    only_copy: BackupCopy | None = None

    class Kind(models.TextChoices):
        DRILL = "drill"
        VERIFICATION = "verification"

    class Verdict(models.TextChoices):
        NONE = "", "No verdict"
        PASSED = "passed"
        FAILED = "failed"

    class Stage(models.TextChoices):
        WAITING = "waiting"
        FETCHING = "fetching"
        UNPACKING = "unpacking"
        CHECKING = "checking"
        DONE = "done"

    shares: ClassVar = {
        Stage.WAITING: (0, 0),
        Stage.FETCHING: (0, 20),
        Stage.UNPACKING: (20, 65),
        Stage.CHECKING: (65, 100),
        Stage.DONE: (100, 100),
    }

    # that was fetched, in the process that runs it
    read_copy: BackupCopy | None = None

    stage = models.CharField(max_length=16, choices=Stage, default=Stage.WAITING)
    execution = models.ForeignKey(BackupExecution, on_delete=models.PROTECT, related_name="drills")
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.DRILL)
    verdict = models.CharField(max_length=8, choices=Verdict, blank=True, default=Verdict.NONE)
    seconds = models.FloatField(
        null=True, blank=True, help_text="duration of the restore in a drill, or of the verification"
    )
    bytes = models.BigIntegerField(null=True, blank=True, help_text="bytes that were restored or read from the archive")
    findings: "Json[Counts]" = models.JSONField(default=dict, blank=True, help_text="counts of an archive that passed")

    class Meta(Run.Meta):
        abstract = False
        db_table = "drill_executions"
        verbose_name = "drill"
        ordering: ClassVar = ["-created_at", "-id"]
        # the permission to view a backup includes its drills
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["execution", "kind"],
                condition=models.Q(status="queued", owner="queue"),
                name="one_waiting_drill_of_a_kind",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="drill_newest"),
            models.Index(fields=["status", "-created_at", "-id"], name="drill_status"),
            models.Index(fields=["instance", "kind", "-created_at", "-id"], name="drill_instance"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.execution}"

    def log_fields(self) -> dict[str, object]:
        facts = {"backup": self.execution_id, "verdict": self.verdict, "seconds": self.seconds}
        return {"archive": str(self.execution), **facts}

    @property
    def label(self) -> str:
        return str(self.kind)
