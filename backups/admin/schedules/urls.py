"""The URL about all schedules of an instance, which its page has buttons for."""

from backups.admin.schedules.actions import toggle_all
from backups.admin.shared.views import site_path

urls = [site_path("backups/instances/<str:name>/schedules/", toggle_all, "backups_instance_schedules")]
