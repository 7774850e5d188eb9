"""Check that a destination still has what the catalogue says: every archive by name and size, some by reading them."""

import random
from dataclasses import dataclass, field

from django.utils import timezone

from backups.errors import PutOff
from backups.lib import audit
from backups.models import BackupExecution
from backups.service.archives.records.copies import seen_at
from backups.service.catalogue.scan import Scan, scan
from backups.service.catalogue.sync import mark_found
from backups.service.drill.run import verify_backup
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination


@dataclass(slots=True)
class Checked:
    """What was found: `missing` and `returned` are newly so; `read` archives were verified, `bad` ones failed.

    Those of `put_off` were not read: the daily reading budget has no room for them.
    """

    scan: Scan
    missing: list[BackupExecution]
    returned: list[BackupExecution]
    read: list[BackupExecution] = field(default_factory=list)
    bad: list[tuple[BackupExecution, OperatorError]] = field(default_factory=list)
    put_off: list[tuple[BackupExecution, PutOff]] = field(default_factory=list)

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
    copies = destination.copies.sound().filter(execution__status="completed", execution__deleting_at=None)
    ids = copies.exclude(execution__in=wrong).values_list("pk", flat=True)
    chosen = random.SystemRandom().sample(known := list(ids), min(read, len(known)))
    for backup in BackupExecution.objects.select_related("destination").filter(copies__in=chosen):
        copy = copies.select_related("execution", "destination").filter(execution=backup).first()
        # deleted or marked while those before it were read
        if copy is None:
            continue
        seen = seen_at(copy)
        try:
            # what lies here, whatever nearer copies it has
            verify_backup(backup, by=by, only_copy=copy)
        except PutOff as error:
            checked.put_off.append((seen, error))
        except OperatorError as error:
            checked.bad.append((seen, error))
        else:
            checked.read.append(seen)
    audit.log(
        "destination.checked", destination=destination.name, by=audit.name_of(by), present=found.present,
        missing=len(found.missing), changed=len(found.changed), read=len(checked.read), bad=len(checked.bad),
        put_off=len(checked.put_off),
    )  # fmt: skip
    return checked
