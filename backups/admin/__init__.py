from backups.admin import destinations, drills, executions, restores, schedules

__all__ = ["destinations", "drills", "executions", "restores", "schedules"]
