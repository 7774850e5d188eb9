from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "backups"
    verbose_name = "Backups"

    def ready(self) -> None:
        from backups import checks, schedules, tasks  # noqa: F401 - registers checks and signal receivers
        from backups.service import history, schedule, tree_lists  # noqa: F401 - registers signal receivers
