"""Reasons of a verdict that a person accepted for a while."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

LONGEST_TEXT = 500


class AcceptedReason(models.Model):
    """The reason `code` of `instance`, about `subject` where it has one, is accepted to the end of the day `until`.

    Accepting changes no level. A row stays when it has expired, until the reason is accepted again.
    """

    instance = models.CharField(max_length=64)
    code = models.CharField(max_length=64)
    subject = models.CharField(max_length=255, blank=True)
    level = models.CharField(
        max_length=16, default="at-risk", db_default="at-risk",
        help_text="what the reason lowered the instance to; one that lowers it further is not accepted",
    )  # fmt: skip
    text = models.CharField(max_length=LONGEST_TEXT, help_text="why it is acceptable")
    until = models.DateField(help_text="the last day on which it is accepted, in the time zone of the site")
    by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "backup_accepted_reasons"
        default_permissions = ()
        permissions: ClassVar = [("accept_reason", "Can accept reasons why an instance is not protected")]
        ordering: ClassVar = ["instance", "code", "subject"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["instance", "code", "subject"], name="one_acceptance_per_reason"),
            models.CheckConstraint(condition=~models.Q(text=""), name="acceptance_has_a_text"),
        ]

    def __str__(self) -> str:
        return f"{self.key} of {self.instance} until {self.until}"

    @property
    def key(self) -> str:
        return f"{self.code}:{self.subject}" if self.subject else self.code
