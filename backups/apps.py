from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BackupsConfig(AppConfig):
    name = "backups"
    verbose_name = "Backups"

    def ready(self) -> None:
        # these are imported for the checks and signal receivers that they register
        from backups import checks  # noqa: F401
        from backups.instances import site_paths
        from backups.management import roles
        from backups.notifications import recording
        from backups.runs.registry import record_with, register
        from backups.service.archives import exposure, untrusted
        from backups.service.archives.trees import lists as tree_lists  # noqa: F401
        from backups.service.automation import schedules
        from backups.service.backup import kind as backup
        from backups.service.copying import kind as copying
        from backups.service.drill import run as drill
        from backups.service.drops import episodes
        from backups.service.monitoring import history  # noqa: F401
        from backups.service.restore import run as restore
        from backups.service.retention import rule_change, stored
        from backups.worker import tasks, tick  # noqa: F401
        from destinations import providers

        providers.add_warning_provider(site_paths.overlap_warnings)
        providers.add_warning_provider(exposure.exposure_warnings)
        providers.add_warning_provider(rule_change.rule_warnings)
        providers.add_archive_counter(stored.archives_at)
        providers.add_use_provider(stored.uses_of)
        providers.add_failure_receiver(untrusted.report_untrusted)
        post_migrate.connect(roles.make_groups, sender=self, dispatch_uid="backups.management.roles")
        # with what is called at the end of each run, in this order
        register(
            backup.BACKUP,
            backup.record_at_destination,
            schedules.record_result,
            episodes.report_drop,
            tasks.start_next,
        )
        register(restore.RESTORE, tasks.start_next)
        register(drill.DRILL, tasks.start_next)
        register(copying.COPY, tasks.start_next)
        record_with(backup.BACKUP, claim=recording.backup_began, end=recording.backup_ended)
        record_with(restore.RESTORE, claim=recording.restore_began, end=recording.restore_ended)
