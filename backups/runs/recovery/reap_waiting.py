"""Reaping queued runs: those whose process died before the claim, and those that expired."""

from django.db.models import Q
from django.utils import timezone

from backups.models import Run
from backups.runs import finish
from backups.runs.recovery.liveness import is_dead
from backups.runs.registry import kind_of, models

Status, Owner = Run.Status, Run.Owner


def reap_queued(*, instance: str | None = None) -> list[Run]:
    """End the queued runs whose own process died, and those that expired; return them."""
    # none of them has changed an instance, so there is nothing to roll back
    now = timezone.now()
    ended: list[Run] = []
    of_instance = Q() if instance is None else Q(instance=instance)
    for model in models():
        # most often there is none, and the kind need not be imported
        perhaps = Q() if model.may_expire else Q(owner=Owner.PROCESS)
        if not model.objects.filter(of_instance, perhaps, status=Status.QUEUED).exists():
            continue
        kind = kind_of(model)
        lost = Q(owner=Owner.PROCESS) | (kind.expired(now) or Q())
        queued = kind.rows().filter(of_instance, lost, status=Status.QUEUED)
        for run in queued:
            if instance is not None and kind.reads_back(run):
                continue
            if kind.is_expired(run, now):
                done = finish.expire(run, kind.expiry_message(), kind.retry_hint)
            elif run.owner == Owner.PROCESS and is_dead(run, now):
                message = f"The process that was to run it ({run.worker}) died before it began. Nothing was changed."
                done = kind.recover_queued(run) or finish.fail_to_start(run, message, kind.retry_hint)
            else:
                continue
            # not when another process ended it first
            if done:
                ended.append(run)
    return ended
