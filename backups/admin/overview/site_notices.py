"""The boxes of the front page about the site as a whole: the reasons of its verdict, each with where to mend it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from backups.service.monitoring.verdict import Level, Reason
from destinations.models import BackupDestination

# what the boxes about mistakes in the instances file say
TOLD_OF_THE_FILE = ("instances-file-broken", "no-instance")
MOST = 8
ADD, CHANGE = "destinations.add_backupdestination", "destinations.change_backupdestination"
SEES = ("destinations.view_backupdestination", CHANGE)


@dataclass(frozen=True, slots=True)
class SiteNotice:
    """A reason, and the `label` of the page at `address` that helps; both are empty where the user may open none."""

    reason: Reason
    label: str = ""
    address: str = ""

    @property
    def tone(self) -> str:
        return "error" if self.reason.level is Level.UNPROTECTED else "warning"


def site_notices(
    request: HttpRequest, reasons: Sequence[Reason], destinations: Mapping[str, BackupDestination]
) -> list[SiteNotice]:
    """Return a box for each of `reasons`; `destinations` are the enabled ones by name."""
    return [
        SiteNotice(reason, *_page_for(request, reason, destinations.get(reason.subject)))
        for reason in reasons
        if reason.code not in TOLD_OF_THE_FILE
    ]


def _page_for(request: HttpRequest, reason: Reason, destination: BackupDestination | None) -> tuple[str, str]:
    user, view = request.user, "admin:destinations_backupdestination_"
    if reason.code == "alarms-not-proven":
        return "See the test alarms", reverse("admin:backups_test_alarms")
    if reason.code == "no-destination" and user.has_perm(ADD):
        return "Add a destination", reverse(f"{view}add")
    if destination is None:
        return "", ""
    if reason.code == "rule-unconfirmed":
        return "See what would be deleted", reverse(f"{view}retention", args=[destination.pk])
    if reason.code.startswith("destination-") and any(map(user.has_perm, SEES)):
        return f"Open {destination}", reverse(f"{view}change", args=[destination.pk])
    return "", ""
