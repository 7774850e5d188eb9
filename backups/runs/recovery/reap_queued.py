"""Ending queued runs that nothing will carry out: their process died, or they waited too long."""

from django.utils import timezone

from backups.models import Run
from backups.runs import finish
from backups.runs.recovery.liveness import is_dead
from backups.runs.registry import kinds

Status, Owner = Run.Status, Run.Owner


def reap_queued(*, instance: str | None = None) -> list[Run]:
    """End the runs that a process made for itself and then died, and those that expired; return them.

    Nothing of an instance was touched for any of them, so there is nothing to recover: it takes a moment.
    """
    now = timezone.now()
    ended: list[Run] = []
    for kind in kinds():
        queued = kind.rows().filter(status=Status.QUEUED)
        if instance is not None:
            queued = queued.filter(instance=instance)
        if (expired := kind.expired(now)) is not None:
            ended += [run for run in queued.filter(expired) if finish.expired(run, kind.expiry_message(), kind.again)]
        for run in queued.filter(owner=Owner.PROCESS):
            message = f"the process that was to run it ({run.worker}) died before it began; nothing was changed"
            if is_dead(run, now) and finish.unstarted(run, message, kind.again):
                ended.append(run)
    return ended
