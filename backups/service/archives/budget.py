"""The daily reading budget of destinations, as drills and verifications of their archives meet it."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import Error as DatabaseProblem

from backups.errors import PutOff
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution
from backups.service.archives.records.copies import readable_copies
from destinations.lib.formats import human_size
from destinations.lib.operator_error import sentences
from destinations.models import Reading, read_today


def require_budget(backup: BackupExecution, *, among: Callable[[BackupCopy], bool] = lambda copy: True) -> None:
    """Raise PutOff when no readable copy of `backup` fits into what may be read at its destination today.

    Damaged copies count only where no copy is sound.
    """
    refused = []
    copies = [copy for copy in readable_copies(backup) if among(copy)]
    for copy in copies:
        # a damaged one is no way out of the limit on a sound one
        if copies[0].is_sound and not copy.is_sound:
            break
        budget = copy.destination.daily_read_bytes
        if budget is None or read_today(copy.destination) + (copy.size_bytes or 0) <= budget:
            return
        refused.append(no_budget(copy))
    # without a copy there is another error to raise
    if refused:
        raise PutOff(sentences(*(error.message for error in refused)), hint=refused[0].hint)


def settle(reading: Reading, read: int) -> None:
    """Count the `read` bytes. A database that is away for a moment must not fail what read them, such as a restore."""
    try:
        reading.settle(read)
    except DatabaseProblem as error:
        audit.log("reading.not-counted", logging.WARNING, destination=reading.destination.name, error=error)


def no_budget(copy: BackupCopy) -> PutOff:
    """Return the error that says that the daily reading budget has no room for `copy`; the same all day."""
    budget, size = copy.destination.daily_read_bytes or 0, copy.size_bytes or 0
    where = f"{copy.destination.name} ({human_size(budget)})"
    if size > budget:
        return PutOff(
            f"The archive has {human_size(size)}, more than the daily reading budget of {where}.",
            hint="Raise that budget, or keep a copy at another destination.",
        )
    return PutOff(
        f"The daily reading budget of {where} has no room for the {human_size(size)} of the archive today.",
        hint=f"It is put off until tomorrow ({settings.TIME_ZONE}). Raise that budget to read it now.",
    )
