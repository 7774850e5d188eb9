"""The test alarm: a message through every channel that is told of unprotected instances, which a person confirms."""

from backups.notifications.test_alarm.confirm import confirm, confirm_by_link, has_failed
from backups.notifications.test_alarm.links import delivery_of
from backups.notifications.test_alarm.send import alarm_channels, queue_due, queue_test_alarms

__all__ = [
    "alarm_channels",
    "confirm",
    "confirm_by_link",
    "delivery_of",
    "has_failed",
    "queue_due",
    "queue_test_alarms",
]
