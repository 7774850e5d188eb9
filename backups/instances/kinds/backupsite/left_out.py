"""The tables whose rows no backup of this site holds: they are about processes of the moment."""

# sessions; messages and results of the queue; who runs and who reads an archive right now; what others are uploading
LEFT_OUT = (
    "django_session",
    "django_q_ormq",
    "django_q_task",
    "backup_heartbeats",
    "backup_archive_uses",
    "backup_leftover_parts",
)
