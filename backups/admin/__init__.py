from backups.admin.backups import changelist as executions
from backups.admin.destinations import change_form as destinations
from backups.admin.drills import changelist as drills
from backups.admin.restores import changelist as restores
from backups.admin.schedules import changelist as schedules

__all__ = ["destinations", "drills", "executions", "restores", "schedules"]
