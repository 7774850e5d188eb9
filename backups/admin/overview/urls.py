"""The URLs of the pages about instances and keys."""

from backups.admin.overview.instance import instance
from backups.admin.overview.keys import keys
from backups.admin.shared.views import moved, site_path

urls = [
    site_path("backups/instances/<str:name>/", instance, "backups_instance"),
    site_path("backups/keys/", keys, "backups_keys"),
    # where they were before
    site_path("backups/backupexecution/instance/<str:name>/", moved("backups_instance")),
    site_path("backups/backupexecution/keys/", moved("backups_keys")),
]
