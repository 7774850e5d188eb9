"""Lists on PostgreSQL: searches with a trigram index, and figures from generated columns."""

import json
from pathlib import Path

from tests.support.sites.postgres_server import Postgres
from tests.support.sites.worker_site import Site, make_home

INDEXES = "SELECT indexdef FROM pg_indexes WHERE indexname = 'execution_search'"
LOOK = """
import json
from datetime import timedelta
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from backups.admin.backups.changelist import BackupAdmin
from backups.models import BackupExecution
from backups.service.retention.plan import plan_prune
from destinations.models import BackupDestination
from tests.support.pages.parsed import page_at
from tests.support.rows import recopied
nas, now = BackupDestination.objects.get(), timezone.now()
for number in range(9):
    at = now - timedelta(hours=number)
    name = f"backup-shop-{number % 3}-{at:%Y%m%d-%H%M%S}-manual.tar.gz"
    BackupExecution.objects.create(
        id=f"0000000{number}-0000-4000-8000-000000000000", instance=f"shop-{number % 3}", destination=nas,
        triggered_by="tests", comment="Vor dem Umbau" if number == 7 else "", status="completed",
        created_at=at, started_at=at, completed_at=at, backup_filename=name, backup_path=name,
        archive_sha256=f"{number:064x}", manifest_json={"backup_metadata": {"timestamp_utc": at.isoformat()}},
    )
recopied()
client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.create_superuser("admin"))
BackupAdmin.list_per_page = 4
def shown(query):
    return "".join(pk[7] for pk in page_at(client, "/admin/backups/backupexecution/" + query).listed_runs())
entries = plan_prune(nas, now).entries
print(json.dumps({
    "pages": [shown(f"?p={number}") for number in (1, 2, 3)],
    "by instance": [shown(f"?o=1&p={number}") for number in (1, 2, 3)],
    "search": [shown(f"?q={words}") for words in ("umbau", "shop-1", "00000005-0000-4000-8000-000000000000", "none")],
    "dated": sum(entry.taken_at is not None for entry in entries),
    "instances": sorted(page_at(client, "/admin/backups/backupexecution/").filter_links("instance")),
}))
"""


def test_pages_searches_and_retention_are_right_on_postgresql(postgres_site: Site) -> None:
    assert "gin" in postgres_site.rows(INDEXES)[0][0]
    found = json.loads(postgres_site.python(LOOK))
    assert found["pages"] == ["0123", "4567", "8"]
    assert found["by instance"] == ["6307", "4185", "2"]
    assert found["search"] == ["7", "147", "5", ""]
    assert (found["dated"], found["instances"]) == (9, ["shop-0", "shop-1", "shop-2"])


def test_a_database_user_who_may_create_no_extension_gets_a_site_that_searches_slowly(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.create("no_extension")
    postgres.query("no_extension", "CREATE ROLE plain LOGIN; GRANT ALL ON SCHEMA public TO plain")
    site = make_home(tmp_path / "home", DATABASE_URL=url.replace("//site@", "//plain@"))
    assert site.rows(INDEXES) == []
    assert "search.not-indexed" in site.log()
    assert "postgresql-contrib" in site.log()
    assert json.loads(site.python(LOOK))["search"] == ["7", "147", "5", ""]

    postgres.query("no_extension", "CREATE EXTENSION pg_trgm")
    site.manage("migrate", "--verbosity", "0")
    assert len(site.rows(INDEXES)) == 1
