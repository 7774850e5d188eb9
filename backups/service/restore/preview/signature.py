"""What a preview says of the signature of an archive."""

from dataclasses import dataclass
from pathlib import Path

from backups.archive.errors import ArchiveError
from backups.models import BackupExecution
from backups.service.archives.signatures import State, signature_state
from destinations.exceptions import DestinationError


@dataclass(frozen=True, slots=True)
class SeenSignature:
    """`bad` is why a restore refuses the archive, whatever a person accepts; `unknown` why nothing can be said."""

    text: str
    trusted: bool = False
    bad: str = ""
    unknown: str = ""

    def refusal(self, *, undo: bool) -> str:
        """Return what a restore would stop at; empty when it would not."""
        if self.bad or self.unknown or self.trusted or undo:
            return self.bad or self.unknown
        return f"the archive is {self.text}: it needs --accept-unsigned"


def seen_signature(source: BackupExecution | Path) -> SeenSignature:
    """Look at the signature of `source`. Nothing is raised: what is wrong is said."""
    try:
        signature = signature_state(source)
    except ArchiveError as error:
        return SeenSignature("not to be trusted", bad=error.message)
    except DestinationError as error:
        unknown = f"its signature cannot be looked at: {error.message}"
        return SeenSignature(unknown, unknown=unknown)
    return SeenSignature(str(signature), trusted=signature.state is State.SIGNED)
