"""Start regular drills: of each instance every so many days, one at a time in each queue."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from backups.errors import PutOff
from backups.instances import instance_names
from backups.lib import audit
from backups.models import DrillExecution, InstanceState
from backups.runs.claim import lock_instance
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.runs.queue.queues import of_queue, queue_of
from backups.runs.recovery.heartbeats import CLOCK_SKEW
from backups.service.archives.openable import no_key_for
from backups.service.drill.run import newest_good_backup, start_drill
from backups.service.monitoring.drills import drill_states, drills_every

BY = "regular drill"
# after a drill without a verdict
RETRY_AFTER = timedelta(hours=6)


def start_due(queue: str) -> DrillExecution | None:
    """Queue a drill of the newest good backup of the instance of `queue` whose last drill is the longest ago.

    Nothing is queued when none is due, or while another drill of that queue is queued or runs.
    """
    names = [name for name in instance_names() if queue_of(name) == queue and drills_every(name)]
    active = DrillExecution.objects.active().filter(kind=DrillExecution.Kind.DRILL)
    if not names or of_queue(active, queue).exists():
        return None
    now = timezone.now()
    due = {name: state.last for name, state in drill_states(names).items() if state.is_due(now)}
    # an instance that was never drilled comes first
    for name in sorted(due, key=lambda name: (last.created_at.timestamp() if (last := due[name]) else 0.0, name)):
        if (drill := _start(name, now)) is not None:
            return drill
    return None


@transaction.atomic
def _start(name: str, now: datetime) -> DrillExecution | None:
    # of several processes one starts the drill; the others then find it below
    lock_instance(name)
    # an archive that is known to be bad has its verdict; another drill of it says nothing new
    backup = newest_good_backup(name)
    if backup is None:
        return None
    # Without a key it only records the reason, and that once in each interval, until the key is here. Of an archive
    # without a date it proves nothing of today, so that another one is due at once.
    is_rare = backup.started_at is None or no_key_for(backup) is not None
    wait = (drills_every(name) if is_rare else None) or RETRY_AFTER
    drills = DrillExecution.objects.filter(instance=name, kind=DrillExecution.Kind.DRILL)
    if drills.filter(created_at__range=(now - wait, now + CLOCK_SKEW)).exists():
        return None
    try:
        return start_drill(backup, by=BY)
    except AlreadyWaiting:  # an operator has just queued the same drill
        return None
    except PutOff as error:
        others = InstanceState.objects.filter(instance=name).exclude(drill_put_off=error.text)
        # logged when it is new, and not at each tick of the day
        if others.update(drill_put_off=error.text):
            audit.log("drill.put-off", logging.WARNING, instance=name, backup=backup.pk, reason=error.message)
        return None
