"""The destinations of one backup: each is looked at before anything is exported, and may turn out not to be usable."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from django.utils import timezone

from backups.archive.encryption import Encryption
from backups.errors import BackupError
from backups.instances import Instance
from backups.instances.kinds.configuration import LiveConfiguration
from backups.models import BackupCopy, BackupExecution
from backups.runs.finish import for_operator
from backups.runs.progress import Monitor
from backups.service.archives.names import archive_folder
from backups.service.archives.records.copies import record_failed
from backups.service.archives.records.tries import may_try_writing, record_left
from backups.service.backup.encrypt import encryption_for
from backups.service.backup.start import require_enabled
from destinations.exceptions import DestinationFull
from destinations.lib.formats import human_size
from destinations.lib.operator_error import OperatorError, sentences

# of what the archive is expected to take: it may compress better than the last one
SURE_SHARE = 0.8
POLL_SECONDS = 0.1


@dataclass(slots=True)
class Target:
    """A copy that can be made, and what encrypts its archive: None for a plain one.

    `free_bytes` are those of its destination before the export; None where that does not say. `left` is what a try to
    write there could not remove.
    """

    copy: BackupCopy
    encryption: Encryption | None = None
    free_bytes: int | None = None
    tries_writing: bool = True
    left: str = ""


class Targets:
    """The destinations of `backup` that are still usable. One that is not has a failed copy, with the reason."""

    def __init__(self, backup: BackupExecution, copies: list[BackupCopy]) -> None:
        self.backup = backup
        self.usable = [Target(copy) for copy in copies]
        self._errors: list[tuple[BackupCopy, OperatorError]] = []

    def require_reachable(self, monitor: Monitor) -> None:
        """Open all destinations side by side, and see that an upload could begin.

        Raises OperatorError, as all of these, when none is left.
        Raises what `monitor` raises at once, whether a destination has answered or not.
        """
        # now, instead of after hours of packing; one that does not answer delays the others by its own timeout alone
        answers: SimpleQueue[tuple[Target, BaseException | None]] = SimpleQueue()
        waiting = len(self.usable)
        for target in self.usable:
            target.tries_writing = may_try_writing(target.copy.destination)
            work = (_probe, self.backup, target, answers)
            threading.Thread(target=copy_context().run, args=work, name="probe", daemon=True).start()
        while waiting:
            try:
                target, error = answers.get(timeout=POLL_SECONDS)
            except Empty:
                monitor.advance(0)
                continue
            waiting -= 1
            record_left(target.copy.destination, target.left, timezone.now())
            target.copy.destination.record_free_space(target.free_bytes)
            if isinstance(error, Exception):
                self.failed(target, error)
            elif error is not None:
                raise error
        self._require_any()

    def choose_encryption(self, instance: Instance, live: LiveConfiguration) -> None:
        def choose(target: Target) -> None:
            target.encryption = encryption_for(self.backup, target.copy.destination, instance, live)

        self._each(choose)

    def require_room(self, estimate: int) -> None:
        """Compare what is free at each destination with what the archive of `estimate` bytes of data will take."""
        expected = int(_packed_share(self.backup) * estimate * SURE_SHARE)

        def require(target: Target) -> None:
            free = target.free_bytes
            if free is not None and free < expected:
                raise DestinationFull(
                    f"{target.copy.destination.name} has {human_size(free)} free, and the archive will take about"
                    f" {human_size(expected)}.",
                    hint="Free space there, for example by its retention rule, or choose another destination.",
                )

        if expected:
            self._each(require)

    def failed(self, target: Target, error: Exception, *, left: bool = False) -> None:
        """Record that the copy of `target` cannot be made now, as `record_failed`; it is not usable any more."""
        where = target.copy.destination.name
        known = for_operator(error, "copy.crashed", backup=self.backup.pk, destination=where)
        self.usable = [other for other in self.usable if other is not target]
        self._errors.append((target.copy, known))
        record_failed(target.copy, known, left=left)

    def error(self) -> OperatorError:
        """Return the one error that says why no copy could be made."""
        if len(self._errors) == 1:
            return self._errors[0][1]
        reasons = (f"{copy.destination.name}: {error.message}" for copy, error in self._errors)
        hints = dict.fromkeys(error.hint for _, error in self._errors if error.hint)
        return BackupError(
            sentences("None of the destinations takes this backup.", *reasons), hint=sentences(*hints) if hints else ""
        )

    def _each(self, look: Callable[[Target], None]) -> None:
        for target in self.usable:
            try:
                look(target)
            # whatever it is, the others are not concerned
            except Exception as error:
                self.failed(target, error)
        self._require_any()

    def _require_any(self) -> None:
        if not self.usable:
            raise self.error()


def _probe(
    backup: BackupExecution, target: Target, answers: "SimpleQueue[tuple[Target, BaseException | None]]"
) -> None:
    """Answer whether an upload to `target` could begin, and note what is free there; no database is touched."""
    try:
        require_enabled(target.copy.destination)
        with target.copy.destination.open() as opened:
            if target.tries_writing:
                target.left = opened.require_writable(archive_folder(backup.instance, backup.kind), backup.pk)
            else:
                opened.require_reachable()
            target.free_bytes = opened.free_space()
    # raised again, or recorded, by the thread of the run
    except BaseException as error:
        answers.put((target, error))
    else:
        answers.put((target, None))


def _packed_share(backup: BackupExecution) -> float:
    """Return the size of the last archive of the instance as a share of its data; 0 where none is known."""
    last = BackupExecution.objects.without_manifest().last_made_here(backup.instance)
    if last is None or not last.size_bytes or not last.compressed_size_bytes:
        return 0.0
    return last.compressed_size_bytes / last.size_bytes
