from typing import Any

from backups.management.base import BackupCommand
from backups.management.channels import describe
from backups.models import NotificationChannel


class Command(BackupCommand):
    help = "List the channels of notifications, with what they are for and whether they work."

    def run(self, **options: Any) -> None:
        channels = [describe(channel) for channel in NotificationChannel.objects.prefetch_related("schedules")]
        self.respond(channels, "\n".join(map(_line, channels)) or "no channels")


def _line(channel: dict[str, Any]) -> str:
    names = ", ".join(channel["instances"] or channel["schedules"]) or channel["scope"]
    return f"{channel['name']}  {channel['kind']}  for {names}  to {channel['recipient']}  {_state(channel)}"


def _state(channel: dict[str, Any]) -> str:
    if not channel["enabled"]:
        return "disabled"
    if channel["failures"]:
        return f"failing: {channel['last_error']}"
    return "works" if channel["last_sent_at"] else "never used"
