"""What the tick does for notifications: look at the causes, make messages of what changed, send what is due."""

from collections.abc import Callable
from datetime import datetime

from django.utils import timezone

from backups.lib import audit
from backups.notifications import conditions, deliveries, digests, messages, notices, pings, test_alarm
from destinations.lib.formats import counted

# each does its part whatever becomes of the others: what is queued is sent although the verdicts cannot be read
STEPS: tuple[Callable[[datetime], int], ...] = (
    conditions.look,
    messages.announce,
    digests.queue_due,
    test_alarm.queue_due,
    deliveries.deliver,
    deliveries.delete_old,
    notices.delete_old,
)


def work(*, alive: bool) -> str:
    """Do one round, and return what it did; with `alive` also ping that the site is. One process of a host at a time.

    Raises the error of the first step that failed, after the others.
    """
    now, done, failure = timezone.now(), dict[str, int](), None
    for step in (*STEPS, *([pings.ping_alive] if alive else [])):
        try:
            done[f"{step.__module__}.{step.__name__}".removeprefix("backups.notifications.")] = step(now)
        except Exception as error:
            audit.crashed("notifications.failed", error, step=step.__name__)
            failure = failure or error
    if failure is not None:
        raise failure
    sent = done["deliveries.deliver"]
    return f"sent {counted(sent, 'notification')}" if sent else ""
