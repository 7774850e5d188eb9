from backups.admin import executions, restores, schedules

__all__ = ["executions", "restores", "schedules"]
