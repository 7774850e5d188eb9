"""What the tick does for notifications: look at the causes, make messages of what changed, send what is due."""

from django.utils import timezone

from backups.notifications import deliveries, messages, notices
from destinations.lib.formats import counted


def work() -> str:
    """Do one round, and return what it did. Nothing else waits for it; one process of a host does it at a time."""
    now = timezone.now()
    made = messages.announce(now)
    sent = deliveries.deliver(now)
    deliveries.delete_old(now)
    notices.delete_old(now)
    done = [counted(made, "notification", "notifications") + " queued"] if made else []
    return ", ".join([*done, *([f"{sent} sent"] if sent else [])])
