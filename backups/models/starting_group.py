"""Which of the groups that a site starts with were made already."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class StartingGroup(models.Model):
    """The group `name` was made, or one of a deployer had that name: it is not made again, whatever became of it."""

    name = models.CharField(max_length=150, primary_key=True)
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "backup_starting_groups"
        default_permissions = ()
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name
