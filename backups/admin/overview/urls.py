"""The URLs of the pages about instances, coming runs, keys and the time zone."""

from backups.admin.overview.accept import accept, withdraw
from backups.admin.overview.coming import coming
from backups.admin.overview.instance import instance, recovery_kit
from backups.admin.overview.keys import keys
from backups.admin.overview.time_zone import time_zone
from backups.admin.shared.views import moved, site_path

urls = [
    site_path("backups/instances/<str:name>/", instance, "backups_instance"),
    site_path("backups/instances/<str:name>/recovery-kit/", recovery_kit, "backups_recovery_kit"),
    site_path("backups/instances/<str:name>/accept/", accept, "backups_accept_reason"),
    site_path("backups/instances/<str:name>/withdraw/", withdraw, "backups_withdraw_reason"),
    site_path("backups/coming/", coming, "backups_coming"),
    site_path("backups/keys/", keys, "backups_keys"),
    site_path("backups/time_zone/", time_zone, "backups_time_zone"),
    # where they were before
    site_path("backups/backupexecution/instance/<str:name>/", moved("backups_instance")),
    site_path("backups/backupexecution/keys/", moved("backups_keys")),
]
