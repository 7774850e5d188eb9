"""The groups that a site starts with, made after its migrations: permissions exist only then."""

from typing import Any

from django.apps import apps as installed
from django.contrib.auth import get_user_model
from django.contrib.auth.management import create_permissions
from django.db import router, transaction

from backups.lib import audit

SEES = (
    "backups.view_backupexecution",
    "backups.view_restoreexecution",
    "backups.view_backupschedule",
    "backups.view_notice",
)
# by name of the group; docs/security.md has the same as a table
ROLES: dict[str, tuple[str, ...]] = {
    "Backup viewers": SEES,
    "Backup operators": (
        *SEES,
        "backups.run_backup",
        "backups.pin_backup",
        "backups.run_schedule",
        "backups.acknowledge_notice",
        "destinations.view_backupdestination",
        "destinations.test_backupdestination",
    ),
    "Backup restorers": (*SEES, "backups.restore_backup", "backups.import_backup"),
    # all that there is but users and groups: who changes those is a superuser in effect
    "Backup administrators": (
        *SEES,
        "backups.run_backup",
        "backups.download_backup",
        "backups.delete_backup",
        "backups.pin_backup",
        "backups.import_backup",
        "backups.confirm_drop",
        "backups.restore_backup",
        "backups.accept_reason",
        "backups.add_backupschedule",
        "backups.change_backupschedule",
        "backups.delete_backupschedule",
        "backups.run_schedule",
        "backups.view_notificationchannel",
        "backups.add_notificationchannel",
        "backups.change_notificationchannel",
        "backups.delete_notificationchannel",
        "backups.test_notificationchannel",
        "backups.acknowledge_notice",
        "backups.view_delivery",
        "destinations.view_backupdestination",
        "destinations.add_backupdestination",
        "destinations.change_backupdestination",
        "destinations.delete_backupdestination",
        "destinations.test_backupdestination",
    ),
    "Backup auditors": (
        *SEES,
        "backups.view_notificationchannel",
        "backups.view_delivery",
        "destinations.view_backupdestination",
        "auth.view_user",
        "auth.view_group",
    ),
}


def make_groups(using: str, apps: Any = installed, **_: Any) -> None:
    """Make each group of `ROLES` once; one that a deployer renamed, changed or deleted is never made again.

    A receiver of ``post_migrate``: `apps` are the models as the migrations that ran left them.
    """
    try:
        made_model = apps.get_model("backups", "StartingGroup")
        group_model, permission_model = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:
        # migrated backwards, or not all the way
        return
    if not router.allow_migrate_model(using, made_model):
        return
    made = set(made_model.objects.using(using).values_list("name", flat=True))
    wanted = {name: {_of_this_site(label) for label in ROLES[name]} for name in ROLES if name not in made}
    if not wanted:
        return
    # Django makes them app by app with the same signal, and those of a later app come after this
    for app in sorted({label.partition(".")[0] for labels in wanted.values() for label in labels}):
        create_permissions(installed.get_app_config(app), verbosity=0, using=using, apps=apps)
    rows = permission_model.objects.using(using).select_related("content_type")
    known = {f"{row.content_type.app_label}.{row.codename}": row for row in rows}
    for name, labels in wanted.items():
        # an app that is not migrated all the way lacks some: the group is made when they are there
        if labels <= known.keys():
            with transaction.atomic(using):
                # this row first: of two processes the second one waits here
                _, is_new = made_model.objects.using(using).get_or_create(name=name)
                if not is_new:
                    continue
                group, is_ours = group_model.objects.using(using).get_or_create(name=name)
                if is_ours:
                    group.permissions.set(known[label] for label in labels)
            audit.log("group.created" if is_ours else "group.kept", group=name)


def _of_this_site(label: str) -> str:
    user = get_user_model()._meta
    return f"{user.app_label}.view_{user.model_name}" if label == "auth.view_user" else label
