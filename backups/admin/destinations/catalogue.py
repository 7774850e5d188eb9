"""What is there: the files at a destination against the catalogue, and the button that brings them together."""

from collections.abc import Sized
from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from backups.admin.shared.destination_views import destination_view, page
from backups.admin.shared.views import actor
from backups.service.catalogue.sync import Imported, import_backups, look
from destinations.exceptions import DestinationError
from destinations.models import BackupDestination

# a page has to answer; the rest is adopted with the next press of the button, or by importbackups
PATIENCE = timedelta(seconds=60)
MOST_NAMED = 10


@destination_view("backups.import_backup", methods=("GET", "POST"))
def catalogue(request: HttpRequest, destination: BackupDestination) -> HttpResponse:
    title = f"What is there: {destination.name}"
    try:
        if request.method == "POST":
            _tell(request, import_backups(destination, by=actor(request), until=timezone.now() + PATIENCE))
            return redirect("admin:backups_backupexecution_catalogue", destination.pk)
        found = look(destination)
    except DestinationError as error:
        problem = error.text
        return page(request, "catalogue", title=title, destination=destination, problem=problem, status=502)
    return page(request, "catalogue", title=title, destination=destination, found=found)


def _tell(request: HttpRequest, done: Imported) -> None:
    counts: dict[str, Sized] = {
        "adopted": done.adopted,
        "found at another place": done.moved,
        "marked as missing": done.missing,
        "there again": done.returned,
        "unfinished uploads removed": done.removed,
    }
    said = ", ".join(f"{len(items)} {what}" for what, items in counts.items() if items)
    messages.success(request, f"The catalogue is up to date: {said or 'nothing had changed'}.")
    for path, reason in done.refused[:MOST_NAMED]:
        messages.error(request, f"Not adopted: {path}: {reason}")
    if len(done.refused) > MOST_NAMED:
        messages.error(request, f"{len(done.refused) - MOST_NAMED} more were not adopted, see the log.")
    if done.waiting:
        messages.warning(request, f"{len(done.waiting)} archives are left: press again, or run importbackups.")
