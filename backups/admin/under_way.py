"""A restore that was confirmed while another one waits or runs: a second click, or somebody else was first."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.guard import to_page
from backups.errors import InstanceBusy
from backups.models import RestoreExecution
from backups.tasks import enqueue


def queued(request: HttpRequest, instance: str, start: Callable[[], RestoreExecution], done: str) -> HttpResponse:
    """Queue what `start` makes, say `done`, and lead to its page; or to the page of the one that is under way.

    Raises BackupError as `start` does.
    """
    try:
        started = start()
    except InstanceBusy:
        active = RestoreExecution.objects.filter(instance=instance, status__in=RestoreExecution.ACTIVE)
        if (other := active.first()) is None:
            raise
        messages.warning(request, f"A restore of {instance} is under way already: this one. Nothing else was queued.")
        return to_page(other)
    enqueue(started)
    messages.success(request, done)
    return to_page(started)
