"""The form, the list and the pages of a schedule that covers several instances."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from backups.models import BackupExecution, BackupSchedule
from backups.service.schedules.coverage import cover
from backups.service.schedules.planning import next_runs
from tests.support.pages.parsed import page_at
from tests.support.pages.schedule_pages import ADD, EDIT, LIST, PREVIEW, RUN, SEE, a_schedule, typed, url
from tests.support.rows import VIEW, a_client, a_destination

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def instances(settings: Settings, tmp_path: object) -> dict[str, Any]:
    """Describe three instances; return their tables, which a test may change."""
    component = {"orders": {"kind": "sqlite", "path": "o.db"}}
    table = {"kind": "generic", "root": str(tmp_path), "components": component}
    labels = {"blog": [], "shop": ["net", "web"], "wiki": ["net"]}
    settings.BACKUP_INSTANCES = {name: table | {"labels": given} for name, given in labels.items()}
    tables: dict[str, Any] = settings.BACKUP_INSTANCES
    return tables


@pytest.fixture
def wide() -> BackupSchedule:
    row = a_schedule(scope="label", label="net", instance="")
    cover("backups")
    return row


def part(instance: str) -> BackupSchedule:
    return BackupSchedule.objects.get(instance=instance, parent__isnull=False)


def covered(row: BackupSchedule) -> set[str]:
    return {one.instance for one in row.parts.filter(left_at=None)}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"scope": "label", "label": "net"}, {"shop", "wiki"}),
        ({"scope": "all"}, {"blog", "shop", "wiki"}),
        ({"scope": "instances", "instances": ["blog", "wiki"]}, {"blog", "wiki"}),
        ({"scope": "instance"}, set()),
    ],
)
def test_the_form_adds_a_schedule_for_what_is_chosen(fields: dict[str, Any], expected: set[str]) -> None:
    vault = a_destination("vault")
    a_client("add_backupschedule", SEE).post(ADD, typed() | fields | {"also_to": [vault.pk]})
    row = BackupSchedule.objects.whole().get()
    assert (row.scope, covered(row)) == (fields["scope"], expected)
    for one in row.parts.all():
        assert [place.name for place in one.destinations] == ["nas", "vault"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scope": "label"}, "label"),
        ({"scope": "label", "label": "cloud"}, "label"),
        ({"scope": "instances"}, "instances"),
        ({"scope": "instances", "instances": ["bar"]}, "instances"),
        ({"scope": "many"}, "scope"),
        ({"instance": ""}, "instance"),
    ],
)
def test_what_covers_nothing_is_refused_at_its_field(fields: dict[str, Any], field: str) -> None:
    page = page_at(a_client("add_backupschedule"), ADD, typed() | fields)
    assert list(page.faults()) == [field]
    assert not BackupSchedule.objects.exists()


def test_a_name_that_is_taken_is_refused_at_its_field(wide: BackupSchedule) -> None:
    assert list(page_at(a_client("add_backupschedule"), ADD, typed()).faults()) == ["name"]


def test_the_form_changes_what_is_covered_and_a_label_that_is_gone_keeps_nothing_else(
    wide: BackupSchedule, instances: dict[str, Any]
) -> None:
    client = a_client(EDIT)
    for table in instances.values():
        table["labels"] = []
    client.post(url(wide), typed(scope="label", label="net", expression="0 3 * * *"))
    wide.refresh_from_db()
    assert wide.expression == "0 3 * * *"
    client.post(url(wide), typed(scope="instance", instance="wiki"))
    wide.refresh_from_db()
    assert (wide.scope, wide.instance, wide.label, covered(wide)) == ("instance", "wiki", "", set())
    client.post(url(wide), typed(scope="all"))
    assert covered(wide) == {"blog", "shop", "wiki"}


@pytest.mark.parametrize(
    ("query", "covers", "has_problem"),
    [
        ("scope=label&label=net", ["shop", "wiki"], False),
        ("scope=all", ["blog", "shop", "wiki"], False),
        ("scope=instances&instances=wiki&instances=blog", ["blog", "wiki"], False),
        ("scope=label&label=cloud", [], True),
        ("scope=x", [], True),
    ],
)
def test_the_preview_names_what_would_be_covered(query: str, covers: list[str], has_problem: bool) -> None:
    answer = a_client("add_backupschedule").get(f"{PREVIEW}?type=manual&time_zone=UTC&{query}").json()
    assert (answer["covers"], bool(answer["covers_problem"])) == (covers, has_problem)


def test_the_list_has_it_once_with_its_number_of_instances(wide: BackupSchedule, instances: dict[str, Any]) -> None:
    client = a_client(SEE)
    (row,) = page_at(client, LIST).listed()
    assert row.field("instance").text == "label net: 2 instances now"
    assert row.field("state").status == "safe"
    assert row.facts("next_run") == {"next_run": next_runs(wide, 1)[0].isoformat()}
    wide.parts.filter(instance="wiki").update(consecutive_failures=2)
    (row,) = page_at(client, LIST).listed()
    assert (row.field("state").status, row.field("state").text) == ("failing", "Failing 1 of 2")
    for query, number in (("?instance=wiki", 1), ("?instance=blog", 0), ("?q=wiki", 1), ("?q=net", 1)):
        assert len(page_at(client, LIST + query).listed()) == number
    for table in instances.values():
        table["labels"] = []
    cover("backups")
    (row,) = page_at(client, LIST).listed()
    assert (row.field("state").status, row.field("state").text) == ("failing", "Covers no instance")


def test_its_page_has_each_instance_with_its_buttons_and_a_link_to_a_part_leads_there(
    wide: BackupSchedule, instances: dict[str, Any]
) -> None:
    instances["wiki"]["labels"] = []
    cover("backups")
    client = a_client(SEE, RUN)
    page = page_at(client, url(wide))
    rows = {name: page.row(name) for name in ("shop", "wiki")}
    assert {name: row.field("state").status for name, row in rows.items()} == {"shop": "safe", "wiki": "left"}
    assert {name: row.actions() for name, row in rows.items()} == {"shop": {"run", "pause"}, "wiki": {"forget"}}
    # not of the form of the schedule, where the Enter key would press the first of them
    buttons = [button for row in rows.values() for button in row.all("button")]
    assert {button.get("form") for button in buttons} == {"bs-part"}
    assert [form.get("method") for form in page.all("form") if form.get("id") == "bs-part"] == ["post"]
    assert client.get(url(part("shop"))).headers["Location"] == url(wide)
    client.post(url(part("wiki"), "forget"))
    assert not wide.parts.filter(instance="wiki").exists()
    assert client.post(url(part("shop"), "forget")).headers["Location"] == url(wide)
    assert wide.parts.filter(instance="shop").exists()


def test_run_now_is_for_all_of_them_or_for_one(wide: BackupSchedule) -> None:
    client = a_client(SEE, RUN)
    assert page_at(client, url(part("wiki"), "run"), {}).messages() == ["success"]
    assert list(BackupExecution.objects.values_list("instance", flat=True)) == ["wiki"]
    page = page_at(client, url(wide, "run"), {})
    assert page.messages() == ["success"]
    assert sorted(BackupExecution.objects.values_list("instance", flat=True)) == ["shop", "wiki"]


def test_its_instance_page_pauses_it_for_that_instance_only(wide: BackupSchedule) -> None:
    client = a_client(VIEW, SEE, RUN)
    address = reverse("admin:backups_instance", args=["wiki"])
    assert "pause" in page_at(client, address).actions()
    client.post(reverse("admin:backups_instance_schedules", args=["wiki"]), {"action": "pause"})
    assert (part("wiki").enabled, part("shop").enabled) == (False, True)
    page = page_at(client, address)
    assert "resume" in page.actions()
    assert "paused-here" in page.flags()
    client.post(reverse("admin:backups_instance_schedules", args=["wiki"]), {"action": "resume"})
    assert part("wiki").enabled
    notes = LogEntry.objects.filter(object_id=wide.pk).order_by("pk").values_list("change_message", flat=True)
    assert list(notes) == ["Paused for wiki.", "Resumed for wiki."]


def test_who_may_only_look_sees_what_it_covers_and_no_button(wide: BackupSchedule) -> None:
    page = page_at(a_client(SEE), url(wide))
    assert page.row("wiki").actions() == set()
    assert a_client(SEE, name="carol").post(url(part("wiki"), "forget")).status_code == 403


def test_it_is_deleted_with_its_parts_and_its_runs_stay(wide: BackupSchedule) -> None:
    client = a_client(SEE, RUN, "delete_backupschedule")
    client.post(url(wide, "run"))
    client.post(LIST, {"action": "delete_selected", "_selected_action": [wide.pk], "post": "yes"})
    assert not BackupSchedule.objects.exists()
    assert list(BackupExecution.objects.values_list("schedule", flat=True)) == [None, None]


def test_the_front_page_is_filtered_by_a_label(admin_client: Client) -> None:
    def shown(query: str) -> set[str]:
        page = page_at(admin_client, f"/admin/{query}")
        return {"blog", "shop", "wiki"} & set(page.rows())

    assert shown("") == {"blog", "shop", "wiki"}
    assert shown("?label=net") == {"shop", "wiki"}
    assert shown("?label=web&q=s") == {"shop"}
    assert shown("?label=cloud") == {"blog", "shop", "wiki"}


def test_the_page_of_an_instance_has_its_labels(admin_client: Client) -> None:
    page = page_at(admin_client, reverse("admin:backups_instance", args=["shop"]))
    assert page.field("labels").text == "net, web"
