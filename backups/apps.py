from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "backups"
    verbose_name = "Backups"

    def ready(self) -> None:
        from backups import checks, schedules, tasks  # noqa: F401 - registers checks and signal receivers
        from backups.service import (  # noqa: F401 - registers signal receivers
            drops,
            history,
            own_places,
            schedule,
            stored,
            tree_lists,
        )
        from destinations import advice, archives

        advice.add_source(own_places.warnings_about)
        archives.add_counter(stored.archives_at)
