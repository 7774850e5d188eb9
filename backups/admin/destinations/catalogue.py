"""The catalogue: the files at a destination compared with the rows, and the button that synchronises them."""

from collections.abc import Sized
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from backups.admin.destinations.views import destination_view
from backups.admin.shared.views import actor, page
from backups.service.catalogue.hidden import find_hidden
from backups.service.catalogue.sync import import_backups, scan_destination
from backups.service.monitoring.bring_back import bring_back
from destinations.exceptions import DestinationError
from destinations.models import BackupDestination

# a page has to answer; the rest is adopted with the next press of the button, or by importbackups
TIME_LIMIT = timedelta(seconds=60)
MOST_NAMED = 10


@destination_view("backups.import_backup", methods=("GET", "POST"))
def catalogue(request: HttpRequest, destination: BackupDestination) -> HttpResponse:
    context: dict[str, Any] = {"title": f"Catalogue of {destination.name}", "destination": destination}
    try:
        if request.method != "POST":
            context |= {"found": scan_destination(destination), "hidden": find_hidden(destination)}
            return page(request, "backups/destination/catalogue", **context)
        done = import_backups(destination, by=actor(request), until=timezone.now() + TIME_LIMIT)
    except DestinationError as error:
        return page(request, "backups/destination/catalogue", **context, problem=error.text, status=502)
    counts: dict[str, Sized] = {
        "adopted": done.adopted,
        "found at another path": done.moved,
        "attached as copies": done.attached,
        "marked as missing": done.missing,
        "no longer missing": done.returned,
        "partial uploads removed": done.removed,
    }
    changes = ", ".join(f"{len(items)} {what}" for what, items in counts.items() if items)
    messages.success(request, f"The catalogue is up to date: {changes or 'nothing had changed'}.")
    for path, row in done.copies[:MOST_NAMED]:
        messages.info(request, f"Left alone: {path} is another copy of {row.backup_path}, which is recorded.")
    for path, reason in done.refused[:MOST_NAMED]:
        messages.error(request, f"Not adopted: {path}: {reason}")
    if len(done.refused) > MOST_NAMED:
        messages.error(request, f"{len(done.refused) - MOST_NAMED} more were not adopted, see the log.")
    if done.waiting:
        messages.warning(request, f"{len(done.waiting)} archives are left: press again, or run importbackups.")
    return redirect("admin:destinations_backupdestination_catalogue", destination.pk)


@destination_view("backups.import_backup", methods=("POST",))
def undelete(request: HttpRequest, destination: BackupDestination) -> HttpResponse:
    path = request.POST.get("path", "")
    try:
        done = bring_back(destination, path, by=actor(request))
    except DestinationError as error:
        messages.error(request, error.text)
    else:
        follows = " A verification of it is queued." if done.copy else " Update the catalogue to record it."
        messages.success(request, f"{path} is back at {destination.name}.{'' if done.problem else follows}")
        if done.problem:
            messages.warning(request, done.problem)
    return redirect("admin:destinations_backupdestination_catalogue", destination.pk)
