from django.apps import AppConfig
from django.db.models.signals import post_migrate

from destinations.lib.later import Later


class BackupsConfig(AppConfig):
    name = "backups"
    verbose_name = "Backups"

    def ready(self) -> None:
        # these need the models. What is given as a path is imported when it is called: a command imports what it uses
        from backups import models, signals
        from backups.checks import register_checks
        from backups.runs.registry import register
        from destinations import providers
        from destinations.secrets import secrets_rotated

        register_checks()
        providers.add_warning_provider(Later("backups.instances.site_paths.overlap_warnings"))
        providers.add_warning_provider(Later("backups.service.archives.exposure.exposure_warnings"))
        providers.add_warning_provider(Later("backups.service.retention.rule_change.rule_warnings"))
        providers.add_archive_counter(Later("backups.service.retention.stored.archives_at"))
        providers.add_use_provider(Later("backups.service.retention.stored.uses_of"))
        providers.add_failure_receiver(Later("backups.service.archives.untrusted.report_untrusted"))
        for signal, path in (
            (post_migrate, "backups.management.roles.make_groups"),
            (post_migrate, "backups.worker.tick.ensure_tick"),
            (post_migrate, "backups.service.monitoring.history.index_for_search"),
            (secrets_rotated, "backups.service.archives.trees.lists.reseal_lists"),
            (secrets_rotated, "backups.notifications.channels.reseal_channels"),
            (signals.host_key_changed, "backups.notifications.recording.record_host_key"),
        ):
            sender = self if signal is post_migrate else None
            # nothing else holds the receiver
            signal.connect(Later(path), sender=sender, weak=False, dispatch_uid=path)
        # with what is called at the end of each run, in this order
        start_next = Later("backups.worker.tasks.start_next")
        register(models.BackupExecution, "backups.service.backup.kind.BACKUP").add(
            after_end=[
                Later("backups.service.backup.kind.record_at_destination"),
                Later("backups.service.automation.schedules.record_result"),
                Later("backups.service.drops.episodes.report_drop"),
                start_next,
            ],
            with_claim=[Later("backups.notifications.recording.backup_began")],
            with_end=[Later("backups.notifications.recording.backup_ended")],
        )
        register(models.RestoreExecution, "backups.service.restore.run.RESTORE").add(
            after_end=[start_next],
            with_claim=[Later("backups.notifications.recording.restore_began")],
            with_end=[Later("backups.notifications.recording.restore_ended")],
        )
        register(models.DrillExecution, "backups.service.drill.run.DRILL").add(after_end=[start_next])
        register(models.CopyExecution, "backups.service.copying.kind.COPY").add(after_end=[start_next])
