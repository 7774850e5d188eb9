from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "backups"
    verbose_name = "Backups"

    def ready(self) -> None:
        from backups import checks, schedules, tasks  # noqa: F401 - registers checks and signal receivers
        from backups.runs.registry import register
        from backups.service import (
            backup,
            drill,
            drops,
            history,  # noqa: F401 - registers a signal receiver
            own_places,
            restore,
            schedule,
            stored,
            tree_lists,  # noqa: F401 - registers a signal receiver
        )
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
