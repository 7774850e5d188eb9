"""Pings: a channel in the form of healthchecks.io gets the start and the end of runs, or that this site is alive."""

from django.utils import timezone

from backups.models import BackupExecution, Delivery, Run
from backups.notifications.hiding import without_paths
from backups.notifications.routing import ping_routes
from destinations.lib.operator_error import sentences

Status = Run.Status


def queue_pings(run: BackupExecution, signal: str) -> None:
    """Queue `signal` for each channel that is about `run`, in the transaction of the caller."""
    routes = [route for route in ping_routes() if route.takes_run(run.instance, run.schedule_id or "")]
    now = timezone.now()
    for route in routes:
        text = _text(run) if signal == "fail" else ""
        if route.channel.hide_paths:
            text = without_paths(text)
        Delivery.objects.create(
            channel=route.channel,
            kind=Delivery.Kind.PING,
            items=[{"signal": signal, "run": run.pk, "instance": run.instance, "text": text}],
            created_at=now,
            next_try_at=now,
        )


def signal_of_end(run: Run) -> str:
    return "success" if run.status == Status.COMPLETED else "fail"


def _text(run: Run) -> str:
    return sentences(f"Backup of {run.instance}: {run.status}", run.error_message, run.error_hint)
