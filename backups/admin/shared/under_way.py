"""Starting a run while another one that does the same waits or runs: after a double click, or by another person."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.views import redirect_to
from backups.errors import InstanceBusy
from backups.models import RestoreExecution, Run
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.worker.tasks import enqueue
from destinations.lib.operator_error import sentences


def start_and_enqueue(
    request: HttpRequest, instance: str, start: Callable[[], RestoreExecution], done: str
) -> HttpResponse:
    """Enqueue what `start` makes, and redirect to its page; or to the page of the restore that is under way.

    Raises BackupError as `start` does.
    """
    try:
        started = start()
    except InstanceBusy:
        active = RestoreExecution.objects.of_instance(instance).active()
        if (other := active.first()) is None:
            raise
        messages.warning(request, f"A restore of {instance} is under way already: this one. Nothing else was queued.")
        return redirect_to(other)
    enqueue(started)
    messages.success(request, done)
    return redirect_to(started)


def warn_waiting(request: HttpRequest, waiting: AlreadyWaiting) -> Run:
    """Add a message that nothing else was queued, and return the run that waits."""
    messages.warning(request, waiting_text(waiting))
    return waiting.run


def waiting_text(waiting: AlreadyWaiting) -> str:
    text = sentences(waiting.message, "Nothing else was queued.", waiting.hint)
    return text[0].upper() + text[1:]
