"""A channel that is told of no alarm any more is not reported as one whose alarms are not proven."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import NotificationChannel
from backups.notifications import test_alarm
from backups.notifications.events import cells
from backups.service.monitoring.verdict import site_reasons

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("change", "reported"),
    [({}, True), ({"muted": cells()}, False), ({"scope": "instances", "instances": []}, False)],
)
def test_only_a_channel_of_alarms_has_to_be_proven(
    hook: NotificationChannel, change: dict[str, object], *, reported: bool
) -> None:
    now = timezone.now()
    sent = now - timedelta(days=9)
    NotificationChannel.objects.update(created_at=sent, alarm_tested_at=sent, unproven_since=sent, **change)
    test_alarm.queue_due(now)
    assert [reason.code for reason in site_reasons([]) if reason.subject == "hook"] == ["alarms-not-proven"] * reported
