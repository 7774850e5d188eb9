"""Archives that were deleted at a destination and that its store still keeps."""

from dataclasses import dataclass, field

from backups.models import BackupCopy
from backups.service.archives.names import is_archive
from backups.service.retention.stored import with_backups
from destinations.exceptions import DestinationError
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination

State = BackupCopy.State


@dataclass(frozen=True, slots=True)
class HiddenArchive:
    """A deleted archive, and the copy that is or was recorded under its path."""

    path: str
    size_bytes: int
    copy: BackupCopy | None

    @property
    def is_foreign(self) -> bool:
        """Whether something else than this site deleted an archive that is recorded."""
        return self.copy is not None and self.copy.state != State.DELETED

    @property
    def reason(self) -> str:
        if self.copy is None:
            return "not recorded here"
        if self.is_foreign:
            return "deleted by somebody else, and not by this site"
        when = f" on {self.copy.deleted_at:%Y-%m-%d %H:%M} UTC" if self.copy.deleted_at is not None else ""
        by = f" by {self.copy.deleted_by}" if self.copy.deleted_by else ""
        return f"deleted{when}{by}: {self.copy.deleted_reason or 'without a reason'}"


@dataclass(frozen=True, slots=True)
class Hidden:
    """The hidden archives of a destination; `problem` says why they cannot be listed, where the rest can."""

    archives: list[HiddenArchive] = field(default_factory=list)
    problem: str = ""


def find_hidden(destination: BackupDestination) -> Hidden:
    """Return what the store of `destination` keeps of deleted archives. Nothing is changed."""
    try:
        with destination.open() as opened:
            files = [file for file in opened.list_hidden() if is_archive(file.path)]
    except DestinationError as error:
        # often it takes a right of its own
        text = f"What {destination.name} keeps of deleted archives cannot be listed: {error.message}"
        return Hidden(problem=sentences(text, error.hint))
    paths = {file.path for file in files}
    # of several with one path, the newest is the one that was deleted last
    copies = with_backups(BackupCopy.objects.filter(destination=destination, path__in=paths).order_by("created_at"))
    by_path = {copy.path: copy for copy in copies}
    return Hidden([HiddenArchive(file.path, file.size_bytes, by_path.get(file.path)) for file in files])
