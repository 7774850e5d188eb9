"""The URLs of the pages that prepare a restore; they are below those of its backup."""

from backups.admin.restores.entries import restore_entries
from backups.admin.restores.start import restore
from backups.admin.shared.views import site_path

urls = [
    site_path("backups/backupexecution/<str:run_id>/restore/", restore, "backups_backupexecution_restore"),
    site_path(
        "backups/backupexecution/<str:run_id>/restore_entries/",
        restore_entries,
        "backups_backupexecution_restore_entries",
    ),
]
