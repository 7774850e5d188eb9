"""Pings: a channel in the form of healthchecks.io gets the start and the end of runs, or that this site is alive."""

from datetime import datetime

from django.utils import timezone

from backups.models import BackupExecution, BackupSchedule, Delivery, NotificationChannel, Run
from backups.notifications.channels import open_channel
from backups.notifications.health import channel_fails, channel_works
from backups.notifications.hiding import without_paths
from backups.notifications.message import Message, Progress
from backups.notifications.notices import clean
from backups.notifications.routing import Route, ping_routes
from destinations.lib.operator_error import OperatorError, sentences

Status = Run.Status


def queue_pings(run: BackupExecution, signal: str) -> None:
    """Queue `signal` for each channel that is about `run`, in the transaction of the caller."""
    routes = [route for route in ping_routes() if route.takes_run(run.instance, run.schedule_id or "")]
    now = timezone.now()
    for route in routes:
        # one check for several: its success would hide that another one fails
        failing = _failing_beside(run, route) if signal == "success" else []
        sent = "fail" if failing else signal
        text = _text(run) if sent == "fail" else ""
        if failing:
            text += f" Failing: {', '.join(failing)}."
        if route.channel.hide_paths:
            text = without_paths(text)
        Delivery.objects.create(
            channel=route.channel,
            kind=Delivery.Kind.PING,
            items=[{"signal": sent, "run": run.pk, "instance": run.instance, "text": text}],
            created_at=now,
            next_try_at=now,
        )


def _failing_beside(run: BackupExecution, route: Route) -> list[str]:
    """Return the other instances of which the channel knows that their last scheduled run failed."""
    rows = BackupSchedule.objects.enabled().of_one_instance().filter(consecutive_failures__gt=0)
    known = {"pk__in": route.schedules} if route.schedules else {"instance__in": route.instances}
    return sorted({*rows.filter(**known).exclude(instance=run.instance).values_list("instance", flat=True)})


def signal_of_end(run: Run) -> str:
    return "success" if run.status == Status.COMPLETED else "fail"


def _text(run: Run) -> str:
    return clean(sentences(f"Backup of {run.instance}: {run.status}", run.error_message, run.error_hint))


def ping_alive(now: datetime) -> int:
    """Ping each channel that is for the whole site: its watcher reports when these pings stay away.

    None is kept for later: a late one would say that the site was alive when it was not.
    """
    sent = 0
    for route in ping_routes():
        channel = route.channel
        if channel.scope != NotificationChannel.Scope.SITE:
            continue
        try:
            opened = open_channel(channel)
            opened.send(Message(channel.pk, "ping", now, "information", "", "", signal="alive"), Progress())
        except OperatorError as error:
            channel_fails(channel, error, now)
        else:
            channel_works(channel, now)
            sent += 1
    return sent
