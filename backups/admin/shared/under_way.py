"""What was asked for while another run waits or runs that does the same: a second click, or somebody else was first."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.formats import sentence
from backups.admin.shared.views import to_page
from backups.errors import InstanceBusy
from backups.models import RestoreExecution, Run
from backups.runs.queue.once import AlreadyWaiting
from backups.worker.tasks import enqueue


def queued(request: HttpRequest, instance: str, start: Callable[[], RestoreExecution], done: str) -> HttpResponse:
    """Queue what `start` makes, say `done`, and lead to its page; or to the page of the one that is under way.

    Raises BackupError as `start` does.
    """
    try:
        started = start()
    except InstanceBusy:
        active = RestoreExecution.objects.of_instance(instance).active()
        if (other := active.first()) is None:
            raise
        messages.warning(request, f"A restore of {instance} is under way already: this one. Nothing else was queued.")
        return to_page(other)
    enqueue(started)
    messages.success(request, done)
    return to_page(started)


def say_waiting(request: HttpRequest, waiting: AlreadyWaiting) -> Run:
    """Say that nothing else was queued, and return the run that waits, to lead to."""
    messages.warning(request, waiting_text(waiting))
    return waiting.run


def waiting_text(waiting: AlreadyWaiting) -> str:
    text = f"{sentence(waiting.message)} Nothing else was queued. {sentence(waiting.hint)}".strip()
    return text[0].upper() + text[1:]
