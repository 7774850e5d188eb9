"""The page about keys: what archives are encrypted for, which of them open here, what signs them, the key checks."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from backups.admin.shared.permissions import VIEW
from backups.admin.shared.views import page, refuse
from backups.archive.age import AgeKeyError, fingerprint
from backups.archive.encryption import EncryptionError
from backups.archive.minisign import SigningKeyError
from backups.models import BackupCopy, BackupExecution, KeyCheck
from backups.service.archives.openable import no_key_for_copy
from backups.service.archives.signatures import trusted_keys
from backups.service.retention.stored import with_backups
from destinations.models import BackupDestination


@dataclass(frozen=True, slots=True)
class DestinationKeys:
    """A destination, its encryption policy in words, and its latest key check."""

    destination: BackupDestination
    policy: str
    check: KeyCheck | None


@dataclass(frozen=True, slots=True)
class EncryptedArchives:
    """The stored archives that open with the same keys; `problem` says why none of these is on this host."""

    encryption: str
    recipients: list[str]
    problem: EncryptionError | None
    total: int
    newest: datetime


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
        archives=_encrypted_archives(),
        own=own,
        others=others,
        destinations=[DestinationKeys(row, row.policy.label, checks.get(row.pk)) for row in destinations],
    )


def _encrypted_archives() -> list[EncryptedArchives]:
    # of each instance, because a service may have a passphrase of its own
    groups = (
        BackupCopy.objects.sound()
        .filter(execution__status="completed")
        .exclude(encryption="")
        .order_by()
        .values("encryption", "recipients", "execution__instance")
        .annotate(count=Count("execution", distinct=True), newest=Max("execution__created_at"), sample=Max("pk"))
    )
    samples = with_backups(BackupCopy.objects.all()).in_bulk([group["sample"] for group in groups])
    found: dict[tuple[str, ...], EncryptedArchives] = {}
    for group in groups:
        problem = no_key_for_copy(samples[group["sample"]])
        key = (group["encryption"], problem.text if problem else "", *map(str, group["recipients"]))
        before = found.get(key)
        found[key] = EncryptedArchives(
            encryption=group["encryption"],
            recipients=group["recipients"],
            problem=problem,
            total=group["count"] + (before.total if before else 0),
            newest=max(group["newest"], before.newest) if before else group["newest"],
        )
    return sorted(found.values(), key=lambda one: one.newest, reverse=True)


def _fingerprint(recipient: str) -> tuple[str, str]:
    """Return the fingerprint and the recipient."""
    try:
        return fingerprint(recipient), recipient
    except AgeKeyError:
        # it is not shown: it may be a secret in the wrong setting
        return "malformed", "manage.py check says what is wrong with it"
