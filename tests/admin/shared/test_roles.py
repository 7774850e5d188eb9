"""What each group that a site starts with opens and does."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from backups.management.roles import ROLES
from backups.models import BackupSchedule, NotificationChannel
from backups.notifications.channels import configure
from backups.notifications.notices import Cause
from tests.support.pages.parsed import page_at
from tests.support.pages.restore_pages import a_restore
from tests.support.rows import Status, a_destination, an_execution

pytestmark = pytest.mark.django_db
V, O, R, A, D = ROLES  # noqa: E741  # viewers, operators, restorers, administrators, auditors
ALL = {V, O, R, A, D}
# by page: the groups that open it
PAGES: dict[str, set[str]] = {
    "admin:index": ALL,
    "admin:backups_instance": ALL,
    "admin:backups_recovery_kit": {A},
    "admin:backups_keys": ALL,
    "admin:backups_backupexecution_changelist": ALL,
    "admin:backups_backupexecution_change": ALL,
    "admin:backups_backupexecution_start": {O, A},
    "admin:backups_backupexecution_import_archive": {R, A},
    "admin:backups_drillexecution_changelist": ALL,
    "admin:backups_copyexecution_changelist": ALL,
    "admin:backups_restoreexecution_changelist": ALL,
    "admin:backups_restoreexecution_change": ALL,
    "admin:backups_backupschedule_changelist": ALL,
    "admin:backups_backupschedule_change": ALL,
    "admin:backups_backupschedule_add": {A},
    "admin:backups_backupschedule_delete": {A},
    "admin:destinations_backupdestination_changelist": {O, A, D},
    "admin:destinations_backupdestination_change": {O, A, D},
    "admin:destinations_backupdestination_add": {A},
    "admin:destinations_backupdestination_delete": {A},
    "admin:destinations_backupdestination_catalogue": {R, A},
    "admin:destinations_backupdestination_retention": ALL,
    "admin:backups_notificationchannel_changelist": {A, D},
    "admin:backups_notificationchannel_change": {A, D},
    "admin:backups_notificationchannel_add": {A},
    "admin:backups_notificationchannel_delete": {A},
    "admin:backups_notice_changelist": ALL,
    "admin:backups_delivery_changelist": {A, D},
    "admin:auth_user_changelist": {D},
    "admin:auth_user_change": {D},
    "admin:auth_user_add": set(),
    "admin:auth_group_changelist": {D},
    "admin:auth_group_change": {D},
    "admin:auth_group_add": set(),
}
# by button on the page of a backup: the groups that have it
OF_A_BACKUP: dict[str, set[str]] = {
    "restore": {R, A},
    "download": {A},
    "download_signature": {A},
    "verify": {O, A},
    "drill": {O, A},
    "copy": {O, A},
    "again": {O, A},
    "pin": {O, A},
    "delete_archive": {A},
}
# by what is sent: the groups that may
SENT: dict[str, set[str]] = {
    "admin:backups_accept_reason": {A},
    "admin:backups_withdraw_reason": {A},
    "admin:backups_backupexecution_confirm_drop": {A},
    "admin:backups_backupexecution_cancel": {O, A},
    "admin:backups_backupexecution_unpin": {O, A},
    "admin:backups_backupexecution_accept_loss": {A},
    "admin:backups_backupexecution_give_up_copy": {A},
    "admin:backups_restoreexecution_acknowledge": {R, A},
    "admin:backups_restoreexecution_undo": {R, A},
    "admin:backups_restoreexecution_cancel": {R, A},
    "admin:backups_backupschedule_pause": {O, A},
    "admin:backups_backupschedule_resume": {O, A},
    "admin:backups_backupschedule_run": {O, A},
    "admin:destinations_backupdestination_test": {O, A},
    "admin:destinations_backupdestination_prune": {A},
    "admin:destinations_backupdestination_confirm_rule": {A},
    "admin:backups_notificationchannel_test": {A},
    "admin:backups_notice_acknowledge": {O, A},
    "admin:auth_user_change": set(),
    "admin:auth_user_delete": set(),
    "admin:auth_group_change": set(),
}


@pytest.mark.parametrize("group", ROLES)
def test_each_group_opens_its_pages_and_presses_its_buttons_and_no_others(group: str) -> None:
    user = User.objects.create_user("bob", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    nas, backup, restore = a_destination(), an_execution("shop", status=Status.COMPLETED), a_restore()
    channel = NotificationChannel(name="watcher", kind="ping")
    configure(channel, {"url": "http://127.0.0.1:9/uuid"})
    channel.save()
    notice = Cause("failed", "It failed.", instance="shop", code="x").notice(timezone.now())
    notice.save()
    rows = {
        "backupexecution": backup.pk,
        "restoreexecution": restore.pk,
        "backupdestination": nas.pk,
        "notificationchannel": channel.pk,
        "backupschedule": BackupSchedule.objects.create(
            name="yearly", instance="shop", destination=nas, type="interval", expression="days:366"
        ).pk,
        "notice": notice.pk,
        "user": user.pk,
        "group": user.groups.get().pk,
    }

    def address(name: str) -> str:
        try:
            return reverse(name)
        except NoReverseMatch:
            # what is about an instance has its name
            return reverse(name, args=[rows.get(name.split("_")[1], "shop")])

    assert {page for page in PAGES if client.get(address(page)).status_code != 403} == {
        page for page, groups in PAGES.items() if group in groups
    }
    page = page_at(client, address("admin:backups_backupexecution_change"))
    shown = {button.get("data-action") for button in page.all(data_action="*")}
    assert shown & OF_A_BACKUP.keys() == {button for button, groups in OF_A_BACKUP.items() if group in groups}
    sent = {f"admin:backups_backupexecution_{button}": groups for button, groups in OF_A_BACKUP.items()} | SENT
    assert {name for name in sent if client.post(address(name)).status_code != 403} == {
        name for name, groups in sent.items() if group in groups
    }
