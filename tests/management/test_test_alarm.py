"""The command `testalarm`: it queues test alarms, and records that one arrived."""

import pytest
from django.utils import timezone

from backups.models import Delivery, NotificationChannel
from backups.notifications.channels import configure
from tests.support.call_commands import command, refused
from tests.support.servers.receivers import SECRET

pytestmark = pytest.mark.django_db


@pytest.fixture
def hook() -> NotificationChannel:
    channel = NotificationChannel(kind="webhook", name="hook")
    configure(channel, {"url": "https://hook.example/x", "secret": SECRET})
    channel.save()
    return channel


def test_it_queues_one_for_each_channel_and_records_that_it_arrived(hook: NotificationChannel) -> None:
    assert command("testalarm", "--json").data["channels"] == ["hook"]
    assert "not sent yet" in command("testalarm", "hook", "--arrived").err
    Delivery.objects.update(attempts=1, state="sent", sent_at=timezone.now())
    assert command("testalarm", "hook", "--arrived").code == 0
    hook.refresh_from_db()
    assert (hook.unproven_since, hook.proven_at is not None) == (None, True)


def test_what_cannot_be_done_is_one_clear_error(hook: NotificationChannel) -> None:
    NotificationChannel.objects.update(enabled=False)
    for words in ([], ["hook"], ["none"], ["--arrived"], ["hook", "--arrived"]):
        refused("testalarm", *words)
    assert not Delivery.objects.exists()
