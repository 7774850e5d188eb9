"""Backups without a recorded copy: a process of a release before copies leaves them while the site is upgraded.

They have no row of a copy, or one that the upgrade inserted for the queued or running backup and nothing completed.
"""

import logging

from django.db import IntegrityError, transaction

from backups.lib import audit
from backups.models import BackupCopy, BackupExecution
from backups.models.querysets import BackupQuerySet
from backups.service.archives.records.copies import copies_of, plan_copies, record_only_copy


def without_copy() -> BackupQuerySet:
    """Return the completed backups that have an archive, and no copy that was ever recorded."""
    return BackupExecution.objects.without_copies().select_related("destination")


def record_uncopied() -> int:
    """Record the archive of each backup `without_copy` as its only copy; return how many there were."""
    count = 0
    for backup in without_copy().without_manifest():
        try:
            with transaction.atomic():
                record_only_copy(backup, verified_by="import" if backup.adopted else "upload")
        except IntegrityError as error:
            # another row has the same archive: backups.W083 says so until a person decides
            audit.log("copy.not-recorded", logging.WARNING, backup=backup.pk, error=type(error).__name__)
        else:
            count += 1
    return count


def planned_copies(backup: BackupExecution) -> list[BackupCopy]:
    """Return the copies of the active `backup`; one that has none gets that of its destination."""
    if not (copies := copies_of(backup)):
        planned = plan_copies(backup, [backup.destination])
        values = {
            "planned_path": backup.planned_path,
            "size_bytes": backup.compressed_size_bytes,
            "sha256": backup.archive_sha256,
            "blake2b": backup.archive_blake2b,
            "encryption": backup.encryption,
            "recipients": backup.recipients,
        }
        BackupCopy.objects.filter(pk__in=[copy.pk for copy in planned]).update(**values)
        copies = copies_of(backup)
    return copies
