"""Report overdue instances: those whose newest good backup is older than their schedules allow."""

import logging
from datetime import datetime, timedelta

from django.utils import timezone

from backups.instances import instance_names
from backups.lib import audit
from backups.models import InstanceState
from backups.runs.queue.queues import queue_of
from backups.service.monitoring.protection import Protection, protections, taken_at
from backups.signals import instance_late
from destinations.lib.formats import human_duration


def report_overdue(queue: str) -> list[str]:
    """Log and signal each instance of `queue` that has become overdue; return their names.

    Each is reported once, until it is fresh again. An instance without an automatic schedule is never overdue.
    """
    now = timezone.now()
    names = [name for name in instance_names() if queue_of(name) == queue]
    overdue = {
        state.name: (state, limit)
        for state in protections(names=names)
        if (limit := exceeded_limit(state, now)) is not None
    }
    known = dict(InstanceState.objects.filter(instance__in=names).values_list("instance", "late_since"))
    fresh_again = [name for name, since in known.items() if since is not None and name not in overdue]
    if fresh_again:
        InstanceState.objects.filter(instance__in=fresh_again).update(late_since=None)
    reported = []
    for name, (state, limit) in overdue.items():
        if known.get(name) is not None:
            continue
        InstanceState.objects.get_or_create(instance=name)
        # conditional: of several processes one reports it
        if not InstanceState.objects.filter(instance=name, late_since=None).update(late_since=now):
            continue
        expected = f"its schedules make one every {human_duration(limit)}"
        if state.good is None:
            message = f"There is no good backup of {name}, but {expected}."
        else:
            age = human_duration(now - taken_at(state.good))
            message = f"The newest good backup of {name} is {age} old, but {expected}."
        audit.log("instance.late", logging.ERROR, instance=name, reason=message)
        instance_late.send_robust(sender=InstanceState, instance=name, message=message)
        reported.append(name)
    return reported


def exceeded_limit(state: Protection, now: datetime) -> timedelta | None:
    """Return the age that the schedules allow when the newest good backup is older; None when it is not.

    Without any good backup the age of the oldest schedule counts.
    """
    limit, since = state.outlook.max_age, state.outlook.since
    if limit is None or since is None:
        return None
    is_exceeded = now - (taken_at(state.good) if state.good else since) > limit
    return limit if is_exceeded else None
