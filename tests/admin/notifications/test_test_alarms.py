"""The pages of test alarms: a link that a mail scanner opens confirms nothing, a button that a person presses does."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from backups.models import Delivery, NotificationChannel
from backups.notifications.channels import configure
from backups.notifications.test_alarm import queue_test_alarms
from backups.notifications.test_alarm.links import link_of
from tests.support.pages.parsed import page_at
from tests.support.rows import a_client
from tests.support.servers.receivers import SECRET

pytestmark = pytest.mark.django_db
LIST = "/admin/backups/testalarm/"


@pytest.fixture
def sent(settings: object) -> Delivery:
    """A test alarm that was delivered."""
    channel = NotificationChannel(kind="webhook", name="hook")
    configure(channel, {"url": "https://hook.example/x", "secret": SECRET})
    channel.save()
    (delivery,) = queue_test_alarms([channel], timezone.now())
    Delivery.objects.update(state="sent", attempts=1, sent_at=timezone.now())
    return delivery


@pytest.fixture
def link(sent: Delivery, settings: object) -> str:
    settings.BACKUP_SITE_URL = "http://testserver"  # type: ignore[attr-defined]
    return link_of(sent).removeprefix("http://testserver")


def a_person(*permissions: str, name: str = "bob") -> Client:
    return a_client(*permissions, name=name)


def test_opening_the_link_changes_nothing_and_pressing_the_button_proves_the_channel(link: str) -> None:
    assert Client().get(link).status_code == 302
    client = a_person("view_notice", "acknowledge_notice")
    page = page_at(client, link)
    assert page.field("channel").text == "hook"
    assert NotificationChannel.objects.get().proven_at is None
    assert client.post(link).status_code == 302
    channel = NotificationChannel.objects.get()
    assert (channel.proven_by, channel.unproven_since) == ("bob", None)
    assert page_at(client, LIST).row("hook").status == "proven"
    assert client.post(link).status_code == 410


def test_only_who_may_acknowledge_confirms_and_only_who_may_test_sends(link: str) -> None:
    stranger, tester = a_person(name="eve"), a_person("test_notificationchannel", name="carol")
    for address in (link, LIST, f"{LIST}confirm/", f"{LIST}send/"):
        assert stranger.post(address).status_code == 403, address
    assert (tester.get(link).status_code, tester.post(f"{LIST}confirm/").status_code) == (403, 403)
    assert NotificationChannel.objects.get().proven_at is None
    assert page_at(tester, LIST).actions() >= {"send"}
    assert tester.post(f"{LIST}send/").status_code == 302
    assert Delivery.objects.filter(kind="test-alarm").count() == 2
    assert a_person("view_notice", "acknowledge_notice").post(f"{LIST}send/").status_code == 403
    # a link, or a page of an earlier day, starts nothing
    assert tester.get(f"{LIST}send/").status_code == 302
    assert Delivery.objects.filter(kind="test-alarm").count() == 2


def test_a_wrong_link_is_one_clear_error(admin: Client) -> None:
    answer = admin.get(f"{LIST}nonsense/")
    assert (answer.status_code, 'data-notice="test-alarm"' in answer.content.decode()) == (410, True)


def test_the_page_shows_when_each_channel_was_proven_and_what_is_overdue(sent: Delivery, admin: Client) -> None:
    row = page_at(admin, LIST).row("hook")
    assert (row.status, row.field("proven_at").text, row.actions()) == ("waiting", "never", {"confirm"})
    NotificationChannel.objects.update(unproven_since=timezone.now().replace(year=2020))
    assert page_at(admin, LIST).row("hook").all(data_flag="overdue")
    assert page_at(admin, "/admin/").notice("alarms-not-proven", "hook").links() == [LIST]
    assert admin.post(f"{LIST}confirm/", {"channel": sent.channel_id}).status_code == 302
    row = page_at(admin, LIST).row("hook")
    assert (row.status, row.actions()) == ("proven", set())
    assert User.objects.get().username in row.field("proven_at").text
    assert admin.post(f"{LIST}confirm/", {"channel": "gone"}).status_code == 302
