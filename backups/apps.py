from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "backups"
    verbose_name = "Backups"

    def ready(self) -> None:
        from backups import checks  # noqa: F401 - registers checks and signal receivers
        from backups.instances import site_paths as own_places  # noqa: F401 - registers a signal receiver
        from backups.runs.registry import register
        from backups.service.archives import tree_lists  # noqa: F401 - registers a signal receiver
        from backups.service.automation import schedules as schedule  # noqa: F401 - registers a signal receiver
        from backups.service.backup import run as backup  # noqa: F401 - registers a signal receiver
        from backups.service.drill import run as drill  # noqa: F401 - registers a signal receiver
        from backups.service.drops import episodes as drops  # noqa: F401 - registers a signal receiver
        from backups.service.monitoring import history  # noqa: F401 - registers a signal receiver
        from backups.service.restore import run as restore  # noqa: F401 - registers a signal receiver
        from backups.service.retention import stored  # noqa: F401 - registers a signal receiver
        from backups.worker import tasks
        from backups.worker import tick as schedules  # noqa: F401 - registers checks and signal receivers
        from destinations import advice, archives

        advice.add_source(own_places.warnings_about)
        archives.add_counter(stored.archives_at)
        # with what is called at the end of each run, in this order
        register(
            backup.BACKUP,
            backup.record_at_destination,
            schedule.record_result,
            drops.report_drop,
            tasks.start_next,
        )
        register(restore.RESTORE, tasks.start_next)
        register(drill.DRILL, tasks.start_next)
