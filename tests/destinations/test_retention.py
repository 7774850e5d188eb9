"""The rule of a destination: its columns, its form, its command, and the default of the site."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError
from django.test import Client
from pytest_django import Settings

from destinations.models import BackupDestination
from destinations.policies.retention_rule import RetentionError, Rule
from tests.support.pages.parsed import page_at

pytestmark = pytest.mark.django_db
EDIT = ("view_backupdestination", "add_backupdestination", "change_backupdestination")


def nas(**columns: Any) -> BackupDestination:
    return BackupDestination(name="nas", type="local", config_json={"path": "nas"}, **columns)


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({}, None),
        ({"retention_days": 30}, Rule(strategy="simple", keep_days=30)),
        ({"retention_days": 30, "min_keep": 1}, Rule(strategy="simple", keep_days=30, min_keep=1)),
        ({"retention_strategy": "none"}, None),
        ({"retention_strategy": "simple", "keep_count": 5}, Rule(strategy="simple", keep_count=5)),
        (
            {"retention_strategy": "gfs", "keep_daily": 7, "keep_weekly": 4, "keep_monthly": 0, "min_keep": 5},
            Rule(strategy="gfs", keep_daily=7, keep_weekly=4, min_keep=5),
        ),
        ({"retention_strategy": "hanoi"}, Rule(strategy="hanoi")),
        ({"retention_strategy": "hanoi", "retention_days": 900}, Rule(strategy="hanoi", keep_days=900)),
    ],
    ids=str,
)
def test_the_columns_of_a_destination_are_its_rule(columns: dict[str, Any], rule: Rule | None) -> None:
    destination = nas(**columns)
    destination.full_clean()
    destination.save()
    assert BackupDestination.objects.get().rule() == rule


@pytest.mark.parametrize(
    ("columns", "field", "message"),
    [
        (
            {"retention_strategy": "gfs"},
            "retention_strategy",
            "'gfs' has no number to go by. Give at least one of: keep",
        ),
        (
            {"retention_strategy": "gfs", "keep_daily": 7, "retention_days": 30},
            "retention_days",
            "keep_days has no effect",
        ),
        ({"retention_strategy": "simple", "keep_count": 5, "keep_weekly": 2}, "keep_weekly", "has no effect in the"),
        (
            {"keep_count": 5},
            "keep_count",
            "keep_count has no effect without a retention strategy. Choose one of simple",
        ),
        ({"min_keep": 5}, "min_keep", "has no effect without a retention strategy"),
        ({"retention_strategy": "none", "keep_yearly": 2}, "keep_yearly", "has no effect without a retention strategy"),
        ({"retention_days": 3651}, "retention_days", "less than or equal to 3650"),
        ({"retention_days": 30, "min_keep": 0}, "min_keep", "greater than or equal to 1"),
    ],
    ids=str,
)
def test_a_rule_that_cannot_be_meant_is_refused_at_its_field(columns: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        nas(**columns).full_clean()
    assert message in " ".join(refused.value.message_dict[field])


@pytest.mark.parametrize(
    "columns",
    [
        {"retention_strategy": "sometimes"},
        {"retention_strategy": "gfs"},
        {"retention_strategy": "simple"},
        {"retention_strategy": "gfs", "keep_daily": 7, "retention_days": 30},
        {"retention_strategy": "hanoi", "keep_count": 3},
        {"retention_strategy": "simple", "keep_count": 3, "keep_daily": 1},
        {"retention_strategy": "none", "retention_days": 3},
        {"retention_days": 30, "min_keep": 0},
        {"retention_strategy": "gfs", "keep_daily": 40_000},
    ],
    ids=str,
)
def test_the_database_refuses_a_rule_that_another_program_wrote_wrong(columns: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        nas(**columns).save()


def test_a_destination_without_a_rule_follows_the_site(settings: Settings) -> None:
    settings.BACKUP_RETENTION = {"strategy": "gfs", "keep_daily": 7, "keep_days": None, "min_keep": 4}
    assert nas().rule() == Rule(strategy="gfs", keep_daily=7, min_keep=4)
    assert nas(retention_days=9).rule() == Rule(strategy="simple", keep_days=9)
    assert nas(retention_strategy="none").rule() is None


def test_without_settings_everything_is_kept_for_ever(settings: Settings) -> None:
    assert set(settings.BACKUP_RETENTION.values()) == {"", None}
    assert nas().rule() is None


def test_a_mistake_in_the_rule_of_the_site_is_a_system_check(settings: Settings) -> None:
    settings.BACKUP_RETENTION = {"strategy": "gfs", "keep_days": 7}
    found = [message for message in run_checks() if message.id == "destinations.E007"]
    assert [message.msg for message in found] == [
        "The BACKUP_RETENTION_* settings are no rule: keep_days has no effect in the retention strategy 'gfs'."
    ]
    assert found[0].hint and "BACKUP_RETENTION_DAYS" in found[0].hint
    with pytest.raises(RetentionError):
        nas().rule()


def test_the_form_takes_a_rule_and_shows_a_mistake_at_its_field(
    backup_root: Path, staff: Callable[..., Client]
) -> None:
    client, add = staff(*EDIT), "/admin/destinations/backupdestination/add/?type=local"
    data = {"name": "nas", "enabled": "on", "retention_strategy": "gfs", "retention_days": "30", "keep_daily": "7"}
    response = client.post(add, data)
    assert response.status_code == 200
    form = response.context["adminform"].form
    assert "keep_days has no effect in the retention strategy" in form.errors["retention_days"][0]
    assert not BackupDestination.objects.exists()
    assert client.post(add, data | {"retention_days": "", "keep_weekly": "4"}).status_code == 302
    assert BackupDestination.objects.get().rule() == Rule(strategy="gfs", keep_daily=7, keep_weekly=4)
    (row,) = page_at(client, "/admin/destinations/backupdestination/").listed()
    assert row.one(class_="field-retention").text == "gfs: 7 daily, 4 weekly"


def test_the_list_shows_a_broken_rule_of_the_site_instead_of_failing(
    backup_root: Path, staff: Callable[..., Client], settings: Settings
) -> None:
    nas().save()
    settings.BACKUP_RETENTION = {"strategy": "sometimes"}
    (row,) = page_at(staff(*EDIT), "/admin/destinations/backupdestination/").listed()
    assert "'sometimes' is unknown" in row.one(class_="field-retention").text


def test_the_command_takes_a_rule_and_refuses_a_wrong_one(backup_root: Path) -> None:
    with pytest.raises(CommandError, match="keep_daily: keep_daily has no effect in the retention strategy 'simple'"):
        call_command("adddestination", "nas", "--type=local", "--retention-days=3", "--keep-daily=3")
    call_command("adddestination", "nas", "--type=local", "--retention-strategy=gfs", "--keep-daily=3", "--min-keep=1")
    assert BackupDestination.objects.get().rule() == Rule(strategy="gfs", keep_daily=3, min_keep=1)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule(strategy="simple", keep_days=30, keep_count=5), "simple: 30 days, the newest 5"),
        (Rule(strategy="simple", keep_days=1), "simple: 1 day"),
        (Rule(strategy="gfs", keep_daily=7, keep_yearly=2), "gfs: 7 daily, 2 yearly"),
        (Rule(strategy="hanoi"), "hanoi"),
    ],
)
def test_a_rule_says_in_a_line_what_it_keeps(rule: Rule, text: str) -> None:
    assert str(rule) == text
