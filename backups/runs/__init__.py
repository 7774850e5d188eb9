"""The common template of backups, restores and drills: claim, progress, finish, recovery after a crash."""
