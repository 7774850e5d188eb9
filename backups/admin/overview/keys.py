"""The page about keys: what archives are encrypted for, what signs them, and whether the keys still open them."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from backups.admin.shared.destination_views import page, refuse
from backups.admin.shared.permissions import VIEW
from backups.archive.age import AgeKeyError, fingerprint
from backups.archive.minisign import PublicKey, SigningKeyError
from backups.models import KeyCheck
from backups.service.archives.signatures import trusted_keys
from destinations.models import BackupDestination


@dataclass(frozen=True, slots=True)
class Place:
    """A destination, what it demands, and the latest look at its archives."""

    destination: BackupDestination
    demands: str
    check: KeyCheck | None


def keys(request: HttpRequest) -> HttpResponse:
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    if not request.user.has_perm(VIEW):
        refuse(request, None, "keys")
    checks = KeyCheck.objects.in_bulk()
    places = [Place(row, row.policy.label, checks.get(row.pk)) for row in BackupDestination.objects.order_by("name")]
    own, others = _public_keys()
    return page(
        request,
        "keys",
        title="Keys",
        kind=settings.BACKUP_ENCRYPTION,
        recipients=[_named(text) for text in settings.BACKUP_ENCRYPTION_RECIPIENTS],
        has_passphrase=bool(settings.BACKUP_ENCRYPTION_PASSPHRASE),
        own=own,
        others=others,
        places=places,
    )


def _named(recipient: str) -> tuple[str, str]:
    """Return fingerprint and recipient; what is none may be a secret in the wrong place, and is not shown."""
    try:
        return fingerprint(recipient), recipient
    except AgeKeyError:
        return "malformed", "manage.py check says what is wrong with it"


def _public_keys() -> tuple[PublicKey | None, list[PublicKey]]:
    """Return the site's own and the others that are trusted; a malformed one is the business of the system check."""
    try:
        own, *others = trusted_keys()
    except SigningKeyError:
        return None, []
    return own, others
