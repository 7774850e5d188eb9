"""The log lines of runs, beside their rows."""

from django.db import models

from backups.models.backup import BackupExecution
from backups.models.copying import CopyExecution
from backups.models.drill import DrillExecution
from backups.models.restore import RestoreExecution


class RunLog(models.Model):
    """The log lines of one run, the oldest in the middle left out. A kind of run adds `run`, its primary key.

    A table of its own: no list reads it, and a heartbeat does not write it again.
    """

    first = models.TextField(blank=True)
    last = models.TextField(blank=True, help_text="the lines after `first`, or after those that were left out")
    left_out = models.PositiveIntegerField(default=0, help_text="number of lines left out between `first` and `last`")
    written_at = models.DateTimeField()

    class Meta:
        abstract = True
        # whoever may view the run may view its log
        default_permissions = ()

    def __str__(self) -> str:
        return f"log of {self.pk}"


class BackupLog(RunLog):
    run = models.OneToOneField(BackupExecution, on_delete=models.CASCADE, primary_key=True, related_name="+")

    class Meta(RunLog.Meta):
        abstract = False
        db_table = "backup_execution_logs"


class RestoreLog(RunLog):
    run = models.OneToOneField(RestoreExecution, on_delete=models.CASCADE, primary_key=True, related_name="+")

    class Meta(RunLog.Meta):
        abstract = False
        db_table = "restore_execution_logs"


class DrillLog(RunLog):
    run = models.OneToOneField(DrillExecution, on_delete=models.CASCADE, primary_key=True, related_name="+")

    class Meta(RunLog.Meta):
        abstract = False
        db_table = "drill_execution_logs"


class CopyLog(RunLog):
    run = models.OneToOneField(CopyExecution, on_delete=models.CASCADE, primary_key=True, related_name="+")

    class Meta(RunLog.Meta):
        abstract = False
        db_table = "copy_execution_logs"
