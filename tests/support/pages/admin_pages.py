"""Addresses of the pages of backups."""

from django.urls import reverse

from backups.models import BackupExecution

LIST = "/admin/backups/backupexecution/"
START = f"{LIST}start/"


def url(execution: BackupExecution, action: str = "change") -> str:
    return reverse(f"admin:backups_backupexecution_{action}", args=[execution.pk])
