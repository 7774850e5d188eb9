"""System checks of settings, instances.toml and the state of the site: a new one is one function and one line here.

They are imported when checks run: most commands run none.
"""

from django.core.checks import Tags, register

from destinations.lib.later import Later

CHECKS = (
    "cadences.check_custom_cadences",
    "compression.check_compression",
    "drops.check_growth",
    "drops.check_percent",
    "instances.described.check_databases_in_use",
    "instances.described.check_declarations",
    "instances.described.check_instances_file",
    "instances.described.check_restorable",
    "instances.described.check_sources",
    "instances.site_paths.check_own_places",
    "instances.this_site.check_unfinished",
    "keys.configured.check_keys",
    "log_file.check_log_file",
    "monitoring.check_token",
    "notifications.check_settings",
    "restores.check_unrecorded",
)
# with `check --database`
CHECKS_OF_ROWS = (
    "cadences.check_destinations_of_schedules",
    "cadences.check_scopes_of_schedules",
    "copies.check_copies",
    "drops.check_drops",
    "instances.described.check_gone",
    "instances.site_paths.check_destination_places",
    "instances.this_site.check_this_site",
    "keys.policy.check_sealing",
    "keys.use.check_signing_keys",
    "notifications.check_mail",
    "restores.check_half_restored",
    "retention.check_rules",
    "workers.check_workers",
)
# of a worker, before it starts
CHECKS_OF_QUEUE = ("database.check_database", "queue.check_cluster", "queue.check_own_settings")
# with `check --deploy`
CHECKS_OF_DEPLOYMENT = ("keys.use.check_archives",)


def register_checks() -> None:
    for path in CHECKS:
        register(_later(path))
    for path in CHECKS_OF_ROWS:
        register(_later(path), Tags.database)
    for path in CHECKS_OF_QUEUE:
        register(_later(path), "queue")
    for path in CHECKS_OF_DEPLOYMENT:
        register(_later(path), deploy=True)


def _later(path: str) -> Later:
    return Later(f"backups.checks.{path}")
