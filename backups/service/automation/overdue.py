"""Instances whose newest good backup is older than their schedules promise: told once, when it becomes so."""

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


def tell_late(queue: str) -> list[str]:
    """Log and signal each instance of `queue` that has become late; return their names.

    Of several processes one tells. An instance that is fresh again will be told again the next time. One without a
    schedule was promised nothing, and is never told.
    """
    now = timezone.now()
    names = [name for name in instance_names() if queue_of(name) == queue]
    late = {
        state.name: (state, promise)
        for state in protections(names=names)
        if (promise := broken_promise(state, now)) is not None
    }
    known = dict(InstanceState.objects.filter(instance__in=names).values_list("instance", "late_since"))
    recovered = [name for name, since in known.items() if since is not None and name not in late]
    if recovered:
        InstanceState.objects.filter(instance__in=recovered).update(late_since=None)
    return [name for name, (state, promise) in late.items() if known.get(name) is None and _tell(state, promise, now)]


def broken_promise(state: Protection, now: datetime) -> timedelta | None:
    """Return the promise of the schedules when it is broken; without any backup, when the first should be there by now.

    None when it is kept, or when there is none.
    """
    promise, since = state.outlook.promise, state.outlook.since
    if promise is None or since is None:
        return None
    is_broken = now - (taken_at(state.good) if state.good else since) > promise
    return promise if is_broken else None


def _tell(state: Protection, promise: timedelta, now: datetime) -> bool:
    InstanceState.objects.get_or_create(instance=state.name)
    if not InstanceState.objects.filter(instance=state.name, late_since=None).update(late_since=now):
        return False
    message = _message(state, promise, now)
    audit.log("instance.late", logging.ERROR, instance=state.name, reason=message)
    instance_late.send_robust(sender=InstanceState, instance=state.name, message=message)
    return True


def _message(state: Protection, promise: timedelta, now: datetime) -> str:
    promised = f"its schedules promise one every {human_duration(promise)}"
    if state.good is None:
        return f"there is no good backup of {state.name}, but {promised}"
    age = human_duration(now - taken_at(state.good))
    return f"the newest good backup of {state.name} is {age} old, but {promised}"
