"""The groups that a site starts with: what is in them, and that each is made once."""

import re

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext

from backups.management.roles import ROLES, make_groups
from backups.models import StartingGroup
from tests.support.paths import PROJECT

pytestmark = pytest.mark.django_db
NAMES = list(ROLES)


def labels_of(group: str) -> set[str]:
    rows = Permission.objects.filter(group__name=group).values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def documented() -> dict[str, set[str]]:
    """Return the groups of each permission in the table of docs/security.md."""
    page = (PROJECT / "docs" / "security.md").read_text()
    table = page[page.index("| Permission | Allows | Groups |") : page.index("### The groups of a new site")]
    found = {}
    for row in re.findall(r"^\| (`.*) \|$", table, flags=re.MULTILINE):
        permissions, _, groups = row.split(" | ")
        words = {"all": [name.split()[1] for name in NAMES], "none": []}.get(groups, groups.split(", "))
        for permission in re.findall(r"`([^`]+)`", permissions):
            assert permission not in found
            found[permission] = {f"Backup {word}" for word in words}
    return found


def test_a_migrated_database_has_the_groups_of_the_documented_table() -> None:
    table = documented()
    assert set(Group.objects.values_list("name", flat=True)) == set(NAMES)
    for name in NAMES:
        assert labels_of(name) == {permission for permission, groups in table.items() if name in groups}, name
        assert labels_of(name) == set(ROLES[name]), name
    rows = Permission.objects.exclude(content_type__model="permission").filter(
        content_type__app_label__in=["backups", "destinations", "auth"]
    )
    assert {f"{row.content_type.app_label}.{row.codename}" for row in rows} == set(table)


def test_what_a_deployer_changed_renamed_or_deleted_stays_so() -> None:
    viewers, operators, restorers = (Group.objects.get(name=name) for name in NAMES[:3])
    viewers.permissions.clear()
    Group.objects.filter(pk=operators.pk).update(name="Night shift")
    restorers.delete()
    make_groups(DEFAULT_DB_ALIAS)
    assert labels_of(NAMES[0]) == set()
    assert sorted(Group.objects.values_list("name", flat=True)) == sorted(["Night shift", NAMES[0], *NAMES[3:]])


def test_a_group_of_the_same_name_that_was_there_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "backups")
    StartingGroup.objects.all().delete()
    Group.objects.exclude(name=NAMES[1]).delete()
    Group.objects.get(name=NAMES[1]).permissions.set(Permission.objects.filter(codename="view_notice"))
    make_groups(DEFAULT_DB_ALIAS)
    assert labels_of(NAMES[1]) == {"backups.view_notice"}
    assert all(labels_of(name) == set(ROLES[name]) for name in NAMES if name != NAMES[1])
    assert [record.args[0].split()[0] for record in caplog.records].count("group.kept") == 1  # type: ignore[index, union-attr]


def test_permissions_that_do_not_exist_yet_are_made_first() -> None:
    # as in a new database: those of the apps after this one come later
    StartingGroup.objects.all().delete()
    Group.objects.all().delete()
    Permission.objects.all().delete()
    make_groups(DEFAULT_DB_ALIAS)
    assert all(labels_of(name) == set(ROLES[name]) for name in NAMES)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        make_groups(DEFAULT_DB_ALIAS)
    assert len(queries) == 1


def test_a_group_waits_until_every_app_is_migrated() -> None:
    StartingGroup.objects.all().delete()
    Group.objects.all().delete()
    Permission.objects.filter(content_type__app_label="destinations").delete()
    loader = MigrationLoader(connection)
    # `migrate backups` alone, in a database without destinations' last migrations
    state = loader.project_state()
    state.models["destinations", "backupdestination"].options |= {"permissions": (), "default_permissions": ()}
    make_groups(DEFAULT_DB_ALIAS, state.apps)
    assert set(Group.objects.values_list("name", flat=True)) == {NAMES[0], NAMES[2]}
    make_groups(DEFAULT_DB_ALIAS, loader.project_state([("backups", "0001_initial")]).apps)
    make_groups(DEFAULT_DB_ALIAS, apps)
    assert set(Group.objects.values_list("name", flat=True)) == set(NAMES)
