"""Searches, filters, page numbers and ids that no one should type: every page answers them, none is an error 500."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from django.contrib.admin.sites import site
from django.test import Client
from django.urls import reverse

from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import a_restore
from tests.support.pages.schedule_pages import a_schedule
from tests.support.rows import a_drill, an_execution

pytestmark = pytest.mark.django_db
MANY_WORDS = " ".join(f"w{number}" for number in range(1_500))
ODD = ("\0", "9" * 400, "9" * 5_000, str(2**63), "-1", "x" * 20_000, "2026-13-45", "99999-01-01", "\u0664", "'\"")
# what the lists of these pages filter by, and what anybody may write instead
PARAMETERS = (
    "q", "p", "o", "status__exact", "instance", "created_at__year", "created_at__gte", "pk__in",
    "destination__id__exact", "nonsense", "_to_field",
)  # fmt: skip


def lists() -> Iterator[str]:
    for model in site._registry:
        yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.fixture
def rows(admin: Client) -> Client:
    backup = an_execution("shop")
    a_drill(backup)
    a_restore("shop", execution=backup)
    a_schedule()
    return admin


def test_a_search_of_too_many_words_says_so_in_every_list(rows: Client) -> None:
    addresses = list(lists())
    assert len(addresses) >= 7
    for address in addresses:
        page = page_at(rows, f"{address}?q={quote(MANY_WORDS)}")
        assert "1,500 words" in page.message("error"), address
        assert page.listed() == []
    assert rows.get("/admin/autocomplete/", {"term": MANY_WORDS, "app_label": "auth", "model_name": "user",
                                             "field_name": "groups"}).status_code == 200  # fmt: skip


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_no_parameter_of_a_list_breaks_it(parameter: str, rows: Client) -> None:
    values = ("-1", "x" * 20_000, "2026-13-45")
    for number, address in enumerate(lists(), PARAMETERS.index(parameter)):
        # one code answers all lists: each value meets each list and each parameter, the longest all pairs of them
        for value in ("9" * 400, values[number % len(values)]):
            response = rows.get(f"{address}?{parameter}={quote(value)}")
            assert response.status_code < 500, (address, value[:20])


def test_a_filter_that_does_not_fit_says_that_the_whole_list_is_shown(rows: Client) -> None:
    for query in (f"created_at__year={'9' * 400}", "nonsense=1", "created_at__year=0"):
        page = page_at(rows, f"{reverse('admin:backups_backupschedule_changelist')}?{query}")
        assert page.messages() == ["error"]
        assert len(page.listed()) == 1


@pytest.mark.parametrize("value", [*ODD, "a\0b", "_3D", "..%2f.."])
def test_no_id_breaks_a_page(value: str, rows: Client) -> None:
    pk = quote(value[:3_000], safe="%")
    for number, model in enumerate(site._registry, ODD.index(value) if value in ODD else 0):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        # the other pages look the row up by the same code: each value meets both, and each model
        for action in ("change", ("history", "delete")[number % 2]):
            address = reverse(f"{name}_{action}", args=["ID"]).replace("ID", pk)
            assert rows.get(address).status_code < 500, address[:90]
    for name in ("restore", "delete_archive", "pin", "status"):
        address = reverse(f"admin:backups_backupexecution_{name}", args=["ID"]).replace("ID", pk)
        assert rows.get(address).status_code < 500, name
    for name in ("backups_instance", "destinations_backupdestination_retention"):
        assert rows.get(reverse(f"admin:{name}", args=["ID"]).replace("ID", pk)).status_code < 500, name


@pytest.mark.parametrize("value", ODD)
def test_no_parameter_of_a_page_breaks_it(value: str, rows: Client) -> None:
    backup = an_execution("shop")
    retention = reverse("admin:destinations_backupdestination_retention", args=[backup.destination_id])
    restore = reverse("admin:backups_backupexecution_restore", args=[backup.pk])
    entries = reverse("admin:backups_backupexecution_restore_entries", args=[backup.pk])
    for address in (
        f"{retention}?page=",
        f"{restore}?into=",
        f"{entries}?first=",
        f"{reverse('admin:backups_backupexecution_start')}?instance=",
        f"{reverse('admin:backups_backupexecution_statuses')}?ids=",
        f"{reverse('admin:backups_backupschedule_preview')}?type=interval&time_zone=UTC&expression=hours:",
        f"{reverse('admin:backups_backupschedule_preview')}?type=cron&expression=0+2+*+*+*&time_zone=",
        f"{reverse('admin:backups_backupschedule_add')}?destination=",
        f"{reverse('admin:destinations_backupdestination_add')}?type=local&retention_days=",
        f"{reverse('admin:backups_time_zone')}?next=",
    ):
        assert rows.get(address + quote(value)).status_code < 500, address


def test_a_null_character_is_refused_before_it_reaches_the_database(rows: Client) -> None:
    assert rows.get("/admin/backups/instances/a%00b/").status_code == 400
    assert rows.get("/admin/backups/backupexecution/?q=a%00b").status_code == 400
