"""Report overdue instances: those for which a slot of a schedule passed without a good backup."""

import logging
from datetime import datetime

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
    overdue = {state.name: state for state in protections(names=names) if is_overdue(state, now)}
    known = dict(InstanceState.objects.filter(instance__in=names).values_list("instance", "late_since"))
    fresh_again = [name for name, since in known.items() if since is not None and name not in overdue]
    if fresh_again:
        InstanceState.objects.filter(instance__in=fresh_again).update(late_since=None)
    reported = []
    for name, state in overdue.items():
        if known.get(name) is not None:
            continue
        InstanceState.objects.get_or_create(instance=name)
        # conditional: of several processes one reports it
        if not InstanceState.objects.filter(instance=name, late_since=None).update(late_since=now):
            continue
        strictest, limit = state.outlook.strictest, state.outlook.overdue_from
        expected = f"schedule {strictest} demands one by {limit:%Y-%m-%d %H:%M} UTC"
        if state.good is None:
            message = f"There is no good backup of {name}, but {expected}."
        else:
            age = human_duration(now - taken_at(state.good))
            message = f"The newest good backup of {name} is {age} old, but {expected}."
        audit.log("instance.late", logging.ERROR, instance=name, reason=message)
        instance_late.send_robust(sender=InstanceState, instance=name, message=message)
        reported.append(name)
    return reported


def is_overdue(state: Protection, now: datetime) -> bool:
    """True when a slot of an automatic schedule and the grace have passed without a good backup."""
    return state.outlook.overdue_from is not None and now > state.outlook.overdue_from
