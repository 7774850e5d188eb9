"""Check that a destination still has what the catalogue says: every archive by name and size, some by reading them."""

import random
from dataclasses import dataclass, field

from django.utils import timezone

from backups.lib import audit
from backups.models import BackupExecution
from backups.service.catalogue.scan import Scan, scan
from backups.service.catalogue.sync import mark_found
from backups.service.drill.run import verify_backup
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination


@dataclass(slots=True)
class Checked:
    """What was found: `missing` and `returned` are newly so; `read` archives were verified, `bad` ones failed."""

    scan: Scan
    missing: list[BackupExecution]
    returned: list[BackupExecution]
    read: list[BackupExecution] = field(default_factory=list)
    bad: list[tuple[BackupExecution, OperatorError]] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return not (self.scan.missing or self.scan.changed or self.bad)


def check_destination(destination: BackupDestination, *, by: audit.Actor, read: int = 0) -> Checked:
    """Compare every recorded archive with what is listed, mark missing and returned ones, verify `read` at random.

    A verification records its result with the backup. Raises DestinationError when the destination cannot be listed:
    then nothing was changed.
    """
    now = timezone.now()
    with destination.open() as opened:
        found = scan(opened, destination, now)
    checked = Checked(found, *mark_found(found, destination, now))
    wrong = {backup.pk for backup, _ in found.changed}
    ids = destination.executions.stored().filter(deleting_at=None).exclude(pk__in=wrong).values_list("pk", flat=True)
    chosen = random.SystemRandom().sample(known := list(ids), min(read, len(known)))
    for backup in BackupExecution.objects.select_related("destination").filter(pk__in=chosen):
        try:
            verify_backup(backup, by=by)
        except OperatorError as error:
            checked.bad.append((backup, error))
        else:
            checked.read.append(backup)
    audit.log(
        "destination.checked", destination=destination.name, by=audit.name_of(by), present=found.present,
        missing=len(found.missing), changed=len(found.changed), read=len(checked.read), bad=len(checked.bad),
    )  # fmt: skip
    return checked
