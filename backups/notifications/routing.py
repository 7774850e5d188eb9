"""Which notices a channel takes, by its scope and by what it leaves out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import QuerySet

from backups.models import NotificationChannel
from backups.models.notice import Notice
from backups.notifications.channels import kind_of
from backups.notifications.events import EVENTS, cell_of

Scope = NotificationChannel.Scope


@dataclass(slots=True)
class Route:
    """A channel and what its scope names: instances, or schedules with the instances that they back up."""

    channel: NotificationChannel
    instances: set[str] = field(default_factory=set)
    schedules: set[str] = field(default_factory=set)

    def takes(self, notice: Notice) -> bool:
        """Whether the channel is told of `notice`; of the end of one also where it was told of it at another level."""
        if cell_of(notice) in self.channel.muted:
            return self._was_told(notice)
        if notice.event == "channel":
            # whatever else a channel is for: it may be the only other one
            return notice.subject != self.channel.name
        if self.channel.scope == Scope.SITE:
            return True
        if self.channel.scope == Scope.SCHEDULES and notice.schedule:
            return notice.schedule in self.schedules
        return notice.instance in self.instances

    def _was_told(self, notice: Notice) -> bool:
        event = EVENTS.get(notice.event)
        others = {f"{event.code}:{level}" for level in event.levels} if event else set()
        if notice.is_open or notice.momentary or others <= set(self.channel.muted):
            return False
        # its level changed to one that is left out: without the end it would be open there for ever
        sent = self.channel.deliveries.filter(created_at__gte=notice.opened_at, items__icontains=notice.pk)
        return sent.exists()

    def takes_run(self, instance: str, schedule: str) -> bool:
        """Whether a ping is about this run. One for the whole site is about the scheduler, and about no run."""
        if self.channel.scope == Scope.SCHEDULES:
            return schedule in self.schedules
        return self.channel.scope == Scope.INSTANCES and instance in self.instances


def routes(channels: Iterable[NotificationChannel]) -> list[Route]:
    found = []
    for channel in channels:
        route = Route(channel, set(channel.instances))
        if channel.scope == Scope.SCHEDULES:
            rows = [(row.pk, row.instance) for one in channel.schedules.all() for row in (one, *one.parts.all())]
            route.schedules = {pk for pk, _ in rows}
            route.instances = {instance for _, instance in rows if instance}
        found.append(route)
    return found


def message_routes() -> list[Route]:
    """Return the enabled channels that take messages."""
    return [route for route in routes(_enabled()) if kind_of(route.channel).takes_messages]


def ping_routes() -> list[Route]:
    return routes(_enabled().filter(kind="ping"))


def _enabled() -> QuerySet[NotificationChannel]:
    return NotificationChannel.objects.filter(enabled=True).prefetch_related("schedules__parts")
