"""State of an instance that belongs to no run."""

from django.db import models

from backups.models.columns import AbsentComponent, Json
from backups.models.querysets import InstanceStateQuerySet


class InstanceState(models.Model):
    """One row for each instance, locked during a claim: a backup and a restore never start at once."""

    instance = models.CharField(max_length=64, primary_key=True)
    restart_required_since = models.DateTimeField(null=True, blank=True)
    restart_required_by = models.CharField(max_length=36, blank=True, help_text="id of the restore that requires it")

    config_hash = models.CharField(
        max_length=64, blank=True, help_text="hash of the merged configuration when it was last read"
    )
    config_changed_at = models.DateTimeField(null=True, blank=True)
    config_problem = models.TextField(blank=True, help_text="errors in its configuration, until they are corrected")
    absent_components: "Json[list[AbsentComponent] | None]" = models.JSONField(
        null=True, blank=True, help_text="components that did not exist when they were last looked for; null for none"
    )

    drill_put_off = models.TextField(
        blank=True, db_default="", help_text="why its regular drill, which is due, was put off; until one is started"
    )

    late_since = models.DateTimeField(null=True, blank=True, help_text="when it was reported as overdue")

    kit_made_at = models.DateTimeField(null=True, blank=True, help_text="when its recovery kit was last made")
    kit_recipients: "Json[list[str]]" = models.JSONField(
        default=list, blank=True, help_text="fingerprints of the keys of the newest backup in that kit"
    )

    objects = InstanceStateQuerySet.as_manager()

    class Meta:
        db_table = "backup_instance_states"
        default_permissions = ()

    def __str__(self) -> str:
        return self.instance
