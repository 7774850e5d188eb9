"""The list of backups by destination: any copy counts, and an index finds it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.support.call_commands import command
from tests.support.pages.admin_pages import LIST
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db


def test_a_backup_is_listed_at_every_destination_that_it_was_made_for() -> None:
    first, second, third = (a_destination(name) for name in ("nas", "offsite", "vault"))
    both, only, lost, gone = (an_execution(destination=first) for _ in range(4))
    a_copy(both, second)
    a_copy(lost, second, state="failed", path="", sha256="")
    a_copy(gone, second, state="deleted")
    failed = an_execution(destination=second, status="failed", backup_path="")
    deleted = an_execution(destination=third, deleted_at=timezone.now(), deleted_by="retention")
    client = a_client(VIEW)

    def shown(destination: object, **more: str) -> set[str]:
        query = "&".join([f"destination__id__exact={destination}", *(f"{key}={value}" for key, value in more.items())])
        return set(page_at(client, f"{LIST}?{query}").listed_runs())

    assert shown(first.pk) == {both.pk, only.pk, lost.pk, gone.pk}
    assert shown(second.pk) == {both.pk, lost.pk, failed.pk}
    assert shown(second.pk, status__exact="failed") == {failed.pk}
    assert shown(third.pk) == {deleted.pk}
    assert shown("nonsense") == set()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plan is read as SQLite writes it")
def test_the_copies_of_a_long_history_are_found_by_an_index() -> None:
    client, destination = a_client(VIEW), an_execution().destination
    with CaptureQueriesContext(connection) as queries:
        client.get(f"{LIST}?destination__id__exact={destination.pk}")
    rows = next(query["sql"] for query in queries if "LIMIT" in query["sql"] and "backup_copies" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {rows}")
        plan = [str(line[3]) for line in cursor.fetchall()]
    assert any("INDEX execution_destination (destination_id=?)" in line for line in plan), plan
    assert any("U0 USING INDEX copy_" in line and "(destination_id=?)" in line for line in plan), plan
    assert not any("SCAN" in line for line in plan), plan


def test_the_table_of_copies_has_checksum_size_and_encryption_of_each() -> None:
    backup = an_execution(destination=a_destination())
    a_copy(backup, a_destination("offsite"), sha256="b" * 64, size_bytes=77, encryption="age")
    page = page_at(a_client(VIEW), f"{LIST}{backup.pk}/change/")
    plain, sealed = page.row("nas"), page.row("offsite")
    assert plain.one(data_field="copy_sha256").text == backup.archive_sha256
    assert plain.one(data_field="copy_encryption")["data-value"] == ""
    assert sealed.one(data_field="copy_sha256").text == "b" * 64
    assert sealed.one(data_field="copy_encryption")["data-value"] == "age"
    assert sealed.one(data_field="copy_size_bytes")["data-value"] == "77"


def test_the_history_of_a_deleted_destination_is_filtered_by_its_name() -> None:
    vault, nas = a_destination("vault"), a_destination()
    gone = an_execution(destination=vault, deleted_at=timezone.now(), deleted_by="retention")
    an_execution(destination=nas)
    vault.remove()
    page = page_at(a_client(VIEW), f"{LIST}?destination__id__exact={vault.pk}")
    assert page.listed_runs() == [gone.pk]
    assert "vault (deleted)" in page.text
    assert [row["id"] for row in command("listbackups", "--destination", "vault", "--json").data] == [gone.pk]
