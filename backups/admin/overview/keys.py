"""The page about keys: what archives are encrypted for, what signs them, and the latest key checks."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from backups.admin.shared.permissions import VIEW
from backups.admin.shared.views import page, refuse
from backups.archive.age import AgeKeyError, fingerprint
from backups.archive.minisign import SigningKeyError
from backups.models import BackupExecution, KeyCheck
from backups.service.archives.signatures import trusted_keys
from destinations.models import BackupDestination


@dataclass(frozen=True, slots=True)
class DestinationKeys:
    """A destination, its encryption policy in words, and its latest key check."""

    destination: BackupDestination
    policy: str
    check: KeyCheck | None


def keys(request: HttpRequest) -> HttpResponse:
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    if not request.user.has_perm(VIEW):
        refuse(request, "keys")
    checks = KeyCheck.objects.in_bulk()
    destinations = BackupDestination.objects.order_by("name")
    try:
        own, *others = trusted_keys()
    except SigningKeyError:
        # a system check says which key is malformed
        own, others = None, []
    return page(
        request,
        "backups/overview/keys",
        title="Keys",
        opts=BackupExecution._meta,
        kind=settings.BACKUP_ENCRYPTION,
        recipients=[_fingerprint(text) for text in settings.BACKUP_ENCRYPTION_RECIPIENTS],
        has_passphrase=bool(settings.BACKUP_ENCRYPTION_PASSPHRASE),
        own=own,
        others=others,
        destinations=[DestinationKeys(row, row.policy.label, checks.get(row.pk)) for row in destinations],
    )


def _fingerprint(recipient: str) -> tuple[str, str]:
    """Return the fingerprint and the recipient."""
    try:
        return fingerprint(recipient), recipient
    except AgeKeyError:
        # it is not shown: it may be a secret in the wrong setting
        return "malformed", "manage.py check says what is wrong with it"
