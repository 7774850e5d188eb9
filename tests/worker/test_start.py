"""The start of a worker: it syncs what services declare, and runs the backups declared for the start."""

from tests.support.sites.worker_site import TINY, Site, eventually

DECLARED = """
[shop.backup]
create_on_startup = true

[shop.backup.schedules.nightly]
destination = "nas"
schedule = "0 2 * * *"
"""


def declare(site: Site) -> None:
    (site.home / "instances.toml").write_text("[shop]\n" + TINY.format(root=site.shop()) + DECLARED)


def backups(site: Site) -> list[tuple[str, str]]:
    return site.rows("SELECT kind, status FROM backup_executions")  # type: ignore[return-value]


def test_a_worker_that_starts_syncs_what_is_declared_and_makes_the_backup_that_is_asked_for(site: Site) -> None:
    declare(site)
    site.worker()
    eventually(lambda: backups(site) == [("startup", "completed")])
    assert site.rows("SELECT name, enabled, managed_by FROM backup_schedules") == [
        ("shop-nightly", 1, "configuration of shop")
    ]


def test_a_worker_that_starts_again_soon_makes_no_second_one(site: Site) -> None:
    declare(site)
    worker = site.worker()
    eventually(lambda: backups(site) == [("startup", "completed")])
    worker.process.terminate()
    assert worker.ended() == 0
    site.worker()
    eventually(lambda: site.rows("SELECT 1 FROM django_q_task WHERE name LIKE 'start_up %'")[1:])
    assert backups(site) == [("startup", "completed")]
