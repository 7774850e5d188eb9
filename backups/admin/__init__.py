from backups.admin import drills, executions, restores, schedules

__all__ = ["drills", "executions", "restores", "schedules"]
